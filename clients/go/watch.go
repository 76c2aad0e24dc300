package ringline

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// WatchOption is an option of [Client.WatchCalls] and [Client.Watch]: which calls, by default those that ring, incoming
// and outgoing. Options of different kinds all must match, the values of one are alternatives.
type WatchOption func(*pb.WatchCallsRequest)

// Directions watches the calls with one of these directions for the user.
func Directions(directions ...CallDirection) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.Directions = append(r.Directions, directions...) }
}

// CallingStates watches the calls in which the user is in one of these states. Default: [Ringing].
func CallingStates(states ...CallingState) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.CallingStates = append(r.CallingStates, states...) }
}

// CallStates watches the calls in one of these states. Only for a service that names no user.
func CallStates(states ...CallState) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.CallStates = append(r.CallStates, states...) }
}

// Types watches the calls of these call types.
func Types(types ...string) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.Types = append(r.Types, types...) }
}

// CIDs watches these calls, as `type:id`, in any state unless [CallingStates] are given.
func CIDs(cids ...string) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.Cids = append(r.Cids, cids...) }
}

// HeartbeatInterval is how often the server says that it is there, 5 s to 60 s: below the idle timeout of whatever
// proxy is between. After 2.5 intervals of silence the watch connects anew. Default: 15 s.
func HeartbeatInterval(interval time.Duration) WatchOption {
	return func(r *pb.WatchCallsRequest) { r.HeartbeatInterval = durationpb.New(interval) }
}

const defaultHeartbeat = 15 * time.Second

// Event is what a watch tells: a [*Change], [*Notification], [*SnapshotComplete] or [*Reset]. Others will be added.
type Event interface{ event() }

// Change says how a call stands now.
type Change struct {
	// Kind says what to do with the call on the screen. Treat one that is none of the three as [Updated].
	Kind ChangeKind
	// Call is the call, with all that it shows. Of one that the user may not read any more it shows hardly anything.
	Call *Call
	// Cause is what happened.
	Cause CallEventType
	// StopReason says, with [Removed], what became of the ring or the call for the user.
	StopReason StopReason
	// ActorUserID is who did it. Empty if the server did.
	ActorUserID string
	// Reason is the free text that was given.
	Reason string
}

// Notification tells of a call without ringing. It is not told again after a reconnect.
type Notification struct {
	Call        *Call
	ActorUserID string
	Video       bool
	Time        time.Time
}

// SnapshotComplete says that all there was has been told. If it is Resumed, what was not told is as it was.
type SnapshotComplete struct{ Resumed bool }

// Reset says to forget all calls: they are told anew. Its reason is there to be logged, and unspecified if the watch
// began anew by itself.
type Reset struct{ Reason ResetReason }

func (*Change) event()           {}
func (*Notification) event()     {}
func (*SnapshotComplete) event() {}
func (*Reset) event()            {}

// WatchCalls returns the present list of calls, at once and at every change, newest first. A loop that is slow gets the
// latest list and not those between. Each range over it is a watch of its own.
//
//	for calls, err := range client.WatchCalls(ctx) {
//		if err != nil {
//			return err
//		}
//		show(calls)
//	}
//
// It goes on through lost connections and restarts of the server, and ends when the loop is left, ctx is done or the
// client is closed. It yields an error, as its last, only if that cannot heal: the credentials or the options are
// refused, or newer watches of the same device took its place.
func (c *Client) WatchCalls(ctx context.Context, options ...WatchOption) iter.Seq2[[]*Call, error] {
	return watch(ctx, c, options, 1, func(_ context.Context, lists chan []*Call) func(Event) {
		var shown picture
		return func(event Event) {
			calls, ok := shown.apply(event)
			if !ok {
				return
			}
			select {
			case <-lists: // nobody has seen it
			default:
			}
			lists <- calls
		}
	})
}

// Watch returns what happens to the calls, for what a list cannot show: why a call stopped ringing, and notifications.
// It goes on and ends as [Client.WatchCalls] does. While the loop is slow, the server merges what it owes.
func (c *Client) Watch(ctx context.Context, options ...WatchOption) iter.Seq2[Event, error] {
	return watch(ctx, c, options, 64, func(ctx context.Context, events chan Event) func(Event) {
		return func(event Event) {
			select {
			case events <- event:
			case <-ctx.Done():
			}
		}
	})
}

// watch follows a watch beside the loop, which takes from a channel of this size what the sink puts there.
func watch[T any](
	ctx context.Context, c *Client, options []WatchOption, size int, sink func(context.Context, chan T) func(Event),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, stop := c.conn.whileOpen(ctx)
		news := make(chan T, size)
		follower := &follower{client: c, request: request(options), emit: sink(ctx, news)}
		var failed error
		go func() {
			defer close(news)
			failed = follower.follow(ctx)
		}()
		defer func() {
			stop()
			for range news { //nolint:revive // until it has ended
			}
		}()

		for one := range news {
			if ctx.Err() != nil || !yield(one, nil) {
				return
			}
		}
		if failed != nil {
			var none T
			yield(none, failed)
		}
	}
}

