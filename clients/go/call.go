package ringline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// Call is a call as it was last told, and what can be done with it. It is safe for concurrent use.
//
// What it shows changes only by its own verbs; a watch hands out a new one for every change. So [Call.Join],
// [Call.Reject] and [Call.Cancel] mean the ring that this one shows, and a late tap never answers or stops another.
// Every verb fails with an [*Error] if the server refuses.
type Call struct {
	client       *Client
	callType, id string
	told         atomic.Pointer[told]
}

// told is what the server told of a call. Never nil, its messages may be.
type told struct {
	call   *pb.Call
	viewer *pb.ViewerState
}

// What it is.

// Type returns the call type.
func (c *Call) Type() string { return c.callType }

// ID returns the id within the type.
func (c *Call) ID() string { return c.id }

// CID returns `type:id`.
func (c *Call) CID() string { return c.callType + ":" + c.id }

// Message returns the whole call, the same for everybody who may read it. It must not be changed.
func (c *Call) Message() *pb.Call { return c.told.Load().call }

// Viewer returns what the call means to the user. It must not be changed. Nil if nothing was told.
func (c *Call) Viewer() *pb.ViewerState { return c.told.Load().viewer }

// UID returns the call's uid, made by the server and new whenever the id is created anew. Empty until it is told.
func (c *Call) UID() string { return c.Message().GetUid() }

// Revision counts the changes of the call. 0 until it is told.
func (c *Call) Revision() int32 { return c.Message().GetRevision() }

// State returns the state of the call.
func (c *Call) State() CallState { return c.Message().GetState() }

// CallingState says whether the user is being rung or waits, is in, or has left.
func (c *Call) CallingState() CallingState { return c.Viewer().GetCallingState() }

// Direction says whether the user is called or calls.
func (c *Call) Direction() CallDirection { return c.Viewer().GetDirection() }

// CreatedByMe says whether the user created the call.
func (c *Call) CreatedByMe() bool { return c.Viewer().GetCreatedByMe() }

// RingID returns the ring that concerns the user. Empty for none.
func (c *Call) RingID() string { return c.Viewer().GetRingId() }

// RingerID returns who started that ring: the caller to show. Empty for none.
func (c *Call) RingerID() string { return c.Viewer().GetRingerId() }

// TimeLeft returns how long the user still rings or waits, by the server's clock; false if nothing rings or the
// server's clock is not known yet. It counts down by itself, to be shown; when it is over the server says so.
func (c *Call) TimeLeft() (time.Duration, bool) {
	expires := c.Viewer().GetRingExpiresAt()
	if expires == nil {
		return 0, false
	}
	return c.client.clock.until(expires.AsTime())
}

// String returns the call for a log.
func (c *Call) String() string {
	return fmt.Sprintf("%s (%s, %s, revision %d)", c.CID(), Name(c.State()), Name(c.CallingState()), c.Revision())
}

// What can be done.

// GetOrCreate creates the call, or gets it if it exists; with [Ring] it rings, with [Notify] it notifies, in the same
// step. To ring, list the user among the [Members]. On a call that exists the other options change nothing, and the
// members are those to ring.
func (c *Call) GetOrCreate(ctx context.Context, options ...CreateOption) (*pb.GetOrCreateCallResponse, error) {
	request := &pb.GetOrCreateCallRequest{Type: c.callType, Id: c.id, Data: &pb.CallData{}}
	for _, option := range options {
		if err := option.create(request); err != nil {
			return nil, err
		}
	}
	return ask(ctx, c, c.client.stub.GetOrCreateCall, request)
}

// Get gets the call as it is now; with [Ring] it rings all members, with [Notify] it notifies them.
func (c *Call) Get(ctx context.Context, options ...GetOption) (*pb.GetCallResponse, error) {
	request := &pb.GetCallRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		option.get(request)
	}
	return ask(ctx, c, c.client.stub.GetCall, request)
}

// Ring rings members of a call that exists, into a running one too.
func (c *Call) Ring(ctx context.Context, options ...RingOption) (*pb.RingCallResponse, error) {
	request := &pb.RingCallRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		option.ring(request)
	}
	return ask(ctx, c, c.client.stub.RingCall, request)
}

