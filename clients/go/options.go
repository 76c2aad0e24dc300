package ringline

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// The options of the verbs, a type for each verb: an option that does not go with a verb does not compile.
type (
	// CreateOption is an option of [Call.GetOrCreate].
	CreateOption interface {
		create(*pb.GetOrCreateCallRequest) error
	}
	// GetOption is an option of [Call.Get].
	GetOption interface{ get(*pb.GetCallRequest) }
	// RingOption is an option of [Call.Ring].
	RingOption interface{ ring(*pb.RingCallRequest) }
	// JoinOption is an option of [Call.Join].
	JoinOption interface{ join(*pb.JoinCallRequest) }
	// AnswerOption is an option of [Call.Reject] and of [Call.Cancel].
	AnswerOption interface{ answer(*answerOptions) }
	// LeaveOption is an option of [Call.Leave].
	LeaveOption interface{ leave(*leaveOptions) }
	// EndOption is an option of [Call.EndCall].
	EndOption interface{ end(*pb.EndCallRequest) }
	// UpdateOption is an option of [Call.Update].
	UpdateOption interface {
		update(*pb.UpdateCallRequest) error
	}
	// MembersOption is an option of [Call.UpdateMembers].
	MembersOption interface {
		members(*pb.UpdateCallMembersRequest) error
	}
)

type (
	answerOptions struct{ ringID, reason string }
	leaveOptions  struct {
		reject bool
		reason string
	}
)

// Ring rings the members: with [Call.GetOrCreate] those given, else all; with [Call.UpdateMembers] those given.
func Ring() interface {
	CreateOption
	GetOption
	MembersOption
} {
	return ringOption{}
}

type ringOption struct{}

func (ringOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Ring = true
	return nil
}

func (ringOption) get(r *pb.GetCallRequest) { r.Ring = true }

func (ringOption) members(r *pb.UpdateCallMembersRequest) error {
	r.Ring = true
	return nil
}

// Notify tells every other member, without ringing.
func Notify() interface {
	CreateOption
	GetOption
} {
	return notifyOption{}
}

type notifyOption struct{}

func (notifyOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Notify = true
	return nil
}

func (notifyOption) get(r *pb.GetCallRequest) { r.Notify = true }

// Video says that the ring or the notification is about a video call. It decides only what clients show.
func Video() interface {
	CreateOption
	GetOption
	RingOption
	MembersOption
} {
	return videoOption{}
}

type videoOption struct{}

func (videoOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Video = true
	return nil
}

func (videoOption) get(r *pb.GetCallRequest)   { r.Video = true }
func (videoOption) ring(r *pb.RingCallRequest) { r.Video = true }

func (videoOption) members(r *pb.UpdateCallMembersRequest) error {
	r.Video = true
	return nil
}

// Member is a user to be listed on a call.
type Member struct {
	// UserID is the user.
	UserID string
	// Role is `call_member` or `host`. Empty: `call_member`, or as it is.
	Role string
	// Custom is the application's own data about the member, of what JSON can say. Nil: none, or as it is.
	Custom map[string]any
}

// Members lists these users on the call: on a new call they become its members, and on one that exists they are those
// to ring. With [Call.UpdateMembers] they are added.
func Members(userIDs ...string) interface {
	CreateOption
	MembersOption
} {
	members := make([]Member, len(userIDs))
	for at, id := range userIDs {
		members[at].UserID = id
	}
	return memberList(members)
}

// MembersWith is [Members] with roles and custom data.
func MembersWith(members ...Member) interface {
	CreateOption
	MembersOption
} {
	return memberList(members)
}

type memberList []Member

func (l memberList) create(r *pb.GetOrCreateCallRequest) error {
	inputs, err := l.inputs()
	r.Data.Members = append(r.Data.Members, inputs...)
	return err
}

func (l memberList) members(r *pb.UpdateCallMembersRequest) error {
	inputs, err := l.inputs()
	r.UpsertMembers = append(r.UpsertMembers, inputs...)
	return err
}

func (l memberList) inputs() ([]*pb.MemberInput, error) {
	inputs := make([]*pb.MemberInput, len(l))
	for at, member := range l {
		inputs[at] = &pb.MemberInput{UserId: member.UserID, Role: member.Role}
		if member.Custom == nil {
			continue
		}
		custom, err := structpb.NewStruct(member.Custom)
		if err != nil {
			return nil, fmt.Errorf("ringline: custom data of member %q: %w", member.UserID, err)
		}
		inputs[at].Custom = custom
	}
	return inputs, nil
}

// Remove removes these users from the call.
func Remove(userIDs ...string) MembersOption { return removeOption(userIDs) }

