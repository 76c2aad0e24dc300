package main

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// inOneRequest is how many members a request may name.
const inOneRequest = 100

// largest is more than any message here: a call of 500 members.
const largest = 64 << 20

type grpcPhone struct {
	client pb.CallServiceClient
	user   string
	strict bool
	told   chan change
	token  string
}

func dial(address string) *grpc.ClientConn {
	conn, err := grpc.NewClient(
		"passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largest)),
	)
	must(err)
	return conn
}

// dialAll returns a connection for each of so many devices, some of them the same if fewer are wanted.
func dialAll(address string, devices, conns int) []*grpc.ClientConn {
	if conns == 0 || conns > devices {
		conns = devices
	}
	all := make([]*grpc.ClientConn, devices)
	for at := range all {
		if at < conns {
			all[at] = dial(address)
		} else {
			all[at] = all[at%conns]
		}
	}
	return all
}

func as(ctx context.Context, user string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-user-id", user)
}

func newGrpcPhones(given options, users []string) []*grpcPhone {
	conns := dialAll(given.address, len(users), given.conns)
	phones := make([]*grpcPhone, len(users))
	for at, user := range users {
		one := &grpcPhone{pb.NewCallServiceClient(conns[at]), user, given.strict, make(chan change, 16), ""}
		one.watch()
		phones[at] = one
	}
	return phones
}

// watch opens the stream and returns after its snapshot, which must be empty.
func (p *grpcPhone) watch() {
	stream, err := p.client.WatchCalls(as(context.Background(), p.user), &pb.WatchCallsRequest{DeviceId: "phone"})
	must(err)
	first, err := stream.Recv()
	must(err)
	check(first.GetSnapshotComplete() != nil, "%s has calls already: %v", p.user, first)
	p.token = first.GetResumeToken()
	go p.listen(stream)
}

func (p *grpcPhone) listen(stream grpc.ServerStreamingClient[pb.WatchCallsResponse]) {
	for {
		message, err := stream.Recv()
		at := time.Now()
		must(err)
		if message.GetHeartbeat() != nil {
			continue
		}
		told := message.GetChange()
		check(told != nil && message.GetResumeToken() != "", "%s was told %v", p.user, message)
		if p.strict {
			check(told.GetViewer().GetUserId() == p.user, "%s was told of %v", p.user, told.GetViewer())
		}
		p.told <- change{kinds[told.GetKind()], told.GetCall().GetId(), at, proto.Size(message)}
	}
}

var kinds = map[pb.ChangeKind]string{
	pb.ChangeKind_CHANGE_KIND_ADDED:   added,
	pb.ChangeKind_CHANGE_KIND_UPDATED: updated,
	pb.ChangeKind_CHANGE_KIND_REMOVED: removed,
}

func (p *grpcPhone) changes() <-chan change { return p.told }

func (p *grpcPhone) ring(ctx context.Context, call string, members []string) {
	request := &pb.GetOrCreateCallRequest{
		Type: "default", Id: call, Ring: true, DeviceId: "phone", Data: &pb.CallData{Members: inputs(members)},
	}
	answer, err := p.client.GetOrCreateCall(as(ctx, p.user), request)
	must(err)
	check(answer.GetCreated() && answer.GetRingId() != "" && len(answer.GetTargets()) == len(members), "rang: %v", answer)
	p.right(answer.GetCall(), answer.GetViewer(), call, pb.CallState_CALL_STATE_RINGING)
	check(len(answer.GetCall().GetMembers()) == len(members), "rang: %v", answer)
}

// gather makes a call of many members, as many at a time as a request may have.
func (p *grpcPhone) gather(ctx context.Context, call string, members []string) {
	some := slices.Collect(slices.Chunk(members, inOneRequest))
	_, err := p.client.GetOrCreateCall(as(ctx, p.user), &pb.GetOrCreateCallRequest{
		Type: "default", Id: call, Data: &pb.CallData{Members: inputs(some[0])},
	})
	must(err)
	for _, more := range some[1:] {
		_, err := p.client.UpdateCallMembers(as(ctx, p.user), &pb.UpdateCallMembersRequest{
			Type: "default", Id: call, UpsertMembers: inputs(more),
		})
		must(err)
	}
}

// ringAll rings all members of a call that is there.
func (p *grpcPhone) ringAll(ctx context.Context, call string, members int) {
	answer, err := p.client.RingCall(as(ctx, p.user), &pb.RingCallRequest{Type: "default", Id: call, DeviceId: "phone"})
	must(err)
	check(answer.GetRingId() != "" && len(answer.GetTargets()) == members, "rang: %v", answer)
	p.right(answer.GetCall(), answer.GetViewer(), call, pb.CallState_CALL_STATE_RINGING)
}

func inputs(members []string) []*pb.MemberInput {
	all := make([]*pb.MemberInput, len(members))
	for at, member := range members {
		all[at] = &pb.MemberInput{UserId: member}
	}
	return all
}

func (p *grpcPhone) accept(ctx context.Context, call string) {
	answer, err := p.client.JoinCall(as(ctx, p.user), &pb.JoinCallRequest{Type: "default", Id: call, DeviceId: "phone"})
	must(err)
	p.right(answer.GetCall(), answer.GetViewer(), call, pb.CallState_CALL_STATE_ACTIVE)
	check(answer.GetParticipant().GetUserId() == p.user || !p.strict, "accepted: %v", answer)
}

func (p *grpcPhone) end(ctx context.Context, call string) {
	answer, err := p.client.EndCall(as(ctx, p.user), &pb.EndCallRequest{Type: "default", Id: call})
	must(err)
	p.right(answer.GetCall(), answer.GetViewer(), call, pb.CallState_CALL_STATE_ENDED)
}

func (p *grpcPhone) right(call *pb.Call, viewer *pb.ViewerState, id string, state pb.CallState) {
	check(call.GetState() == state && call.GetRevision() > 0, "%s was answered %v", p.user, call)
	if p.strict {
		check(call.GetId() == id && viewer.GetUserId() == p.user, "%s was answered %v %v", p.user, call, viewer)
	}
}