// Join comes in; while the call rings the user, that is the answer.
//
// It answers the ring that this Call shows; if it shows none that rings, it asks the server first. It fails with
// [ReasonRingOver] if that ring is over meanwhile, with [ReasonJoinedElsewhere] if the user is in on another device,
// where [Mode] says what to do then, and with [ReasonCallEnded].
func (c *Call) Join(ctx context.Context, options ...JoinOption) (*pb.JoinCallResponse, error) {
	request := &pb.JoinCallRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		option.join(request)
	}
	if request.GetRingId() == "" {
		if err := c.know(ctx); err != nil {
			return nil, err
		}
		// A ring that is over is not what is meant by joining now.
		request.RingId = c.ringing()
	}
	return ask(ctx, c, c.client.stub.JoinCall, request)
}

// Reject refuses the ring that this Call shows, on all devices of the user; if it shows none that rings, it asks the
// server first. Nothing changes if that ring is over already; after the user's own answer it fails with
// [ReasonAlreadyAccepted].
func (c *Call) Reject(ctx context.Context, options ...AnswerOption) error {
	given, err := c.answer(ctx, options)
	if err != nil {
		return err
	}
	if given.ringID == "" {
		given.ringID = c.RingID()
	}
	return c.reject(ctx, given.ringID, given.reason)
}

// Cancel takes back the user's own unanswered rings that this Call shows; if it shows none that rings, it asks the
// server first. Nothing changes if they are over already; once one is answered it fails with [ReasonAlreadyAccepted],
// and [Call.Leave] hangs up.
func (c *Call) Cancel(ctx context.Context, options ...AnswerOption) error {
	given, err := c.answer(ctx, options)
	if err != nil {
		return err
	}
	rings := []string{given.ringID}
	if given.ringID == "" {
		rings = c.unanswered()
	}
	if len(rings) == 0 {
		rings = []string{c.RingID()} // of which the server tells what became
	}
	return c.cancel(ctx, rings, given.reason)
}

// Leave leaves the call. With [Reject] it does what is meant by where the user stands: who is being rung refuses, whose
// own ring is unanswered takes it back, who is in leaves. It means the ring that this Call shows, and leaves if that
// was answered meanwhile; if it shows none that rings, it asks the server first. Nothing changes if that ring is over.
func (c *Call) Leave(ctx context.Context, options ...LeaveOption) error {
	var given leaveOptions
	for _, option := range options {
		option.leave(&given)
	}
	if !given.reject {
		return c.leave(ctx, given.reason)
	}
	if err := c.know(ctx); err != nil {
		return err
	}
	var err error
	switch own := c.unanswered(); {
	case c.CallingState() == Joined:
		return c.leave(ctx, given.reason)
	case c.Viewer().GetTargetState() == pb.RingTargetState_RING_TARGET_STATE_RINGING:
		err = c.reject(ctx, c.RingID(), given.reason)
	case len(own) > 0:
		err = c.cancel(ctx, own, given.reason)
	}
	if ReasonOf(err) == ReasonAlreadyAccepted {
		// It was answered meanwhile, which brought the user in: now it is hanging up that is meant.
		return c.leave(ctx, given.reason)
	}
	return err
}

// EndCall ends the call for everyone, and for good.
func (c *Call) EndCall(ctx context.Context, options ...EndOption) error {
	request := &pb.EndCallRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		option.end(request)
	}
	_, err := ask(ctx, c, c.client.stub.EndCall, request)
	return err
}

// Update changes custom data, settings and the start. With [IfRevision] it fails with [ReasonRevisionMismatch] if the
// call has changed since.
func (c *Call) Update(ctx context.Context, options ...UpdateOption) error {
	request := &pb.UpdateCallRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		if err := option.update(request); err != nil {
			return err
		}
	}
	_, err := ask(ctx, c, c.client.stub.UpdateCall, request)
	return err
}