func request(options []WatchOption) *pb.WatchCallsRequest {
	request := &pb.WatchCallsRequest{}
	for _, option := range options {
		option(request)
	}
	if request.GetHeartbeatInterval() == nil {
		request.HeartbeatInterval = durationpb.New(defaultHeartbeat)
	}
	return request
}

// silence is how many heartbeat intervals without a message mean that a connection is dead.
const silence = 2.5

var errSilent = errors.New("ringline: nothing was heard for too long")

// follower is one watch, over all its streams.
type follower struct {
	client  *Client
	request *pb.WatchCallsRequest
	emit    func(Event)

	seen    revisions
	told    bool // something that is to be forgotten when it is told anew
	settled bool // the present stream has told all there was
}

// follow goes on until ctx is done or it fails with what cannot heal.
func (f *follower) follow(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		f.settled = false
		token, failed := f.stream(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was ended, and did not fail
		}
		var retryAfter time.Duration
		if failed != nil {
			if !f.heals(ctx, failed, token) {
				return failed
			}
			retryAfter = failed.RetryAfter
		}
		if f.settled {
			attempt = 0
		}
		if !sleep(ctx, reconnecting.delay(attempt, retryAfter)) {
			return nil
		}
	}
}

// heals says whether trying again may help after an error of a stream that was opened with this token.
func (f *follower) heals(ctx context.Context, failed *Error, token string) bool {
	switch failed.Code {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unimplemented:
		return false
	case codes.Unauthenticated:
		// An app that renews its tokens has another one by now.
		if f.client.conn.token == nil {
			return false
		}
		renewed, err := f.client.conn.token(ctx)
		return err != nil || renewed != token
	default:
		return failed.Reason != ReasonWatchReplaced
	}
}

// stream follows one stream to its end, and returns the token it was opened with and what it failed with, if it did.
func (f *follower) stream(ctx context.Context) (string, *Error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	conn := f.client.conn
	channel, err := conn.channel()
	if err != nil {
		return "", errorOf(ctx, err)
	}
	patience := time.Duration(silence * float64(f.request.GetHeartbeatInterval().AsDuration()))
	watchdog := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer watchdog.Stop()
	// Not only the answer may be missing: the token's issuer may be silent, or a connection that does not come about.
	outgoing, token, err := conn.outgoing(ctx)
	if err != nil {
		return "", errorOf(ctx, err)
	}
	fresh := f.request.GetResumeToken() == ""
	messages, err := pb.NewCallServiceClient(channel).WatchCalls(outgoing, f.request)
	for err == nil {
		var message *pb.WatchCallsResponse
		watchdog.Reset(patience)
		message, err = messages.Recv()
		watchdog.Stop() // however long the loop may take now
		if err != nil {
			break
		}
		if fresh {
			fresh = false
			f.forget(pb.ResetReason_RESET_REASON_UNSPECIFIED)
		}
		f.apply(message)
	}
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		conn.renew(channel)
		return token, nil
	case errors.Is(err, io.EOF):
		return token, nil
	default:
		return token, errorOf(ctx, err)
	}
}

// apply takes a message. What a newer server says beside is passed over; going_away too, since the end follows.
func (f *follower) apply(message *pb.WatchCallsResponse) {
	if now := message.GetServerTime(); now != nil {
		f.client.clock.told(now.AsTime())
	}
	if token := message.GetResumeToken(); token != "" {
		f.request.ResumeToken = token
	}
	switch event := message.GetEvent().(type) {
	case *pb.WatchCallsResponse_Change:
		f.change(event.Change)
	case *pb.WatchCallsResponse_Notification:
		told := event.Notification
		f.emit(&Notification{
			Call:        f.client.shown(told.GetCall(), told.GetViewer()),
			ActorUserID: told.GetActorUserId(),
			Video:       told.GetVideo(),
			Time:        told.GetTime().AsTime(),
		})
	case *pb.WatchCallsResponse_SnapshotComplete:
		f.settled, f.told = true, true
		f.emit(&SnapshotComplete{Resumed: event.SnapshotComplete.GetResumed()})
	case *pb.WatchCallsResponse_Reset_:
		f.request.ResumeToken = message.GetResumeToken()
		f.forget(event.Reset_.GetReason())
	}
}

func (f *follower) change(change *pb.CallChange) {
	if !f.seen.isNews(change.GetCall()) {
		return
	}
	f.told = true
	f.emit(&Change{
		Kind:        change.GetKind(),
		Call:        f.client.shown(change.GetCall(), change.GetViewer()),
		Cause:       change.GetCause(),
		StopReason:  change.GetStopReason(),
		ActorUserID: change.GetActorUserId(),
		Reason:      change.GetReason(),
	})
}

// forget begins anew. A server that was restored from a backup counts the same revisions again.
func (f *follower) forget(reason ResetReason) {
	f.seen = revisions{}
	if f.told {
		f.told = false
		f.emit(&Reset{Reason: reason})
	}
}
