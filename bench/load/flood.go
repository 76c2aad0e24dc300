package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

const (
	// recovery is how long after a flood all has to be as before.
	recovery = 2 * time.Second
	// unhurried is how many requests a second tell how quick the server is.
	unhurried = 200
)

// flood sends many requests at once, and tells what became of them and how quick the server was before and is afterwards.
func flood(given options) any {
	conns := dialAll(given.address, given.conns, given.conns)
	probe := pb.NewCallServiceClient(dial(given.address))
	create := func(client pb.CallServiceClient, kind string, at int) error {
		user := fmt.Sprintf("%s-%s-%d", kind, run, at)
		request := &pb.GetOrCreateCallRequest{Type: "default", Id: user, Data: &pb.CallData{
			Members: []*pb.MemberInput{{UserId: user}, {UserId: user + "-other"}},
		}}
		answer, err := client.GetOrCreateCall(as(context.Background(), user), request)
		check(err != nil || answer.GetCreated() && answer.GetCall().GetId() == user, "%s was answered %v", user, answer)
		return err
	}
	for at, conn := range conns {
		must(create(pb.NewCallServiceClient(conn), "hello", at))
	}
	prepared("ready")
	before := quickness(given.seconds, func(at int) { must(create(probe, "before", at)) })
	took := make([]time.Duration, given.count)
	results := make([]error, given.count)
	var flooding sync.WaitGroup
	begun := time.Now()
	for at := range given.count {
		client := pb.NewCallServiceClient(conns[at%len(conns)])
		flooding.Go(func() {
			results[at] = create(client, "flood", at)
			took[at] = time.Since(begun)
		})
	}
	flooding.Wait()
	lasted := time.Since(begun)
	time.Sleep(recovery)
	after := quickness(given.seconds, func(at int) { must(create(probe, "after", at)) })
	var answered, refused, lost int
	var example string
	var refusals []time.Duration
	for at, err := range results {
		switch status.Code(err) {
		case codes.OK:
			answered++
		case codes.Unavailable, codes.ResourceExhausted:
			refused++
			refusals = append(refusals, took[at])
		default:
			lost++
			example = err.Error()
		}
	}
	return map[string]any{
		"before": before, "after": after, "answered": answered, "refused": refused, "lost": lost,
		"example": example, "seconds": lasted.Seconds(), "refusal": slowest(refusals),
	}
}

// quickness is the 99th percentile, in milliseconds, of requests at a rate that is no burden.
func quickness(seconds float64, do func(int)) float64 {
	latencies := make([]time.Duration, int(seconds*unhurried))
	var working sync.WaitGroup
	start := time.Now()
	for at := range latencies {
		due := start.Add(time.Duration(at) * time.Second / unhurried)
		time.Sleep(time.Until(due))
		working.Go(func() {
			do(at)
			latencies[at] = time.Since(due)
		})
	}
	working.Wait()
	return percentile(latencies, 0.99)
}

// slowest is in seconds.
func slowest(of []time.Duration) float64 {
	var longest time.Duration
	for _, one := range of {
		longest = max(longest, one)
	}
	return longest.Seconds()
}
