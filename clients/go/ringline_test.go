package ringline_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	ringline "github.com/ringline/ringline/clients/go"
	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

func TestOneRingsTheOtherAnswersAndHangsUp(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice, bob := server.as("alice", "desk"), server.as("bob", "phone")
	incoming := follow(t, bob)
	incoming.until("that nothing rings", none)

	standup := alice.Call("default", "standup")
	answer, err := standup.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	if !answer.GetCreated() || standup.Direction() != ringline.Outgoing || !standup.CreatedByMe() {
		t.Errorf("the caller sees %v of %v", standup, answer)
	}
	if left, ok := standup.TimeLeft(); !ok || left < 20*time.Second || left > 31*time.Second {
		t.Errorf("the caller has %v left", left)
	}
	ringing := incoming.until("the call", one)[0]
	if ringing.Direction() != ringline.Incoming || ringing.RingerID() != "alice" || ringing.CreatedByMe() {
		t.Errorf("the callee sees %v", ringing)
	}
	if left, ok := ringing.TimeLeft(); !ok || left < 20*time.Second || left > 31*time.Second {
		t.Errorf("the callee has %v left", left)
	}

	joined, err := ringing.Join(ctx)
	must(t, err)
	if joined.GetParticipant().GetDeviceId() != "phone" || ringing.CallingState() != ringline.Joined {
		t.Errorf("the callee is in as %v", joined.GetParticipant())
	}
	incoming.until("that nothing rings any more", none)
	_, err = standup.Join(ctx) // claims the participation that the answer made
	must(t, err)
	must(t, standup.Leave(ctx, ringline.Reject(), ringline.Reason("cancel")))
	if standup.State() != ringline.CallEnded || standup.CallingState() != ringline.Left {
		t.Errorf("after hanging up: %v", standup)
	}
}

func TestAllVerbsAndTheirOptions(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	call := server.as("myself", "desk").Call("default", "lunch")
	starts := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := call.GetOrCreate(ctx, ringline.Notify(), ringline.Video(),
		ringline.MembersWith(ringline.Member{UserID: "my friend", Role: "host", Custom: map[string]any{"seat": 3}}),
		ringline.Custom(map[string]any{"topic": "soup"}), ringline.StartsAt(starts),
		ringline.Settings(&pb.CallSettings{Ring: &pb.RingSettings{AutoCancelTimeout: durationpb.New(9 * time.Second)}}))
	must(t, err)
	message := call.Message()
	if message.GetLastNotifiedById() != "myself" || message.GetCustom().AsMap()["topic"] != "soup" ||
		!message.GetStartsAt().AsTime().Equal(starts) || len(message.GetMembers()) != 2 ||
		message.GetSettings().GetRing().GetAutoCancelTimeout().AsDuration() != 9*time.Second {
		t.Errorf("created: %v", message)
	}

	must(t, call.Update(ctx, ringline.Custom(map[string]any{"topic": "tea"}), ringline.IfRevision(call.Revision())))
	err = call.Update(ctx, ringline.Mask("starts_at"), ringline.IfRevision(1))
	if ringline.ReasonOf(err) != ringline.ReasonRevisionMismatch {
		t.Errorf("an update of an old revision: %v", err)
	}
	must(t, call.Update(ctx, ringline.Mask("starts_at")))
	if call.Message().GetStartsAt() != nil || call.Message().GetCustom().AsMap()["topic"] != "tea" {
		t.Errorf("updated: %v", call.Message())
	}

	_, err = call.UpdateMembers(ctx, ringline.Members("third"), ringline.Remove("my friend"), ringline.Ring())
	must(t, err)
	if call.CallingState() != ringline.Ringing || call.RingID() == "" {
		t.Errorf("rung with the members: %v", call)
	}
	must(t, call.Cancel(ctx, ringline.Reason("wrong number")))
	if rings := call.Message().GetRings(); rings[len(rings)-1].GetReason() != "wrong number" {
		t.Errorf("cancelled: %v", rings)
	}
	_, err = call.Ring(ctx, ringline.Users("third"), ringline.Video())
	must(t, err)
	third := server.as("third", "phone").Call("default", "lunch")
	must(t, third.Reject(ctx, ringline.Reason("busy")))
	if third.Message().GetEndReason() != pb.EndReason_END_REASON_BUSY {
		t.Errorf("rejected: %v", third.Message())
	}
	_, err = call.Get(ctx, ringline.Ring(), ringline.Notify())
	must(t, err)
	must(t, call.EndCall(ctx, ringline.Reason("enough")))
	if call.State() != ringline.CallEnded || call.Message().GetEndedById() != "myself" {
		t.Errorf("ended: %v", call)
	}
	page, err := server.as("myself", "desk").Stub().ListCalls(ctx, &pb.ListCallsRequest{})
	must(t, err)
	if len(page.GetItems()) != 1 {
		t.Errorf("listed: %v", page)
	}
}

