package ringline

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// serverClock is what the server's clock says now, from what it said last and the time since. The device's time of day
// is never asked.
type serverClock struct {
	mu    sync.Mutex
	said  time.Time
	heard time.Time // with a monotonic reading; zero while nothing is known
}

// told takes what the server's clock says now.
func (c *serverClock) told(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said, c.heard = now, time.Now()
}

// guess takes what the server's clock probably says now, if nothing better is known.
func (c *serverClock) guess(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.IsZero() {
		c.said, c.heard = now, time.Now()
	}
}

// isPast takes that the server spoke of this time as past. Alone it does not tell how long ago that was.
func (c *serverClock) isPast(then time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.heard.IsZero() && then.After(c.said.Add(time.Since(c.heard))) {
		c.said, c.heard = then, time.Now()
	}
}

// until returns how long it is until then, and whether anything is known of the server's clock.
func (c *serverClock) until(then time.Time) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard.IsZero() {
		return 0, false
	}
	return max(0, then.Sub(c.said.Add(time.Since(c.heard)))), true
}

// jitter says how long to wait before trying again: full jitter, so that many clients do not come back all at once.
type jitter struct{ base, limit time.Duration }

var (
	retrying     = jitter{base: 100 * time.Millisecond, limit: 2 * time.Second}
	reconnecting = jitter{base: 500 * time.Millisecond, limit: 10 * time.Second}
)

// delay returns the time before the attempt after this one, counted from 0. What the server asks for comes on top:
// nobody comes back sooner.
func (j jitter) delay(attempt int, retryAfter time.Duration) time.Duration {
	ceiling := min(j.limit, j.base<<min(attempt, 16))
	return retryAfter + rand.N(ceiling)
}

// sleep waits, and returns false if ctx is done before.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