type removeOption []string

func (o removeOption) members(r *pb.UpdateCallMembersRequest) error {
	r.RemoveUserIds = append(r.RemoveUserIds, o...)
	return nil
}

// Custom is the application's own data, of what JSON can say. [Call.Update] replaces them as a whole.
func Custom(custom map[string]any) interface {
	CreateOption
	UpdateOption
} {
	return customOption(custom)
}

type customOption map[string]any

func (o customOption) create(r *pb.GetOrCreateCallRequest) (err error) {
	r.Data.Custom, err = o.message()
	return err
}

func (o customOption) update(r *pb.UpdateCallRequest) (err error) {
	r.Custom, err = o.message()
	return err
}

func (o customOption) message() (*structpb.Struct, error) {
	custom, err := structpb.NewStruct(o)
	if err != nil {
		return nil, fmt.Errorf("ringline: custom data: %w", err)
	}
	return custom, nil
}

// Settings overrides the settings of the call's type, field by field.
func Settings(settings *pb.CallSettings) interface {
	CreateOption
	UpdateOption
} {
	return settingsOption{settings}
}

type settingsOption struct{ settings *pb.CallSettings }

func (o settingsOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Data.Settings = o.settings
	return nil
}

func (o settingsOption) update(r *pb.UpdateCallRequest) error {
	r.Settings = o.settings
	return nil
}

// StartsAt is when the call is meant to start. It delays nothing.
func StartsAt(at time.Time) interface {
	CreateOption
	UpdateOption
} {
	return startOption(at)
}

type startOption time.Time

func (o startOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Data.StartsAt = timestamppb.New(time.Time(o))
	return nil
}

func (o startOption) update(r *pb.UpdateCallRequest) error {
	r.StartsAt = timestamppb.New(time.Time(o))
	return nil
}

// Team is the tenant the call belongs to.
func Team(name string) CreateOption { return teamOption(name) }

type teamOption string

func (o teamOption) create(r *pb.GetOrCreateCallRequest) error {
	r.Data.Team = string(o)
	return nil
}

// Users are the members to ring. Default: all.
func Users(userIDs ...string) RingOption { return usersOption(userIDs) }

type usersOption []string

func (o usersOption) ring(r *pb.RingCallRequest) { r.UserIds = append(r.UserIds, o...) }

// Mode says what to do if the user is in on another device: [SingleDevice], the default, refuses with
// [ReasonJoinedElsewhere], [AddDevice] lets both in, [MoveDevice] takes the others out.
func Mode(mode JoinMode) JoinOption { return modeOption(mode) }

type modeOption JoinMode

func (o modeOption) join(r *pb.JoinCallRequest) { r.Mode = JoinMode(o) }

// ForRing means this ring, and not the one that the [Call] shows: of a push message, for example.
func ForRing(id string) interface {
	JoinOption
	AnswerOption
} {
	return forRing(id)
}

type forRing string

func (o forRing) join(r *pb.JoinCallRequest)  { r.RingId = string(o) }
func (o forRing) answer(given *answerOptions) { given.ringID = string(o) }

// Reason says why. For a reject `busy` and `timeout` have a meaning, and the default is `decline`; for a cancel the
// default is `cancel`.
func Reason(text string) interface {
	AnswerOption
	LeaveOption
	EndOption
} {
	return reasonOption(text)
}

type reasonOption string

func (o reasonOption) answer(given *answerOptions) { given.reason = string(o) }
func (o reasonOption) leave(given *leaveOptions)   { given.reason = string(o) }
func (o reasonOption) end(r *pb.EndCallRequest)    { r.Reason = string(o) }

// Reject refuses the call if it rings the user, and takes it back if the user's ring is unanswered.
func Reject() LeaveOption { return rejectOption{} }

type rejectOption struct{}

func (rejectOption) leave(given *leaveOptions) { given.reject = true }

// Mask names what to change: `custom`, `settings`, a path below it such as `settings.ring.auto_cancel_timeout`,
// `starts_at`. What is named and not given is cleared. Default: whatever is given.
func Mask(paths ...string) UpdateOption { return maskOption(paths) }

type maskOption []string

func (o maskOption) update(r *pb.UpdateCallRequest) error {
	r.UpdateMask = &fieldmaskpb.FieldMask{Paths: o}
	return nil
}

// IfRevision makes the change only if the call still has this revision, else it fails with [ReasonRevisionMismatch].
func IfRevision(revision int32) UpdateOption { return revisionOption(revision) }

type revisionOption int32

func (o revisionOption) update(r *pb.UpdateCallRequest) error {
	r.ExpectedRevision = int32(o)
	return nil
}