func TestE2LeaveWithRejectDoesWhatTheStateMeans(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice, bob := server.as("alice", "desk").Call("default", "x"), server.as("bob", "phone").Call("default", "x")
	ring := func() {
		t.Helper()
		_, err := alice.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
		must(t, err)
	}

	ring()
	must(t, bob.Leave(ctx, ringline.Reject(), ringline.Reason("decline")))
	if bob.Message().GetEndReason() != pb.EndReason_END_REASON_ALL_REJECTED {
		t.Errorf("a ringing target rejects, but: %v", bob.Message())
	}
	ring()
	must(t, alice.Leave(ctx, ringline.Reject(), ringline.Reason("cancel")))
	if alice.Message().GetEndReason() != pb.EndReason_END_REASON_CANCELLED {
		t.Errorf("an unanswered ringer cancels, but: %v", alice.Message())
	}
	ring()
	_, err := bob.Join(ctx)
	must(t, err)
	must(t, alice.Leave(ctx, ringline.Reject(), ringline.Reason("cancel")))
	if alice.Message().GetEndReason() != pb.EndReason_END_REASON_LEFT_ALONE {
		t.Errorf("a participant leaves, but: %v", alice.Message())
	}
}

func TestX6ALateTapMeansTheRingThatWasShown(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice, bob := server.as("alice", "desk"), server.as("bob", "phone")
	call := alice.Call("default", "x")
	incoming := follow(t, bob)
	_, err := call.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	first := incoming.until("the first ring", one)[0]
	old := bob.Call("default", "x")
	_, err = old.Get(ctx)
	must(t, err)
	must(t, call.Cancel(ctx))
	_, err = call.Ring(ctx)
	must(t, err)
	second := incoming.until("the second ring", func(calls []*ringline.Call) bool {
		return one(calls) && calls[0].RingID() != first.RingID()
	})[0]

	_, err = first.Join(ctx)
	var failed *ringline.Error
	if !errors.As(err, &failed) || failed.Reason != ringline.ReasonRingOver || failed.Code != codes.FailedPrecondition ||
		failed.Metadata["ring_id"] != first.RingID() || failed.Metadata["target_state"] != "CANCELLED" {
		t.Errorf("the late tap: %v", err)
	}
	must(t, first.Reject(ctx, ringline.ForRing(first.RingID())))
	must(t, old.Leave(ctx, ringline.Reject()))
	_, err = second.Get(ctx)
	must(t, err)
	if second.CallingState() != ringline.Ringing {
		t.Errorf("the second ring should still ring: %v", second)
	}
	_, err = second.Join(ctx)
	must(t, err)
}

func TestALateTapDoesNotHangUpALaterRing(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice, bob := server.as("alice", "desk"), server.as("bob", "phone")
	call := alice.Call("default", "x")
	_, err := call.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	mine, theirs := alice.Call("default", "x"), bob.Call("default", "x")
	for _, old := range []*ringline.Call{mine, theirs} {
		_, err = old.Get(ctx)
		must(t, err)
	}
	must(t, call.Cancel(ctx))
	_, err = call.Ring(ctx)
	must(t, err)
	_, err = bob.Call("default", "x").Join(ctx)
	must(t, err)

	must(t, mine.Leave(ctx, ringline.Reject()))
	must(t, theirs.Leave(ctx, ringline.Reject()))
	_, err = call.Get(ctx)
	must(t, err)
	if call.State() != ringline.CallActive || len(call.Message().GetParticipants()) != 2 {
		t.Errorf("the second ring was answered, and both should be in: %v", call.Message())
	}
}

