package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// newGroup makes phones of the members of one call; the first of them calls.
func newGroup(given options) ([]*grpcPhone, []string) {
	users := groupOf(given.members)
	return newGrpcPhones(given, users), users
}

func groupOf(members int) []string {
	group := "g0" + run[len(run)-6:]
	users := []string{group + "-caller"}
	for at := 1; at < members; at++ {
		users = append(users, fmt.Sprintf("%s-callee%d", group, at))
	}
	return users
}

// ringGroup rings everybody, several times, and tells how long it took until the last one was told.
func ringGroup(given options) any {
	phones, users := newGroup(given)
	prepared("ready")
	var latencies []float64
	for at := range given.count {
		name := fmt.Sprintf("%s-%d", users[0], at)
		phones[0].gather(context.Background(), name, users)
		begun := time.Now()
		last := begun
		phones[0].ringAll(context.Background(), name, len(users))
		for at, one := range phones {
			if told := expect(users[at], one.changes(), added, name, given.strict).at; told.After(last) {
				last = told
			}
		}
		latencies = append(latencies, float64(last.Sub(begun).Microseconds())/1000)
		phones[0].end(context.Background(), name)
		if given.strict {
			for at, one := range phones {
				expect(users[at], one.changes(), removed, name, given.strict)
			}
		}
	}
	return map[string]any{"latencies": latencies}
}

// answerGroup rings everybody, has all of them answer, evenly in the given time, and tells what the streams carried.
//
// How often a member is told of the others depends on how fast it reads: changes of one call merge. But the last that each
// one is told has to be that it rings no more. Canned messages only have to be as many as given in count.
func answerGroup(given options) any {
	phones, users := newGroup(given)
	name := users[0] + "-answer"
	phones[0].gather(context.Background(), name, users)
	prepared("ready")
	begun := time.Now()
	phones[0].ringAll(context.Background(), name, len(users))
	for at, one := range phones {
		expect(users[at], one.changes(), added, name, given.strict)
	}
	var messages, bytes int
	var counted sync.Mutex
	var listening, answering sync.WaitGroup
	over := make(chan struct{})
	for at, one := range phones {
		listening.Go(func() {
			for {
				select {
				case told := <-one.changes():
					counted.Lock()
					messages++
					bytes += told.size
					if !given.strict && messages == given.count {
						close(over)
					}
					counted.Unlock()
					if given.strict && told.kind == removed {
						check(told.call == name, "%s was told of %s", users[at], told.call)
						return
					}
				case <-over:
					return
				case <-time.After(patience):
					check(false, "%s was not told that it rings no more", users[at])
				}
			}
		})
	}
	interval := time.Duration(given.seconds * float64(time.Second) / float64(len(phones)-1))
	for at, one := range phones[1:] {
		time.Sleep(time.Until(begun.Add(time.Duration(at+1) * interval)))
		answering.Go(func() { one.accept(context.Background(), name) })
	}
	answering.Wait()
	listening.Wait()
	return map[string]any{"messages": messages, "bytes": bytes, "seconds": time.Since(begun).Seconds()}
}
