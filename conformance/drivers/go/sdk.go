package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	ringline "github.com/ringline/ringline/clients/go"
	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// sdk is a client of the SDK, and the calls as it has shown them last: the verbs mean those.
type sdk struct {
	client *ringline.Client

	mu    sync.Mutex
	shown map[string]*ringline.Call
}

func newSDK(address, user, device string) (*sdk, error) {
	options := []ringline.ClientOption{ringline.WithUser(user)}
	if device != "" {
		options = append(options, ringline.WithDevice(device))
	}
	client, err := ringline.NewClient(address, options...)
	return &sdk{client: client, shown: map[string]*ringline.Call{}}, err
}

// call returns the call that was shown last, or one of which nothing is known.
func (s *sdk) call(callType, id string) *ringline.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	cid := callType + ":" + id
	if s.shown[cid] == nil {
		s.shown[cid] = s.client.Call(callType, id)
	}
	return s.shown[cid]
}

func (s *sdk) do(verb, callType, id string, args json.RawMessage) (object, error) {
	call := s.call(callType, id)
	act, ok := verbs[verb]
	if !ok {
		return nil, fmt.Errorf("there is no verb %q", verb)
	}
	participant, err := act(context.Background(), call, args)
	if err != nil {
		return nil, err
	}
	result := told(call)
	if participant != nil {
		result["participant"] = object{"userId": participant.GetUserId(), "deviceId": participant.GetDeviceId()}
	}
	return result, nil
}

// follow returns what follows the list of calls to its end, and what ends it.
func (s *sdk) follow(args json.RawMessage) (func(tell func([]object)) error, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	return func(tell func([]object)) error {
		defer cancel()
		filter, err := watchFilter(args)
		if err != nil {
			return err
		}
		for calls, err := range s.client.WatchCalls(ctx, filter...) {
			if err != nil {
				return err
			}
			s.mu.Lock()
			for _, call := range calls {
				s.shown[call.CID()] = call
			}
			s.mu.Unlock()
			list := make([]object, len(calls))
			sorted := slices.SortedFunc(slices.Values(calls), func(a, b *ringline.Call) int {
				return strings.Compare(a.CID(), b.CID())
			})
			for at, call := range sorted {
				list[at] = told(call)
			}
			tell(list)
		}
		return nil
	}, cancel
}

// told returns a call as the SDK shows it.
func told(call *ringline.Call) object {
	result := object{
		"cid":          call.CID(),
		"uid":          call.UID(),
		"revision":     call.Revision(),
		"state":        ringline.Name(call.State()),
		"callingState": ringline.Name(call.CallingState()),
		"direction":    ringline.Name(call.Direction()),
		"createdByMe":  call.CreatedByMe(),
		"ringId":       call.RingID(),
	}
	if left, ok := call.TimeLeft(); ok {
		result["secondsLeft"] = left.Seconds()
	}
	return result
}

// said returns an error of the SDK.
func said(failed *ringline.Error) object {
	report := object{"code": code.Code(failed.Code).String(), "message": failed.Message}
	if failed.Reason != "" {
		report["reason"], report["metadata"] = failed.Reason, orEmpty(failed.Metadata)
	}
	if len(failed.Fields) > 0 {
		fields := make([]string, len(failed.Fields))
		for at, violation := range failed.Fields {
			fields[at] = violation.Field
		}
		report["fields"] = fields
	}
	if failed.RetryAfter > 0 {
		report["retryAfter"] = failed.RetryAfter.Seconds()
	}
	return report
}

// given reads a verb's args, and refuses what the SDK has no word for, so that nothing is left out silently.
func given(args json.RawMessage, request proto.Message, fields ...protoreflect.Name) error {
	if len(args) > 0 {
		if err := protojson.Unmarshal(args, request); err != nil {
			return err
		}
	}
	return only(request, fields...)
}

func only(message proto.Message, fields ...protoreflect.Name) error {
	var err error
	message.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if !slices.Contains(fields, field.Name()) {
			err = fmt.Errorf("the SDK has no option for %s", field.Name())
		}
		return err == nil
	})
	return err
}

func watchFilter(args json.RawMessage) ([]ringline.WatchOption, error) {
	var r pb.WatchCallsRequest
	err := given(args, &r, "directions", "calling_states", "call_states", "types", "cids", "heartbeat_interval")
	options := []ringline.WatchOption{
		ringline.Directions(r.GetDirections()...),
		ringline.CallingStates(r.GetCallingStates()...),
		ringline.CallStates(r.GetCallStates()...),
		ringline.Types(r.GetTypes()...),
		ringline.CIDs(r.GetCids()...),
	}
	if interval := r.GetHeartbeatInterval(); interval != nil {
		options = append(options, ringline.HeartbeatInterval(interval.AsDuration()))
	}
	return options, err
}

func members(inputs []*pb.MemberInput) []ringline.Member {
	found := make([]ringline.Member, len(inputs))
	for at, input := range inputs {
		found[at] = ringline.Member{UserID: input.GetUserId(), Role: input.GetRole()}
		if input.GetCustom() != nil {
			found[at].Custom = input.GetCustom().AsMap()
		}
	}
	return found
}