func TestWithoutAWatchTheTimeLeftIsKnownOnlyAfterANewRingOfOnesOwn(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice := server.as("alice", "desk").Call("default", "x")
	_, err := alice.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	if left, ok := alice.TimeLeft(); !ok || left < 20*time.Second || left > 30*time.Second {
		t.Errorf("who rang: %v, %v", left, ok)
	}
	bob := server.as("bob", "phone").Call("default", "x")
	_, err = bob.Get(ctx)
	must(t, err)
	if left, ok := bob.TimeLeft(); ok {
		t.Errorf("who is rung: %v", left)
	}
	again := server.as("alice", "phone").Call("default", "x")
	_, err = again.Ring(ctx) // nobody new: bob has rung for a while
	must(t, err)
	if left, ok := again.TimeLeft(); again.CallingState() != ringline.Ringing || ok {
		t.Errorf("who repeats a ring: %v, %v", again, left)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	alice := server.as("älice", "desk")
	var failed *ringline.Error

	_, err := alice.Call("default", "x").GetOrCreate(ctx, ringline.Ring(), ringline.Members("bob"))
	if !errors.As(err, &failed) || failed.Code != codes.InvalidArgument || len(failed.Fields) == 0 {
		t.Errorf("without the creator: %#v", err)
	}
	_, err = alice.Call("default", "x").Get(ctx)
	if !errors.As(err, &failed) || failed.Reason != ringline.ReasonNotAllowed || failed.Message == "" {
		t.Errorf("a call that is not there: %#v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = alice.Call("default", "x").Get(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %#v", err)
	}
	must(t, alice.Close())
	if _, err = alice.Call("default", "x").Get(ctx); !errors.Is(err, ringline.ErrClosed) {
		t.Errorf("a closed client: %#v", err)
	}
	must(t, alice.Close())
}

func TestARequestWhoseAnswerWasLostIsRepeatedAndHappensOnce(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	proxy := startProxy(t, server.address)
	client := clientAt(t, proxy.address(), "alice", "desk")
	_, err := client.Call("default", "warm").GetOrCreate(ctx) // so that what comes next is the answer
	must(t, err)
	var lost atomic.Int32
	proxy.set(func() {
		proxy.answered = func(bytes int) {
			if bytes > 200 && lost.Add(1) == 1 { // not a ping or a window, but the answer
				proxy.cut()
			}
		}
	})
	call := client.Call("default", "x")
	answer, err := call.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	if lost.Load() < 2 || !answer.GetCreated() || call.Revision() != 1 || len(call.Message().GetRings()) != 1 {
		t.Errorf("after %d answers: %v", lost.Load(), answer)
	}
}

func TestARequestOnADeadConnectionIsAskedAgainOnANewOneAndHappensOnce(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	proxy := startProxy(t, server.address)
	call := clientAt(t, proxy.address(), "alice", "desk").Call("default", "x")
	_, err := call.GetOrCreate(ctx, ringline.Members("alice", "bob"))
	must(t, err)
	proxy.set(func() {
		proxy.silent = true
		proxy.answered = func(int) { proxy.set(func() { proxy.silent = false }) } // for new connections
	})
	_, err = call.Get(ctx, ringline.Ring())
	must(t, err)
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if call.CallingState() != ringline.Ringing || len(call.Message().GetRings()) != 1 || proxy.accepted != 2 {
		t.Errorf("after %d connections: %v", proxy.accepted, call.Message())
	}
}

func TestARequestOnADeadConnectionEndsWithItsTime(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	proxy := startProxy(t, server.address)
	call := clientAt(t, proxy.address(), "alice", "desk").Call("default", "x")
	_, err := call.GetOrCreate(ctx)
	must(t, err)
	proxy.set(func() { proxy.silent = true })
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err = call.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}

func TestARequestIsRepeatedUntilTheServerIsThere(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	call := server.as("alice", "desk").Call("default", "x")
	server.kill()
	started := make(chan struct{})
	go func() {
		defer close(started)
		time.Sleep(300 * time.Millisecond)
		server.start()
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := call.GetOrCreate(ctx)
	<-started
	must(t, err)
}

func TestAWatchSurvivesCutsAndRestartsAndKillsOfTheServer(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	proxy := startProxy(t, server.address)
	bob := clientAt(t, proxy.address(), "bob", "phone")
	incoming := follow(t, bob)
	incoming.until("that nothing rings", none)

	proxy.cut()
	call := server.as("alice", "desk").Call("default", "x")
	_, err := call.GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"),
		ringline.Settings(&pb.CallSettings{Ring: &pb.RingSettings{
			AutoCancelTimeout: durationpb.New(5 * time.Minute), IncomingCallTimeout: durationpb.New(5 * time.Minute),
		}}))
	must(t, err)
	incoming.until("what rang meanwhile", one)

	server.kill()
	server.start()
	must(t, call.Cancel(ctx))
	incoming.until("what was cancelled after a kill", none)

	server.stop()
	server.start()
	_, err = call.Ring(ctx)
	must(t, err)
	incoming.until("what rings after a restart", one)
	incoming.stop()
	must(t, incoming.untilEnd())
}

func TestAWatchNoticesThatTheConnectionIsDead(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	proxy := startProxy(t, server.address)
	bob := clientAt(t, proxy.address(), "bob", "phone")
	incoming := follow(t, bob, ringline.HeartbeatInterval(5*time.Second))
	incoming.until("that nothing rings", none)
	proxy.set(func() { proxy.silent = true })
	_, err := server.as("alice", "desk").Call("default", "x").
		GetOrCreate(ctx, ringline.Ring(), ringline.Members("alice", "bob"))
	must(t, err)
	time.Sleep(6 * time.Second) // a heartbeat gets lost
	proxy.set(func() { proxy.silent = false })
	incoming.until("what rang while nothing came", one)
}

func TestAWatchEndsOnWhatCannotHeal(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := server.as("bob", "phone")
	for name, test := range map[string]struct {
		option ringline.WatchOption
		code   codes.Code
	}{
		"a call that may not be read": {ringline.CIDs("default:other"), codes.PermissionDenied},
		"a state for services":        {ringline.CallStates(ringline.CallIdle), codes.InvalidArgument},
	} {
		var failed *ringline.Error
		if err := follow(t, bob, test.option).untilEnd(); !errors.As(err, &failed) || failed.Code != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWatchEndsCleanly(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	bob := server.as("bob", "phone")
	for calls, err := range bob.WatchCalls(t.Context()) {
		must(t, err)
		if len(calls) != 0 {
			t.Errorf("nothing should ring: %v", calls)
		}
		break
	}
	incoming := follow(t, bob)
	incoming.until("that nothing rings", none)
	must(t, bob.Close())
	must(t, incoming.untilEnd())
	for range bob.WatchCalls(t.Context()) {
		t.Error("a closed client shows something")
	}
}

func TestEventsTellWhyACallStoppedRingingAndOfNotifications(t *testing.T) {
	t.Parallel()
	server, ctx := startServer(t), background(t)
	call := server.as("alice", "desk").Call("default", "x")
	phone, tablet := server.as("bob", "phone"), server.as("bob", "tablet")
	var seen []string
	for event, err := range tablet.Watch(ctx) {
		must(t, err)
		switch event := event.(type) {
		case *ringline.SnapshotComplete:
			_, err := call.GetOrCreate(ctx, ringline.Notify(), ringline.Members("alice", "bob"))
			must(t, err)
		case *ringline.Notification:
			seen = append(seen, "notified by "+event.ActorUserID)
			_, err := call.Ring(ctx)
			must(t, err)
		case *ringline.Change:
			seen = append(seen, ringline.Name(event.Kind)+" "+ringline.Name(event.StopReason))
			if event.Kind == ringline.Added {
				must(t, phone.Call("default", "x").Reject(ctx))
			}
		}
		if len(seen) == 3 {
			break
		}
	}
	want := []string{"notified by alice", "ADDED UNSPECIFIED", "REMOVED REJECTED_ELSEWHERE"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen: %q", seen)
	}
}
