package ringline

import (
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/ringline/ringline/clients/go/ringline/v1"
)

// The contract's enums. Servers will add values: each type says in the contract how to treat one you do not know.
type (
	CallState       = pb.CallState
	CallingState    = pb.CallingState
	CallDirection   = pb.CallDirection
	RingTargetState = pb.RingTargetState
	EndReason       = pb.EndReason
	StopReason      = pb.StopReason
	CallEventType   = pb.CallEventType
	ChangeKind      = pb.ChangeKind
	ResetReason     = pb.ResetReason
	JoinMode        = pb.JoinMode
	Capability      = pb.Capability
)

// The states of a call.
const (
	CallIdle    = pb.CallState_CALL_STATE_IDLE
	CallRinging = pb.CallState_CALL_STATE_RINGING
	CallActive  = pb.CallState_CALL_STATE_ACTIVE
	CallEnded   = pb.CallState_CALL_STATE_ENDED
)

// Where the user stands in a call.
const (
	Idle    = pb.CallingState_CALLING_STATE_IDLE
	Ringing = pb.CallingState_CALLING_STATE_RINGING
	Joined  = pb.CallingState_CALLING_STATE_JOINED
	Left    = pb.CallingState_CALLING_STATE_LEFT
)

// Whether the user is called or calls.
const (
	Incoming = pb.CallDirection_CALL_DIRECTION_INCOMING
	Outgoing = pb.CallDirection_CALL_DIRECTION_OUTGOING
)

// What a [Change] says to do with a call on the screen.
const (
	Added   = pb.ChangeKind_CHANGE_KIND_ADDED
	Updated = pb.ChangeKind_CHANGE_KIND_UPDATED
	Removed = pb.ChangeKind_CHANGE_KIND_REMOVED
)

// What to do if the user is in on another device.
const (
	SingleDevice = pb.JoinMode_JOIN_MODE_SINGLE_DEVICE
	AddDevice    = pb.JoinMode_JOIN_MODE_ADD_DEVICE
	MoveDevice   = pb.JoinMode_JOIN_MODE_MOVE_DEVICE
)

// Name returns the name of an enum's value without its prefix, such as `RINGING`, and of one that a newer server sent
// its number, as `UNKNOWN(17)`.
func Name(value protoreflect.Enum) string {
	descriptor := value.Descriptor()
	known := descriptor.Values().ByNumber(value.Number())
	if known == nil {
		return fmt.Sprintf("UNKNOWN(%d)", value.Number())
	}
	var prefix strings.Builder
	for at, letter := range string(descriptor.Name()) {
		if at > 0 && unicode.IsUpper(letter) {
			prefix.WriteByte('_')
		}
		prefix.WriteRune(unicode.ToUpper(letter))
	}
	return strings.TrimPrefix(string(known.Name()), prefix.String()+"_")
}
