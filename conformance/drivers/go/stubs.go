package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// window is the smallest that HTTP/2 has unless asked. Fixed, so that who does not read holds the server back soon.
const window = 65535

// stubs is a client of the generated stubs: one channel, and the metadata of every RPC.
type stubs struct {
	channel *grpc.ClientConn
	context context.Context //nolint:containedctx // with the metadata, as long as the client lives
	cancel  context.CancelFunc
}

func newStubs(address string, given map[string]string) (*stubs, error) {
	var pairs []string
	for key, value := range given {
		if strings.HasSuffix(key, "-bin") {
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, fmt.Errorf("metadata %s: %w", key, err)
			}
			value = string(raw)
		}
		pairs = append(pairs, key, value)
	}
	channel, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDisableRetry(),
		grpc.WithInitialWindowSize(window),
		grpc.WithInitialConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1, MaxDelay: 50 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		}),
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), pairs...))
	return &stubs{channel, ctx, cancel}, nil
}

func (s *stubs) close() error {
	s.cancel()
	return s.channel.Close()
}

// unary calls a method by its name.
func (s *stubs) unary(method string, fields json.RawMessage, timeout *float64) (json.RawMessage, error) {
	service := pb.File_ringline_v1_call_service_proto.Services().ByName("CallService")
	described := service.Methods().ByName(protoreflect.Name(method))
	if described == nil {
		return nil, fmt.Errorf("there is no method %q", method)
	}
	request, err := parsed(described.Input(), fields)
	if err != nil {
		return nil, err
	}
	response, err := made(described.Output())
	if err != nil {
		return nil, err
	}
	ctx := s.context
	if timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*timeout*float64(time.Second)))
		defer cancel()
	}
	path := fmt.Sprintf("/%s/%s", service.FullName(), method)
	if err := s.channel.Invoke(ctx, path, request, response); err != nil {
		return nil, refusal(err)
	}
	return protojson.Marshal(response)
}

// watch opens a stream.
func (s *stubs) watch(fields json.RawMessage) (*stubWatch, error) {
	request, err := parsed((*pb.WatchCallsRequest)(nil).ProtoReflect().Descriptor(), fields)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.context)
	watch := &stubWatch{cancel: cancel, done: ctx.Done(), reading: make(chan struct{})}
	close(watch.reading)
	watch.open = func() (grpc.ServerStreamingClient[pb.WatchCallsResponse], error) {
		return pb.NewCallServiceClient(s.channel).WatchCalls(ctx, request.(*pb.WatchCallsRequest))
	}
	return watch, nil
}

// stubWatch is a stream that can be paused: while nothing is read, flow control holds the server back.
type stubWatch struct {
	open   func() (grpc.ServerStreamingClient[pb.WatchCallsResponse], error)
	cancel context.CancelFunc
	done   <-chan struct{}

	mu      sync.Mutex
	paused  bool
	reading chan struct{} // closed while it reads
}

func (w *stubWatch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.paused {
		w.paused, w.reading = true, make(chan struct{})
	}
}

func (w *stubWatch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused {
		w.paused = false
		close(w.reading)
	}
}

// report tells everything the stream brings, and returns how it ended.
func (w *stubWatch) report(tell func(json.RawMessage)) error {
	defer w.cancel()
	stream, err := w.open()
	if err != nil {
		return refusal(err)
	}
	for {
		w.mu.Lock()
		reading := w.reading
		w.mu.Unlock()
		select {
		case <-reading:
		case <-w.done:
		}
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refusal(err)
		}
		told, err := protojson.Marshal(message)
		if err != nil {
			return err
		}
		tell(told)
	}
}

// parsed returns the message with these fields.
func parsed(descriptor protoreflect.MessageDescriptor, fields json.RawMessage) (proto.Message, error) {
	message, err := made(descriptor)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return message, nil
	}
	return message, protojson.Unmarshal(fields, message)
}

func made(descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, err
	}
	return found.New().Interface(), nil
}

// rpcError is an RPC's failure, its details read without the SDK.
type rpcError struct{ report object }

func (e *rpcError) Error() string { return fmt.Sprint(e.report) }

func refusal(err error) error {
	failed := status.Convert(err)
	report := object{"code": code.Code(failed.Code()).String(), "message": failed.Message()}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			report["reason"], report["metadata"] = detail.GetReason(), orEmpty(detail.GetMetadata())
		case *errdetails.BadRequest:
			fields := []string{}
			for _, violation := range detail.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
			report["fields"] = fields
		case *errdetails.RetryInfo:
			report["retryAfter"] = detail.GetRetryDelay().AsDuration().Seconds()
		}
	}
	return &rpcError{report}
}

func orEmpty(metadata map[string]string) map[string]string {
	if metadata == nil {
		return map[string]string{}
	}
	return metadata
}
