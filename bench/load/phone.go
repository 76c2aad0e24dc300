package main

import (
	"context"
	"fmt"
	"time"
)

// phone is one user's device: it holds a stream and sends requests. Methods return once the answer is there and right.
type phone interface {
	ring(ctx context.Context, call string, members []string)
	accept(ctx context.Context, call string)
	end(ctx context.Context, call string)
	// changes are what the stream tells, in order.
	changes() <-chan change
}

type change struct {
	kind string
	call string
	at   time.Time
	size int
}

const (
	added   = "added"
	updated = "updated"
	removed = "removed"
)

// expect waits for the next change and checks it.
func expect(user string, from <-chan change, kind, call string, strict bool) change {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case next := <-from:
		check(next.kind == kind && (next.call == call || !strict), "%s was told %s %s, not %s %s", user, next.kind, next.call, kind, call)
		return next
	case <-timeout.C:
		check(false, "%s was not told %s %s within %v", user, kind, call, patience)
		panic("unreachable")
	}
}

// newPhones makes phones of users, with as many connections as wanted, and waits until each one watches.
func newPhones(given options, users []string) []phone {
	if given.wire == "weekend" {
		return newWeekendPhones(given.address, users)
	}
	phones := make([]phone, len(users))
	for at, one := range newGrpcPhones(given, users) {
		phones[at] = one
	}
	return phones
}

// run is unlike any other run's, so that calls of two runs never meet.
var run = fmt.Sprintf("%x", time.Now().UnixNano())
