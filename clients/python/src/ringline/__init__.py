"""Ring people, and be rung: the client of Ringline.

    from ringline import Client

    async with Client("localhost:50051", user="myself") as client:
        await client.call("default", "lunch").get_or_create(ring=True, members=["myself", "my friend"])

``Client`` connects, ``Call`` has the verbs, ``errors`` documents what can go wrong, and ``ringline.v1`` holds the
generated stubs of the contract.
"""

from __future__ import annotations

from ringline.call import Call
from ringline.client import Client
from ringline.enums import (
    CallDirection,
    CallEventType,
    CallingState,
    CallOrder,
    CallState,
    Capability,
    ChangeKind,
    EndReason,
    JoinMode,
    ResetReason,
    RingState,
    RingTargetState,
    SkipReason,
    StopReason,
)
from ringline.errors import (
    AlreadyAccepted,
    CallEnded,
    CallNotFound,
    DeadlineExceeded,
    InvalidRequest,
    JoinedElsewhere,
    LimitReached,
    NobodyToRing,
    NotAllowed,
    NotAMember,
    Refused,
    RevisionMismatch,
    RinglineError,
    RingOver,
    TokenExpired,
    Unauthenticated,
    Unavailable,
    WatchReplaced,
)
from ringline.model import (
    Change,
    Event,
    Member,
    Notification,
    Participant,
    Reset,
    Ring,
    Rung,
    Settings,
    SnapshotComplete,
    Target,
    WatchEvent,
)

__all__ = [
    "AlreadyAccepted",
    "Call",
    "CallDirection",
    "CallEnded",
    "CallEventType",
    "CallNotFound",
    "CallOrder",
    "CallState",
    "CallingState",
    "Capability",
    "Change",
    "ChangeKind",
    "Client",
    "DeadlineExceeded",
    "EndReason",
    "Event",
    "InvalidRequest",
    "JoinMode",
    "JoinedElsewhere",
    "LimitReached",
    "Member",
    "NobodyToRing",
    "NotAMember",
    "NotAllowed",
    "Notification",
    "Participant",
    "Refused",
    "Reset",
    "ResetReason",
    "RevisionMismatch",
    "Ring",
    "RingOver",
    "RingState",
    "RingTargetState",
    "RinglineError",
    "Rung",
    "Settings",
    "SkipReason",
    "SnapshotComplete",
    "StopReason",
    "Target",
    "TokenExpired",
    "Unauthenticated",
    "Unavailable",
    "WatchEvent",
    "WatchReplaced",
]