type verb func(context.Context, *ringline.Call, json.RawMessage) (*pb.Participant, error)

var verbs = map[string]verb{
	"getOrCreate": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.GetOrCreateCallRequest
		if err := given(args, &r, "data", "ring", "notify", "video"); err != nil {
			return nil, err
		}
		data := r.GetData()
		if err := only(data, "members", "custom", "settings", "starts_at", "team"); err != nil {
			return nil, err
		}
		options := []ringline.CreateOption{
			ringline.MembersWith(members(data.GetMembers())...), ringline.Team(data.GetTeam()),
		}
		if r.GetRing() {
			options = append(options, ringline.Ring())
		}
		if r.GetNotify() {
			options = append(options, ringline.Notify())
		}
		if r.GetVideo() {
			options = append(options, ringline.Video())
		}
		if data.GetCustom() != nil {
			options = append(options, ringline.Custom(data.GetCustom().AsMap()))
		}
		if data.GetSettings() != nil {
			options = append(options, ringline.Settings(data.GetSettings()))
		}
		if data.GetStartsAt() != nil {
			options = append(options, ringline.StartsAt(data.GetStartsAt().AsTime()))
		}
		_, err := call.GetOrCreate(ctx, options...)
		return nil, err
	},
	"get": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.GetCallRequest
		if err := given(args, &r, "ring", "notify", "video"); err != nil {
			return nil, err
		}
		var options []ringline.GetOption
		if r.GetRing() {
			options = append(options, ringline.Ring())
		}
		if r.GetNotify() {
			options = append(options, ringline.Notify())
		}
		if r.GetVideo() {
			options = append(options, ringline.Video())
		}
		_, err := call.Get(ctx, options...)
		return nil, err
	},
	"ring": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.RingCallRequest
		if err := given(args, &r, "user_ids", "video"); err != nil {
			return nil, err
		}
		options := []ringline.RingOption{ringline.Users(r.GetUserIds()...)}
		if r.GetVideo() {
			options = append(options, ringline.Video())
		}
		_, err := call.Ring(ctx, options...)
		return nil, err
	},
	"join": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.JoinCallRequest
		if err := given(args, &r, "mode", "ring_id"); err != nil {
			return nil, err
		}
		answer, err := call.Join(ctx, ringline.Mode(r.GetMode()), ringline.ForRing(r.GetRingId()))
		return answer.GetParticipant(), err
	},
	"reject": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.RejectCallRequest
		if err := given(args, &r, "reason", "ring_id"); err != nil {
			return nil, err
		}
		return nil, call.Reject(ctx, ringline.Reason(r.GetReason()), ringline.ForRing(r.GetRingId()))
	},
	"cancel": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.CancelCallRequest
		if err := given(args, &r, "reason", "ring_id"); err != nil {
			return nil, err
		}
		return nil, call.Cancel(ctx, ringline.Reason(r.GetReason()), ringline.ForRing(r.GetRingId()))
	},
	"leave": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r struct {
			Reject bool   `json:"reject"`
			Reason string `json:"reason"`
		}
		if len(args) > 0 {
			if err := json.Unmarshal(args, &r); err != nil {
				return nil, err
			}
		}
		options := []ringline.LeaveOption{ringline.Reason(r.Reason)}
		if r.Reject {
			options = append(options, ringline.Reject())
		}
		return nil, call.Leave(ctx, options...)
	},
	"end": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.EndCallRequest
		if err := given(args, &r, "reason"); err != nil {
			return nil, err
		}
		return nil, call.EndCall(ctx, ringline.Reason(r.GetReason()))
	},
	"update": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.UpdateCallRequest
		err := given(args, &r, "custom", "settings", "starts_at", "update_mask", "expected_revision")
		if err != nil {
			return nil, err
		}
		options := []ringline.UpdateOption{ringline.IfRevision(r.GetExpectedRevision())}
		if r.GetUpdateMask() != nil {
			options = append(options, ringline.Mask(r.GetUpdateMask().GetPaths()...))
		}
		if r.GetCustom() != nil {
			options = append(options, ringline.Custom(r.GetCustom().AsMap()))
		}
		if r.GetSettings() != nil {
			options = append(options, ringline.Settings(r.GetSettings()))
		}
		if r.GetStartsAt() != nil {
			options = append(options, ringline.StartsAt(r.GetStartsAt().AsTime()))
		}
		return nil, call.Update(ctx, options...)
	},
	"updateMembers": func(ctx context.Context, call *ringline.Call, args json.RawMessage) (*pb.Participant, error) {
		var r pb.UpdateCallMembersRequest
		if err := given(args, &r, "upsert_members", "remove_user_ids", "ring", "video"); err != nil {
			return nil, err
		}
		options := []ringline.MembersOption{
			ringline.MembersWith(members(r.GetUpsertMembers())...), ringline.Remove(r.GetRemoveUserIds()...),
		}
		if r.GetRing() {
			options = append(options, ringline.Ring())
		}
		if r.GetVideo() {
			options = append(options, ringline.Video())
		}
		_, err := call.UpdateMembers(ctx, options...)
		return nil, err
	},
}
