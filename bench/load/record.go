package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

const service = "/ringline.v1.CallService/"

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

// record makes one call, and returns what a server says: to each request, and to a member who watches.
func record(given options) any {
	conn := dial(given.address)
	users := []string{"g0" + run[len(run)-6:] + "-caller"}
	for at := 1; at < given.members; at++ {
		users = append(users, fmt.Sprintf("g0%s-callee%d", run[len(run)-6:], at))
	}
	caller, callee := as(context.Background(), users[0]), as(context.Background(), users[1])
	stream, err := conn.NewStream(callee, &grpc.StreamDesc{ServerStreams: true}, service+"WatchCalls", grpc.ForceCodec(raw{}))
	must(err)
	must(stream.SendMsg(encoded(&pb.WatchCallsRequest{DeviceId: "phone"})))
	must(stream.CloseSend())
	next := func() []byte {
		var message []byte
		must(stream.RecvMsg(&message))
		return message
	}
	invoke := func(ctx context.Context, method string, request proto.Message) []byte {
		var answer []byte
		must(conn.Invoke(ctx, service+method, encoded(request), &answer, grpc.ForceCodec(raw{})))
		return answer
	}
	var inputs []*pb.MemberInput
	for _, user := range users {
		inputs = append(inputs, &pb.MemberInput{UserId: user})
	}
	recorded := map[string]reply{"WatchCalls": {next(), nil}}
	recorded["GetOrCreateCall"] = reply{invoke(caller, "GetOrCreateCall", &pb.GetOrCreateCallRequest{
		Type: "default", Id: users[0], Ring: true, DeviceId: "phone", Data: &pb.CallData{Members: inputs},
	}), next()}
	recorded["JoinCall"] = reply{invoke(callee, "JoinCall", &pb.JoinCallRequest{
		Type: "default", Id: users[0], DeviceId: "phone",
	}), next()}
	recorded["EndCall"] = reply{invoke(caller, "EndCall", &pb.EndCallRequest{Type: "default", Id: users[0]}), nil}
	return recorded
}

func encoded(message proto.Message) *[]byte {
	data, err := proto.Marshal(message)
	must(err)
	return &data
}
