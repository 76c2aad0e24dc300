package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// atOnce is how many streams open at a time, so that a server is busy and not flooded.
const atOnce = 64

// inParallel does it for each number below count.
func inParallel(count int, do func(int)) {
	var working sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for at := range count {
		slots <- struct{}{}
		working.Go(func() {
			do(at)
			<-slots
		})
	}
	working.Wait()
}

// idle opens streams that nothing is ever told on.
func idle(given options) any {
	conns := dialAll(given.address, given.streams, given.conns)
	inParallel(given.streams, func(at int) {
		stream := open(conns[at], fmt.Sprintf("g%d-idle", at), "")
		complete(stream)
		go func() {
			for {
				message, err := stream.Recv()
				must(err)
				check(message.GetHeartbeat() != nil, "an idle stream was told %v", message)
			}
		}()
	})
	return map[string]any{"streams": given.streams}
}

func open(conn *grpc.ClientConn, user, token string) grpc.ServerStreamingClient[pb.WatchCallsResponse] {
	request := &pb.WatchCallsRequest{DeviceId: "phone", ResumeToken: token}
	stream, err := pb.NewCallServiceClient(conn).WatchCalls(as(context.Background(), user), request)
	must(err)
	return stream
}

// complete reads on until the snapshot is complete, and returns the changes before it, and the last message.
func complete(stream grpc.ServerStreamingClient[pb.WatchCallsResponse]) ([]*pb.CallChange, *pb.WatchCallsResponse) {
	var changes []*pb.CallChange
	for {
		message, err := stream.Recv()
		must(err)
		if message.GetSnapshotComplete() != nil {
			return changes, message
		}
		check(message.GetChange() != nil, "in a snapshot came %v", message)
		changes = append(changes, message.GetChange())
	}
}

// snapshots measures how long a user's snapshot takes, and then a resume.
func snapshots(given options) any {
	conn := dial(given.address)
	prepared("ready")
	var fresh, resumed []time.Duration
	for range given.count {
		begun := time.Now()
		ctx, cancel := context.WithCancel(as(context.Background(), given.user))
		stream, err := pb.NewCallServiceClient(conn).WatchCalls(ctx, &pb.WatchCallsRequest{DeviceId: "phone"})
		must(err)
		_, last := complete(stream)
		fresh = append(fresh, time.Since(begun))
		cancel()
		begun = time.Now()
		ctx, cancel = context.WithCancel(as(context.Background(), given.user))
		request := &pb.WatchCallsRequest{DeviceId: "phone", ResumeToken: last.GetResumeToken()}
		stream, err = pb.NewCallServiceClient(conn).WatchCalls(ctx, request)
		must(err)
		_, last = complete(stream)
		check(last.GetSnapshotComplete().GetResumed(), "not resumed: %v", last)
		resumed = append(resumed, time.Since(begun))
		cancel()
	}
	return map[string]any{"snapshot": percentile(fresh, 0.5), "resume": percentile(resumed, 0.5)}
}
