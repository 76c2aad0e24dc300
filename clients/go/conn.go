package ringline

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxMessage bounds what is received: a call is at most 1 MiB, a page of calls 2 MiB and a little more.
const maxMessage = 8 << 20

// attemptTimeout is how long one attempt of a request waits. An answer takes milliseconds: if none came for so long the
// connection may be dead, and asking again is safe.
const attemptTimeout = 5 * time.Second

// conn is the connection of a client: it says who one is with every RPC, and repeats requests until they are answered.
// Stubs can be made on it.
type conn struct {
	address  string
	creds    credentials.TransportCredentials
	identity []string
	token    func(context.Context) (string, error)
	timeout  time.Duration

	open  context.Context //nolint:containedctx // how long the connection lives
	close context.CancelCauseFunc

	mu      sync.Mutex
	current *channel
}

var _ grpc.ClientConnInterface = (*conn)(nil)

// dial makes a channel. It connects when it is first used.
func (c *conn) dial() (*channel, error) {
	fresh := &channel{}
	fresh.hear() // it has not been silent yet
	var err error
	fresh.ClientConn, err = grpc.NewClient(c.address,
		grpc.WithStatsHandler(fresh),
		grpc.WithTransportCredentials(c.creds),
		grpc.WithUserAgent("ringline-go/"+version),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		// When to try again is decided below; the library's own pauses, up to 2 min, would come on top.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: 10 * time.Second,
		}),
	)
	return fresh, err
}

// channel returns the present channel.
func (c *conn) channel() (*channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.Err() != nil {
		return nil, &Error{Code: codes.Canceled, Message: ErrClosed.Error(), cause: ErrClosed}
	}
	return c.current, nil
}

// renew takes another channel from now on, if this one is the present one and all of it went silent: a dead connection
// would be found again and again. What is under way on it may still end well.
func (c *conn) renew(silent *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.Err() != nil || c.current != silent || silent.silence() < attemptTimeout {
		return
	}
	fresh, err := c.dial()
	if err != nil {
		return // cannot be: the same arguments did once
	}
	c.current = fresh
	go func() {
		sleep(c.open, c.timeout)
		_ = silent.Close()
	}()
}

// shut ends everything that is under way.
func (c *conn) shut() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.Err() != nil {
		return nil
	}
	c.close(ErrClosed)
	return c.current.Close()
}

// whileOpen returns a context that is done with ctx, and when the connection is closed.
func (c *conn) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.open, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// outgoing adds who one is to ctx, and returns the token that it used.
func (c *conn) outgoing(ctx context.Context) (context.Context, string, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, c.identity...)
	if c.token == nil {
		return ctx, "", nil
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, "", &Error{Code: codes.Unavailable, Message: "There is no token: " + err.Error(), cause: err}
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), token, nil
}

// Invoke sends a request and waits for the answer. A request that has a request_id gets one, and while the server is
// unavailable or silent it is repeated, as long as the time allows.
func (c *conn) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	ctx, stop := c.whileOpen(ctx)
	defer stop()

	request = withRequestID(request)
	for attempt := 0; ; attempt++ {
		err := c.once(ctx, method, request, answer, options)
		if err == nil {
			return nil
		}
		failed := errorOf(ctx, err)
		if c.open.Err() != nil {
			failed.cause = ErrClosed
			return failed
		}
		pause := retrying.delay(attempt, failed.RetryAfter)
		deadline, _ := ctx.Deadline()
		again := failed.Code == codes.Unavailable || failed.Code == codes.DeadlineExceeded
		if !again || pause >= time.Until(deadline) {
			return failed
		}
		if !sleep(ctx, pause) {
			failed.cause = context.Cause(ctx)
			return failed
		}
	}
}

// once is one attempt. On a channel on which nothing was heard it is the last.
func (c *conn) once(ctx context.Context, method string, request, answer any, options []grpc.CallOption) error {
	channel, err := c.channel()
	if err != nil {
		return err
	}
	ctx, _, err = c.outgoing(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	err = channel.Invoke(ctx, method, request, answer, options...)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.renew(channel)
	}
	return err
}

// NewStream opens a stream. It is not repeated: that is what following a watch is for.
func (c *conn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	channel, err := c.channel()
	if err != nil {
		return nil, err
	}
	ctx, _, err = c.outgoing(ctx)
	if err != nil {
		return nil, err
	}
	return channel.NewStream(ctx, desc, method, options...)
}

// withRequestID returns the request with a random request_id, if it can have one and has none.
func withRequestID(request any) any {
	message, ok := request.(proto.Message)
	if !ok {
		return request
	}
	field := message.ProtoReflect().Descriptor().Fields().ByName("request_id")
	if field == nil || message.ProtoReflect().Has(field) {
		return request
	}
	message = proto.Clone(message)
	message.ProtoReflect().Set(field, protoreflect.ValueOfString(rand.Text()))
	return message
}

// identified returns the metadata that say who one is: under -bin what gRPC's ASCII metadata cannot carry as it is.
func identified(key, value string) []string {
	for at, letter := range value {
		edge := at == 0 || at == len(value)-1
		if letter < ' ' || letter > '~' || letter == ' ' && edge {
			return []string{key + "-bin", value}
		}
	}
	return []string{key, value}
}
