package ringline_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	ringline "github.com/ringline/ringline/clients/go"
	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// script is a server that says what a real one says rarely: a stream for each element, in turn.
type script struct {
	pb.UnimplementedCallServiceServer

	mu      sync.Mutex
	streams []func(*pb.WatchCallsRequest, grpc.ServerStreamingServer[pb.WatchCallsResponse]) error
	tokens  []string
	opened  []time.Time
	asked   []*pb.GetCallRequest
	sent    []metadata.MD
	get     func(attempt int) (*pb.GetCallResponse, error)
}

type stream = grpc.ServerStreamingServer[pb.WatchCallsResponse]

func (s *script) WatchCalls(request *pb.WatchCallsRequest, out stream) error {
	s.mu.Lock()
	s.tokens = append(s.tokens, request.GetResumeToken())
	s.opened = append(s.opened, time.Now())
	if len(s.streams) == 0 {
		s.mu.Unlock()
		<-out.Context().Done()
		return nil
	}
	next := s.streams[0]
	s.streams = s.streams[1:]
	s.mu.Unlock()
	return next(request, out)
}

func (s *script) GetCall(ctx context.Context, request *pb.GetCallRequest) (*pb.GetCallResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, _ := metadata.FromIncomingContext(ctx)
	s.sent = append(s.sent, sent)
	s.asked = append(s.asked, request)
	return s.get(len(s.asked))
}

// plays adds a stream that says these things, and then ends with the error or, without one, stays open.
func (s *script) plays(end error, messages ...*pb.WatchCallsResponse) {
	s.streams = append(s.streams, func(_ *pb.WatchCallsRequest, out stream) error {
		for _, message := range messages {
			if err := out.Send(message); err != nil {
				return err
			}
		}
		if end == nil {
			<-out.Context().Done()
		}
		if errors.Is(end, errOK) {
			return nil
		}
		return end
	})
}

var errOK = errors.New("it ends with OK")

// serve starts it, and returns a client.
func (s *script) serve(t *testing.T) *ringline.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := grpc.NewServer()
	pb.RegisterCallServiceServer(served, s)
	go func() { _ = served.Serve(listener) }()
	t.Cleanup(served.Stop)
	return clientAt(t, listener.Addr().String(), "my friend", "phoné")
}

func added(cid, uid string, revision int32) *pb.WatchCallsResponse {
	return change(1, cid, uid, revision)
}

func change(kind ringline.ChangeKind, id, uid string, revision int32) *pb.WatchCallsResponse {
	return &pb.WatchCallsResponse{Event: &pb.WatchCallsResponse_Change{Change: &pb.CallChange{
		Kind: kind,
		Call: &pb.Call{Type: "default", Id: id, Cid: "default:" + id, Uid: uid, Revision: revision},
	}}}
}

func complete(token string, resumed bool) *pb.WatchCallsResponse {
	return &pb.WatchCallsResponse{
		ResumeToken: token,
		Event: &pb.WatchCallsResponse_SnapshotComplete{
			SnapshotComplete: &pb.SnapshotComplete{Resumed: resumed},
		},
	}
}

func reset() *pb.WatchCallsResponse {
	return &pb.WatchCallsResponse{Event: &pb.WatchCallsResponse_Reset_{Reset_: &pb.Reset{Reason: 99}}}
}

func refusal(t *testing.T, code codes.Code, reason string, after time.Duration) error {
	t.Helper()
	refused, err := status.New(code, "No.").WithDetails(
		&errdetails.ErrorInfo{Domain: "ringline", Reason: reason},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(after)},
	)
	must(t, err)
	return refused.Err()
}

// shows waits for a list of these calls, newest first.
func (l *lists) shows(ids ...string) {
	l.t.Helper()
	l.until("the calls "+join(ids), func(calls []*ringline.Call) bool {
		return slices.EqualFunc(calls, ids, func(call *ringline.Call, id string) bool { return call.ID() == id })
	})
}

