package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

const (
	// short rings are over while the server is away, long ones go on.
	short = 2 * time.Second
	long  = 10 * time.Minute
)

// watcher is a stream that is cut and goes on.
type watcher struct {
	user   string
	conn   *grpc.ClientConn
	stream grpc.ServerStreamingClient[pb.WatchCallsResponse]
	token  string
	rings  bool
}

// resume opens streams, has some of their users rung, waits while somebody restarts the server, resumes all streams, and
// tells how long that took. Half of the rings end meanwhile: those who rang must be told, and nobody else anything.
func resume(given options) any {
	watchers := make([]*watcher, given.streams)
	conns := dialAll(given.address, given.streams, given.conns)
	inParallel(len(watchers), func(at int) {
		one := &watcher{user: fmt.Sprintf("g%d%s-watcher", at, run[len(run)-6:]), conn: conns[at]}
		one.stream = open(one.conn, one.user, "")
		_, last := complete(one.stream)
		one.token = last.GetResumeToken()
		watchers[at] = one
	})
	var rung []*watcher
	if given.strict {
		rung = watchers[:given.count]
	}
	for at, one := range rung {
		one.isRung(at%2 == 0)
	}
	prepared("ready")
	// Shared ones are there several times, and a second Close is an error of no interest.
	for _, conn := range conns {
		_ = conn.Close()
	}
	conns = dialAll(given.address, given.streams, given.conns)
	begun := time.Now()
	inParallel(len(watchers), func(at int) { watchers[at].resumes(conns[at], given.strict, at < len(rung) && at%2 == 0) })
	return map[string]any{"seconds": time.Since(begun).Seconds()}
}

func (w *watcher) isRung(briefly bool) {
	timeout := durationpb.New(long)
	if briefly {
		timeout = durationpb.New(short)
	}
	caller := w.user + "-caller"
	request := &pb.GetOrCreateCallRequest{Type: "default", Id: w.user, Ring: true, Data: &pb.CallData{
		Members:  []*pb.MemberInput{{UserId: caller}, {UserId: w.user}},
		Settings: &pb.CallSettings{Ring: &pb.RingSettings{AutoCancelTimeout: timeout, IncomingCallTimeout: timeout}},
	}}
	_, err := pb.NewCallServiceClient(w.conn).GetOrCreateCall(as(context.Background(), caller), request)
	must(err)
	message, err := w.stream.Recv()
	must(err)
	check(message.GetChange().GetKind() == pb.ChangeKind_CHANGE_KIND_ADDED, "%s rings and was told %v", w.user, message)
	w.token = message.GetResumeToken()
}

func (w *watcher) resumes(conn *grpc.ClientConn, strict, missed bool) {
	changes, last := complete(open(conn, w.user, w.token))
	if !strict {
		return
	}
	check(last.GetSnapshotComplete().GetResumed(), "%s was not resumed: %v", w.user, last)
	if !missed {
		check(len(changes) == 0, "%s was told %v though nothing changed", w.user, changes)
		return
	}
	check(len(changes) == 1 && changes[0].GetKind() == pb.ChangeKind_CHANGE_KIND_REMOVED &&
		changes[0].GetStopReason() == pb.StopReason_STOP_REASON_MISSED, "%s missed a call and was told %v", w.user, changes)
}

// missed waits until the one ring of a user is over, and tells how late that was told.
func missed(given options) any {
	stream := open(dial(given.address), given.user, "")
	changes, _ := complete(stream)
	check(len(changes) == 1, "%s should ring, and was told %v", given.user, changes)
	due := changes[0].GetViewer().GetRingExpiresAt().AsTime()
	prepared("ready")
	message, err := stream.Recv()
	late := time.Since(due)
	must(err)
	check(message.GetChange().GetStopReason() == pb.StopReason_STOP_REASON_MISSED, "%s was told %v", given.user, message)
	return map[string]any{"late": float64(late.Microseconds()) / 1000}
}