// UpdateMembers adds or changes [Members], and removes some with [Remove], in one step; with [Ring] it rings those added
// or changed.
func (c *Call) UpdateMembers(ctx context.Context, options ...MembersOption) (*pb.UpdateCallMembersResponse, error) {
	request := &pb.UpdateCallMembersRequest{Type: c.callType, Id: c.id}
	for _, option := range options {
		if err := option.members(request); err != nil {
			return nil, err
		}
	}
	return ask(ctx, c, c.client.stub.UpdateCallMembers, request)
}

// answer returns the options of a reject or a cancel, once it is known what rings.
func (c *Call) answer(ctx context.Context, options []AnswerOption) (answerOptions, error) {
	var given answerOptions
	for _, option := range options {
		option.answer(&given)
	}
	if given.ringID != "" {
		return given, nil
	}
	return given, c.know(ctx)
}

// know asks what rings, unless a ring is shown, which is then what was seen and is meant.
func (c *Call) know(ctx context.Context) error {
	if c.ringing() != "" {
		return nil
	}
	_, err := c.Get(ctx)
	return err
}

// ringing returns the ring that is shown, if it rings the user or waits for an answer.
func (c *Call) ringing() string {
	if c.CallingState() != Ringing {
		return ""
	}
	return c.RingID()
}

// unanswered returns the user's own unanswered rings.
func (c *Call) unanswered() []string {
	var ids []string
	shown := c.told.Load()
	for _, ring := range shown.call.GetRings() {
		if ring.GetRingerId() == shown.viewer.GetUserId() && ring.GetState() == pb.RingState_RING_STATE_RINGING {
			ids = append(ids, ring.GetId())
		}
	}
	return ids
}

func (c *Call) reject(ctx context.Context, ringID, reason string) error {
	request := &pb.RejectCallRequest{Type: c.callType, Id: c.id, RingId: ringID, Reason: reason}
	_, err := ask(ctx, c, c.client.stub.RejectCall, request)
	return err
}

func (c *Call) cancel(ctx context.Context, ringIDs []string, reason string) error {
	for _, ringID := range ringIDs {
		request := &pb.CancelCallRequest{Type: c.callType, Id: c.id, RingId: ringID, Reason: reason}
		if _, err := ask(ctx, c, c.client.stub.CancelCall, request); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) leave(ctx context.Context, reason string) error {
	request := &pb.LeaveCallRequest{Type: c.callType, Id: c.id, Reason: reason}
	_, err := ask(ctx, c, c.client.stub.LeaveCall, request)
	return err
}

// answer is what the answer to every verb tells.
type answer interface {
	GetCall() *pb.Call
	GetViewer() *pb.ViewerState
}

// ask sends a request, and lets the call show the answer.
func ask[Q any, A answer](
	ctx context.Context, c *Call, rpc func(context.Context, *Q, ...grpc.CallOption) (A, error), request *Q,
) (A, error) {
	told, err := rpc(ctx, request)
	if err == nil {
		c.take(told)
	}
	return told, err
}

// take shows what an answer tells, unless something newer has been told already.
func (c *Call) take(answer answer) {
	next := &told{answer.GetCall(), answer.GetViewer()}
	if changed := next.call.GetUpdatedAt(); changed != nil {
		rung, ok := answer.(interface{ GetTargets() []*pb.RingTarget })
		if ok && newly(rung.GetTargets(), next.call) {
			c.client.clock.guess(changed.AsTime())
		}
		c.client.clock.isPast(changed.AsTime())
	}
	for {
		shown := c.told.Load()
		if shown.call.GetUid() == next.call.GetUid() && next.call.GetRevision() < shown.call.GetRevision() {
			return
		}
		if c.told.CompareAndSwap(shown, next) {
			return
		}
	}
}

// newly says whether a target began to ring with the call's last change, which was then just now. Who was skipped may
// have rung for long.
func newly(targets []*pb.RingTarget, call *pb.Call) bool {
	for _, target := range targets {
		at := target.GetRungAt()
		if target.GetSkipReason() == pb.SkipReason_SKIP_REASON_UNSPECIFIED && at != nil &&
			at.AsTime().Equal(call.GetUpdatedAt().AsTime()) {
			return true
		}
	}
	return false
}
