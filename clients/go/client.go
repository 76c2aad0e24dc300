package ringline

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

const version = "0.1.0"

// Client is a user on a device, connected to a server. It is safe for concurrent use. Close it when it is done.
type Client struct {
	conn  *conn
	stub  pb.CallServiceClient
	clock *serverClock
}

// ClientOption is an option of [NewClient].
type ClientOption func(*conn)

// WithUser names the user. A server in development mode believes it; with a service's token it is the user as whom the
// service acts.
func WithUser(id string) ClientOption {
	return func(c *conn) { c.identity = append(c.identity, identified("x-user-id", id)...) }
}

// WithDevice names the device. Then "answered elsewhere" is told, and the right device is in the call.
func WithDevice(id string) ClientOption {
	return func(c *conn) { c.identity = append(c.identity, identified("x-device-id", id)...) }
}

// WithToken gives the token of every RPC. It is asked each time, so that it can renew tokens: it should keep the one
// that is good. An error of its counts as UNAVAILABLE. It needs [WithTransportCredentials].
func WithToken(token func(context.Context) (string, error)) ClientOption {
	return func(c *conn) { c.token = token }
}

// WithTransportCredentials says how to connect, with TLS for example. Default: unencrypted, for development.
func WithTransportCredentials(creds credentials.TransportCredentials) ClientOption {
	return func(c *conn) { c.creds = creds }
}

// WithTimeout is how long a verb may take, repeats included, when its context has no deadline. Default: 10 s.
func WithTimeout(timeout time.Duration) ClientOption {
	return func(c *conn) { c.timeout = timeout }
}

// WithMetadata adds metadata to every RPC, such as `x-teams` in development mode.
func WithMetadata(key, value string) ClientOption {
	return func(c *conn) { c.identity = append(c.identity, key, value) }
}

// NewClient returns a client of the server at the address, `host:port`. It connects when it is first used.
func NewClient(address string, options ...ClientOption) (*Client, error) {
	c := &conn{address: address, timeout: 10 * time.Second}
	for _, option := range options {
		option(c)
	}
	if c.creds == nil {
		if c.token != nil {
			return nil, errors.New("ringline: a token needs transport credentials, or anybody on the way can read it")
		}
		c.creds = insecure.NewCredentials()
	}
	c.open, c.close = context.WithCancelCause(context.Background())
	var err error
	if c.current, err = c.dial(); err != nil {
		c.close(err)
		return nil, err
	}
	return &Client{conn: c, stub: pb.NewCallServiceClient(c), clock: &serverClock{}}, nil
}

// Call returns a call by its type and id; whether it exists is the server's business. It shows nothing until one of its
// verbs was answered.
func (c *Client) Call(callType, id string) *Call {
	return c.shown(&pb.Call{Type: callType, Id: id}, nil)
}

// shown returns a call that shows what was told of it.
func (c *Client) shown(call *pb.Call, viewer *pb.ViewerState) *Call {
	shown := &Call{client: c, callType: call.GetType(), id: call.GetId()}
	shown.told.Store(&told{call, viewer})
	return shown
}

// Stub returns the contract's own interface, for what has no verb here: ListCalls, ListCallEvents, ListEvents. Its unary
// RPCs say who one is, get a request id, are repeated and fail with an [*Error] as the verbs do. Of its streams only
// the first is true.
func (c *Client) Stub() pb.CallServiceClient { return c.stub }

// Close ends everything that is under way: loops over a watch end, requests fail with [ErrClosed].
func (c *Client) Close() error { return c.conn.shut() }
