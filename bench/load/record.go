package main

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

const service = "/ringline.v1.CallService/"

var withRaw = grpc.ForceCodec(raw{})

// raw hands bytes through as they are.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(value any) ([]byte, error) { return *value.(*[]byte), nil }

func (raw) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = data
	return nil
}

type reply struct {
	Answer  []byte `json:"answer"`
	Message []byte `json:"message,omitempty"`
}

// recorder keeps what a server says.
type recorder struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	said   map[string]reply
}

// record makes one call, and returns what a server says: to each request, and to a member who watches. With more than two
// members it is a call that is there before it is rung.
func record(given options) any {
	users := groupOf(given.members)
	caller, callee := as(context.Background(), users[0]), as(context.Background(), users[1])
	kept := &recorder{conn: dial(given.address), said: map[string]reply{}}
	var err error
	streaming := &grpc.StreamDesc{ServerStreams: true}
	kept.stream, err = kept.conn.NewStream(callee, streaming, service+"WatchCalls", withRaw)
	must(err)
	must(kept.stream.SendMsg(encoded(&pb.WatchCallsRequest{DeviceId: "phone"})))
	must(kept.stream.CloseSend())
	kept.said["WatchCalls"] = reply{Answer: kept.next()}
	some := slices.Collect(slices.Chunk(users, inOneRequest))
	whole := len(users) == 2
	kept.request(caller, "GetOrCreateCall", &pb.GetOrCreateCallRequest{
		Type: "default", Id: users[0], Ring: whole, DeviceId: "phone", Data: &pb.CallData{Members: inputs(some[0])},
	}, whole)
	for _, more := range some[1:] {
		kept.request(caller, "UpdateCallMembers", &pb.UpdateCallMembersRequest{
			Type: "default", Id: users[0], UpsertMembers: inputs(more),
		}, false)
	}
	if !whole {
		kept.request(caller, "RingCall", &pb.RingCallRequest{Type: "default", Id: users[0], DeviceId: "phone"}, true)
	}
	kept.request(callee, "JoinCall", &pb.JoinCallRequest{Type: "default", Id: users[0], DeviceId: "phone"}, true)
	kept.request(caller, "EndCall", &pb.EndCallRequest{Type: "default", Id: users[0]}, false)
	return kept.said
}

// request sends one, and keeps the answer and, if somebody is told, the message.
func (r *recorder) request(ctx context.Context, method string, request proto.Message, told bool) {
	var said reply
	must(r.conn.Invoke(ctx, service+method, encoded(request), &said.Answer, withRaw))
	if told {
		said.Message = r.next()
	}
	r.said[method] = said
}

func (r *recorder) next() []byte {
	var message []byte
	must(r.stream.RecvMsg(&message))
	return message
}

func encoded(message proto.Message) *[]byte {
	data, err := proto.Marshal(message)
	must(err)
	return &data
}
