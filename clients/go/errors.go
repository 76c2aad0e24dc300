package ringline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrClosed is why something ends that is under way, or begins, on a client that is closed.
var ErrClosed = errors.New("ringline: the client is closed")

// domain is that of the contract's errors.
const domain = "ringline"

// ErrorReason is why the server refused: the name of a value of the contract's ErrorReason, without its prefix. Reasons
// will be added: treat one you do not know by the code.
type ErrorReason string

// The reasons. What each means, and the metadata that come with it, is documented in the contract's error_reason.proto.
const (
	ReasonCallNotFound     ErrorReason = "CALL_NOT_FOUND"
	ReasonNotAllowed       ErrorReason = "NOT_ALLOWED"
	ReasonCallEnded        ErrorReason = "CALL_ENDED"
	ReasonAlreadyAccepted  ErrorReason = "ALREADY_ACCEPTED"
	ReasonJoinedElsewhere  ErrorReason = "JOINED_ELSEWHERE"
	ReasonNobodyToRing     ErrorReason = "NOBODY_TO_RING"
	ReasonRingOver         ErrorReason = "RING_OVER"
	ReasonEventsGone       ErrorReason = "EVENTS_GONE"
	ReasonRevisionMismatch ErrorReason = "REVISION_MISMATCH"
	ReasonWatchReplaced    ErrorReason = "WATCH_REPLACED"
	ReasonInvalidField     ErrorReason = "INVALID_FIELD"
	ReasonNotAMember       ErrorReason = "NOT_A_MEMBER"
	ReasonRequestIDReused  ErrorReason = "REQUEST_ID_REUSED"
	ReasonBadPageToken     ErrorReason = "BAD_PAGE_TOKEN"
	ReasonRateLimited      ErrorReason = "RATE_LIMITED"
	ReasonTooManyRings     ErrorReason = "TOO_MANY_RINGS"
	ReasonTooManyWatches   ErrorReason = "TOO_MANY_WATCHES"
	ReasonTooManyCalls     ErrorReason = "TOO_MANY_CALLS"
	ReasonDraining         ErrorReason = "DRAINING"
	ReasonOverloaded       ErrorReason = "OVERLOADED"
	ReasonTooSlow          ErrorReason = "TOO_SLOW"
	ReasonBadToken         ErrorReason = "BAD_TOKEN"
	ReasonTokenExpired     ErrorReason = "TOKEN_EXPIRED"
	ReasonBadIdentity      ErrorReason = "BAD_IDENTITY"
	ReasonInternal         ErrorReason = "INTERNAL"
	ReasonDeadlineExceeded ErrorReason = "DEADLINE_EXCEEDED"
)

// Error is what an RPC failed with. Get at it with [errors.As], or at its reason alone with [ReasonOf].
type Error struct {
	// Code is the canonical gRPC code.
	Code codes.Code
	// Reason is why. Empty if it was not the server that refused: a lost connection, a deadline.
	Reason ErrorReason
	// Message says what to do next.
	Message string
	// Metadata are the parts of the reason that vary, such as `device_id` of JOINED_ELSEWHERE.
	Metadata map[string]string
	// Fields are the fields of the request that are out of bounds.
	Fields []FieldViolation
	// RetryAfter is how long the server asks to wait before the next attempt. 0 if it asks for nothing.
	RetryAfter time.Duration

	cause error
}

// FieldViolation is a field of a request that is out of its bounds.
type FieldViolation struct {
	// Field is its path in the request, such as `data.members[1].user_id`.
	Field string
	// Description says what would be right.
	Description string
}

// Error returns the code, the reason and the message.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("ringline: %v: %s", code.Code(e.Code), e.Message)
	}
	return fmt.Sprintf("ringline: %v %s: %s", code.Code(e.Code), e.Reason, e.Message)
}

// Unwrap returns [ErrClosed], [context.Canceled] or [context.DeadlineExceeded] if that is what ended the RPC here.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus returns the code and the message as a gRPC status, for [status.FromError].
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// ReasonOf returns the reason of the [*Error] in err, empty if there is none.
func ReasonOf(err error) ErrorReason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// errorOf returns what an RPC under ctx failed with.
func errorOf(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	failed := status.Convert(err)
	e = &Error{Code: failed.Code(), Message: failed.Message()}
	switch {
	case ctx.Err() != nil && (e.Code == codes.Canceled || e.Code == codes.DeadlineExceeded):
		e.cause = context.Cause(ctx)
	case e.Code == codes.DeadlineExceeded:
		e.cause = context.DeadlineExceeded // that of one attempt
	}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				e.Reason, e.Metadata = ErrorReason(detail.GetReason()), detail.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldViolation{violation.GetField(), violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	return e
}
