"""The contract's enums, with its numbers. ``call.proto`` says what each value means.

A newer server may send values that this version does not know. They do not fail: ``CallState(17)`` is a value whose
name is ``UNKNOWN(17)``.
"""

from __future__ import annotations

import enum
from typing import Self


class _Enum(enum.IntEnum):
    """An enum of the contract, open to values that will be added."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNKNOWN({value})"
        unknown._value_ = value
        return unknown

    def __str__(self) -> str:
        return self.name


class CallState(_Enum):
    """The state of a call, the same for everyone."""

    UNSPECIFIED = 0
    IDLE = 1
    RINGING = 2
    ACTIVE = 3
    ENDED = 4


class CallingState(_Enum):
    """Where the user stands in a call: being rung or waiting, in, or no more."""

    UNSPECIFIED = 0
    IDLE = 1
    RINGING = 2
    JOINED = 3
    LEFT = 4


class CallDirection(_Enum):
    """Whether the user is called or calls."""

    UNSPECIFIED = 0
    INCOMING = 1
    OUTGOING = 2


class RingState(_Enum):
    """The state of a ring. It leaves RINGING once."""

    UNSPECIFIED = 0
    RINGING = 1
    ACCEPTED = 2
    REJECTED = 3
    MISSED = 4
    CANCELLED = 5


class RingTargetState(_Enum):
    """Where one target of a ring stands. It leaves RINGING once and for ever."""

    UNSPECIFIED = 0
    RINGING = 1
    ACCEPTED = 2
    REJECTED = 3
    MISSED = 4
    CANCELLED = 5


class SkipReason(_Enum):
    """Why a member who was asked for was not rung anew."""

    UNSPECIFIED = 0
    RINGER = 1
    JOINED = 2
    RINGING = 3


class EndReason(_Enum):
    """Why a session of a call, or a ring, is over."""

    UNSPECIFIED = 0
    ALL_REJECTED = 1
    BUSY = 2
    NO_ANSWER = 3
    CANCELLED = 4
    EVERYONE_LEFT = 5
    LEFT_ALONE = 6
    ENDED_BY_USER = 7
    MAX_DURATION = 8


class StopReason(_Enum):
    """Why a call left a watch: what a phone shows when it stops ringing."""

    UNSPECIFIED = 0
    ACCEPTED = 1
    ACCEPTED_ELSEWHERE = 2
    REJECTED = 3
    REJECTED_ELSEWHERE = 4
    MISSED = 5
    CANCELLED = 6
    ENDED = 7
    LEFT = 8
    ACCESS_LOST = 9


class CallEventType(_Enum):
    """What happened to a call."""

    UNSPECIFIED = 0
    CALL_CREATED = 1
    CALL_UPDATED = 2
    CALL_RING = 3
    CALL_NOTIFICATION = 4
    CALL_ACCEPTED = 5
    CALL_REJECTED = 6
    CALL_MISSED = 7
    CALL_CANCELLED = 8
    CALL_ENDED = 9
    MEMBER_ADDED = 10
    MEMBER_UPDATED = 11
    MEMBER_REMOVED = 12
    PARTICIPANT_JOINED = 13
    PARTICIPANT_LEFT = 14


class JoinMode(_Enum):
    """What to do if the user is in already on another device."""

    UNSPECIFIED = 0
    SINGLE_DEVICE = 1
    ADD_DEVICE = 2
    MOVE_DEVICE = 3


class Capability(_Enum):
    """Something a user may do with a call."""

    UNSPECIFIED = 0
    CREATE_CALL = 1
    READ_CALL = 2
    JOIN_CALL = 3
    RING_CALL = 4
    UPDATE_CALL = 5
    UPDATE_CALL_MEMBER = 6
    END_CALL = 7


class CallOrder(_Enum):
    """The order of a list of calls."""

    UNSPECIFIED = 0
    CREATED_AT_DESC = 1
    CREATED_AT_ASC = 2
    UPDATED_AT_DESC = 3
    STARTS_AT_ASC = 4


class ChangeKind(_Enum):
    """What to do with a call on the screen. Treat one that is unknown as UPDATED."""

    UNSPECIFIED = 0
    ADDED = 1
    UPDATED = 2
    REMOVED = 3


class ResetReason(_Enum):
    """Why a watch had to begin anew. UNSPECIFIED: it was cut before its beginning was complete."""

    UNSPECIFIED = 0
    OTHER_USER = 1
    OTHER_FILTER = 2
    TOO_OLD = 3
    FUTURE = 4
    DAMAGED = 5
    TOO_MANY_CHANGES = 6