func join(ids []string) string {
	text := ""
	for _, id := range ids {
		text += id + " "
	}
	return text
}

func TestAWatchResumesWithItsTokenAfterGoingAway(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.plays(errOK, added("a", "1", 1), complete("one", false), &pb.WatchCallsResponse{
		ResumeToken: "two", Event: &pb.WatchCallsResponse_GoingAway{GoingAway: &pb.GoingAway{}},
	})
	server.plays(nil, added("b", "2", 1), complete("three", true))
	seen := follow(t, server.serve(t))
	seen.shows("a")
	seen.shows("b", "a")
	server.mu.Lock()
	defer server.mu.Unlock()
	if !slices.Equal(server.tokens, []string{"", "two"}) {
		t.Errorf("the tokens: %q", server.tokens)
	}
}

func TestAResetForgetsAllCallsAndRevisionsAndShowsNothingHalf(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.plays(errOK, added("b", "2", 9), added("a", "1", 9), complete("one", false))
	server.plays(refusal(t, codes.Unavailable, "OVERLOADED", 0), reset(), added("a", "1", 3))
	server.plays(nil, added("c", "3", 1), added("a", "1", 4), complete("new", false))
	seen := follow(t, server.serve(t))
	seen.shows("b", "a")
	next := seen.until("the next list", func([]*ringline.Call) bool { return true })
	if len(next) != 2 || next[0].ID() != "c" || next[1].ID() != "a" || next[1].Revision() != 4 {
		t.Errorf("after the reset: %v", next)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if !slices.Equal(server.tokens, []string{"", "one", ""}) {
		t.Errorf("the tokens: %q", server.tokens)
	}
}

func TestOlderRevisionsOfOneUIDAreDropped(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.plays(nil, added("a", "1", 5), complete("one", false),
		change(ringline.Updated, "a", "1", 6), change(ringline.Updated, "a", "1", 4), change(ringline.Removed, "a", "1", 5),
		added("b", "2", 1))
	seen := follow(t, server.serve(t))
	calls := seen.until("both", func(calls []*ringline.Call) bool { return len(calls) == 2 })
	if calls[1].Revision() != 6 {
		t.Errorf("shown: %v", calls)
	}
}

func TestWhatANewerServerSaysIsTolerated(t *testing.T) {
	t.Parallel()
	server := &script{}
	news := change(77, "a", "1", 1)
	told := news.GetChange()
	told.Call.State, told.Cause, told.StopReason = 17, 88, 99
	told.Viewer = &pb.ViewerState{CallingState: 17, Direction: 18, Capabilities: []ringline.Capability{1, 200}}
	told.Call.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), "new"))
	unknown := &pb.WatchCallsResponse{ResumeToken: "unknown"}
	unknown.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 90, protowire.BytesType), ""))
	server.plays(errOK, news, complete("one", false), unknown)
	seen := follow(t, server.serve(t))
	call := seen.until("the call", one)[0]
	if ringline.Name(call.State()) != "UNKNOWN(17)" || ringline.Name(call.Direction()) != "UNKNOWN(18)" {
		t.Errorf("shown: %v", call)
	}
	eventually(t, func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return slices.Equal(server.tokens, []string{"", "unknown"})
	})
}

func TestAReconnectWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.plays(refusal(t, codes.ResourceExhausted, "TOO_MANY_WATCHES", time.Second))
	server.plays(nil, complete("one", false))
	follow(t, server.serve(t)).shows()
	server.mu.Lock()
	defer server.mu.Unlock()
	if waited := server.opened[1].Sub(server.opened[0]); waited < time.Second {
		t.Errorf("it waited only %v", waited)
	}
}

func TestAReplacedWatchEndsAndDoesNotComeBack(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.plays(refusal(t, codes.Aborted, "WATCH_REPLACED", 0), complete("one", false))
	if err := follow(t, server.serve(t)).untilEndAfterLists(); ringline.ReasonOf(err) != ringline.ReasonWatchReplaced {
		t.Errorf("it ended with %v", err)
	}
}

