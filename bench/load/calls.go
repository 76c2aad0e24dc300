package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// pair is two users who call each other, both of them watching.
type pair struct {
	group          string
	users          []string
	caller, callee phone
	strict         bool
	made           int
}

func newPairs(given options) []*pair {
	pairs := make([]*pair, given.pairs)
	var users []string
	for at := range pairs {
		group := fmt.Sprintf("g%d%s", at, run[len(run)-6:])
		pairs[at] = &pair{group: group, users: []string{group + "-caller", group + "-callee"}, strict: given.strict || given.wire == "weekend"}
		users = append(users, pairs[at].users...)
	}
	phones := newPhones(given, users)
	for at, one := range pairs {
		one.caller, one.callee = phones[2*at], phones[2*at+1]
	}
	return pairs
}

// call makes one full call and returns when the callee's stream told of it.
func (p *pair) call(ctx context.Context) time.Time {
	name := fmt.Sprintf("%s-%d", p.group, p.made)
	p.made++
	p.caller.ring(ctx, name, p.users)
	rang := p.both(added, name)
	p.callee.accept(ctx, name)
	p.both(removed, name)
	p.caller.end(ctx, name)
	return rang
}

// both waits until both sides are told, and returns when the callee was.
func (p *pair) both(kind, name string) time.Time {
	callee := expect(p.users[1], p.callee.changes(), kind, name, p.strict)
	expect(p.users[0], p.caller.changes(), kind, name, p.strict)
	return callee.at
}

// quiet checks that nobody was told more than what was waited for.
func quiet(pairs []*pair) {
	for _, one := range pairs {
		left := len(one.caller.changes()) + len(one.callee.changes())
		check(left == 0, "%s was told %d messages too many", one.group, left)
	}
}

// calls has each pair call as often as it can.
func calls(given options) any {
	pairs := newPairs(given)
	for _, one := range pairs {
		one.call(context.Background())
	}
	prepared("ready")
	var made atomic.Int64
	var working sync.WaitGroup
	start := time.Now()
	until := start.Add(time.Duration(given.seconds * float64(time.Second)))
	for _, one := range pairs {
		working.Go(func() {
			for time.Now().Before(until) {
				one.call(context.Background())
				made.Add(1)
			}
		})
	}
	working.Wait()
	took := time.Since(start).Seconds()
	quiet(pairs)
	return map[string]any{"calls": made.Load(), "seconds": took}
}
