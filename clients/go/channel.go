package ringline

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// channel is a gRPC channel that knows how long nothing was heard on it. It is told so as its own stats handler.
type channel struct {
	*grpc.ClientConn
	heard atomic.Pointer[time.Time]
}

var _ stats.Handler = (*channel)(nil)

// hear notes that something was heard.
func (c *channel) hear() {
	now := time.Now()
	c.heard.Store(&now)
}

// silence returns how long nothing was heard.
func (c *channel) silence() time.Duration { return time.Since(*c.heard.Load()) }

// HandleRPC hears what comes from the server.
func (c *channel) HandleRPC(_ context.Context, event stats.RPCStats) {
	switch event.(type) {
	case *stats.InHeader, *stats.InPayload, *stats.InTrailer:
		c.hear()
	}
}

// HandleConn takes no part: a connection that came about may be silent ever since.
func (c *channel) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC adds nothing.
func (c *channel) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn adds nothing.
func (c *channel) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
