package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// steady starts calls at a fixed rate, whether or not the earlier ones are done, and tells how long after its time each
// callee was told of the ring.
func steady(given options) any {
	pairs := newPairs(given)
	free := make(chan *pair, len(pairs))
	for _, one := range pairs {
		one.call(context.Background())
		free <- one
	}
	prepared("ready")
	total := int(given.rate * given.seconds)
	latencies := make([]time.Duration, total)
	var working sync.WaitGroup
	start := time.Now()
	for at := range total {
		due := start.Add(time.Duration(float64(at) / given.rate * float64(time.Second)))
		time.Sleep(time.Until(due))
		one := <-free
		working.Go(func() {
			latencies[at] = one.call(context.Background()).Sub(due)
			free <- one
		})
	}
	working.Wait()
	took := time.Since(start).Seconds()
	quiet(pairs)
	return map[string]any{
		"calls": total, "seconds": took, "p50": percentile(latencies, 0.50), "p99": percentile(latencies, 0.99),
	}
}

// percentile is in milliseconds.
func percentile(of []time.Duration, share float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return float64(sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
}
