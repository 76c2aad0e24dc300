"""The words of ringing, as closed sets of values.

The names are those of the contract's enums without their prefix, so that one rule maps them onto the wire, into the
log and into error metadata.
"""

from __future__ import annotations

from enum import StrEnum


class Term(StrEnum):
    """An enumeration whose members are texts: their own names."""


class CallState(Term):
    IDLE = "IDLE"
    RINGING = "RINGING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"


class RingState(Term):
    RINGING = "RINGING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


class TargetState(Term):
    RINGING = "RINGING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


class SkipReason(Term):
    RINGER = "RINGER"
    JOINED = "JOINED"
    RINGING = "RINGING"


class EndReason(Term):
    ALL_REJECTED = "ALL_REJECTED"
    BUSY = "BUSY"
    NO_ANSWER = "NO_ANSWER"
    CANCELLED = "CANCELLED"
    EVERYONE_LEFT = "EVERYONE_LEFT"
    LEFT_ALONE = "LEFT_ALONE"
    ENDED_BY_USER = "ENDED_BY_USER"
    MAX_DURATION = "MAX_DURATION"


class CallingState(Term):
    IDLE = "IDLE"
    RINGING = "RINGING"
    JOINED = "JOINED"
    LEFT = "LEFT"


class Direction(Term):
    INCOMING = "INCOMING"
    OUTGOING = "OUTGOING"


class StopReason(Term):
    ACCEPTED = "ACCEPTED"
    ACCEPTED_ELSEWHERE = "ACCEPTED_ELSEWHERE"
    REJECTED = "REJECTED"
    REJECTED_ELSEWHERE = "REJECTED_ELSEWHERE"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"
    ENDED = "ENDED"
    LEFT = "LEFT"
    ACCESS_LOST = "ACCESS_LOST"


class JoinMode(Term):
    SINGLE_DEVICE = "SINGLE_DEVICE"
    ADD_DEVICE = "ADD_DEVICE"
    MOVE_DEVICE = "MOVE_DEVICE"


class Capability(Term):
    CREATE_CALL = "CREATE_CALL"
    READ_CALL = "READ_CALL"
    JOIN_CALL = "JOIN_CALL"
    RING_CALL = "RING_CALL"
    UPDATE_CALL = "UPDATE_CALL"
    UPDATE_CALL_MEMBER = "UPDATE_CALL_MEMBER"
    END_CALL = "END_CALL"


class EventType(Term):
    CALL_CREATED = "CALL_CREATED"
    CALL_UPDATED = "CALL_UPDATED"
    CALL_RING = "CALL_RING"
    CALL_NOTIFICATION = "CALL_NOTIFICATION"
    CALL_ACCEPTED = "CALL_ACCEPTED"
    CALL_REJECTED = "CALL_REJECTED"
    CALL_MISSED = "CALL_MISSED"
    CALL_CANCELLED = "CALL_CANCELLED"
    CALL_ENDED = "CALL_ENDED"
    MEMBER_ADDED = "MEMBER_ADDED"
    MEMBER_UPDATED = "MEMBER_UPDATED"
    MEMBER_REMOVED = "MEMBER_REMOVED"
    PARTICIPANT_JOINED = "PARTICIPANT_JOINED"
    PARTICIPANT_LEFT = "PARTICIPANT_LEFT"


class Gone(Term):
    """How somebody who was in the call went: of their own (left, lost, removed), or put out when it ended."""

    LEFT = "LEFT"
    PUT_OUT = "PUT_OUT"


class Reason(Term):
    """Why a command is refused: the values of the contract's ErrorReason that the rules can give."""

    CALL_NOT_FOUND = "CALL_NOT_FOUND"
    NOT_ALLOWED = "NOT_ALLOWED"
    CALL_ENDED = "CALL_ENDED"
    ALREADY_ACCEPTED = "ALREADY_ACCEPTED"
    JOINED_ELSEWHERE = "JOINED_ELSEWHERE"
    NOBODY_TO_RING = "NOBODY_TO_RING"
    RING_OVER = "RING_OVER"
    REVISION_MISMATCH = "REVISION_MISMATCH"
    INVALID_FIELD = "INVALID_FIELD"
    NOT_A_MEMBER = "NOT_A_MEMBER"
    TOO_MANY_RINGS = "TOO_MANY_RINGS"