func TestARepeatHasTheSameRequestIDAndIsForUnavailableOnly(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.get = func(attempt int) (*pb.GetCallResponse, error) {
		switch attempt {
		case 1:
			return nil, refusal(t, codes.Unavailable, "DRAINING", 10*time.Millisecond)
		case 2:
			return nil, status.Error(codes.Unavailable, "a proxy's own")
		case 3:
			return &pb.GetCallResponse{Call: &pb.Call{Uid: "1", Revision: 1}}, nil
		default:
			return nil, refusal(t, codes.ResourceExhausted, "RATE_LIMITED", 3*time.Second)
		}
	}
	call := server.serve(t).Call("default", "x")
	_, err := call.Get(t.Context(), ringline.Ring())
	must(t, err)
	var failed *ringline.Error
	if _, err = call.Get(t.Context(), ringline.Ring()); !errors.As(err, &failed) || failed.RetryAfter != 3*time.Second {
		t.Errorf("the fourth: %v", err)
	}
	asked := server.asked
	if len(asked) != 4 || asked[0].GetRequestId() == "" || asked[0].GetRequestId() != asked[2].GetRequestId() ||
		asked[3].GetRequestId() == asked[0].GetRequestId() {
		t.Errorf("asked: %v", asked)
	}
	sent := server.sent[0]
	if !slices.Equal(sent.Get("x-user-id"), []string{"my friend"}) ||
		!slices.Equal(sent.Get("x-device-id-bin"), []string{"phoné"}) {
		t.Errorf("sent: %v", sent)
	}
}

func TestARepeatStopsAtTheDeadline(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.get = func(int) (*pb.GetCallResponse, error) {
		return nil, refusal(t, codes.Unavailable, "OVERLOADED", time.Minute)
	}
	begun := time.Now()
	_, err := server.serve(t).Call("default", "x").Get(t.Context())
	if ringline.ReasonOf(err) != ringline.ReasonOverloaded || time.Since(begun) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
}

func TestTheTimeLeftIsByTheServersClock(t *testing.T) {
	t.Parallel()
	there := time.Date(1999, 12, 31, 23, 59, 0, 0, time.UTC) // far from here
	server := &script{}
	ring := added("a", "1", 1)
	ring.GetChange().Viewer = &pb.ViewerState{RingExpiresAt: timestamppb.New(there.Add(20 * time.Second))}
	done := complete("one", false)
	done.ServerTime = timestamppb.New(there)
	server.plays(nil, ring, done)
	call := follow(t, server.serve(t)).until("the call", one)[0]
	if left, ok := call.TimeLeft(); !ok || left > 20*time.Second || left < 15*time.Second {
		t.Errorf("left: %v", left)
	}
}

func TestAnOlderAnswerDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	server := &script{}
	server.get = func(attempt int) (*pb.GetCallResponse, error) {
		return &pb.GetCallResponse{Call: &pb.Call{Uid: "1", Revision: int32(10 - attempt)}}, nil
	}
	call := server.serve(t).Call("default", "x")
	for range 2 {
		_, err := call.Get(t.Context())
		must(t, err)
	}
	if call.Revision() != 9 {
		t.Errorf("shown: %v", call)
	}
}

func TestATokenIsNotSentInTheClear(t *testing.T) {
	t.Parallel()
	token := func(context.Context) (string, error) { return "secret", nil }
	if _, err := ringline.NewClient("localhost:1", ringline.WithToken(token)); err == nil {
		t.Error("a token without transport credentials is taken")
	}
}

// untilEndAfterLists waits for the end, whatever is shown before.
func (l *lists) untilEndAfterLists() error {
	l.t.Helper()
	late := time.After(patience)
	for {
		select {
		case <-l.news:
		case err := <-l.end:
			return err
		case <-late:
			l.t.Fatal("the watch does not end")
		}
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it does not come about")
		}
	}
}
