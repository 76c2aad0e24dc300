"""Ring people, and be rung: the client of Ringline.

    from ringline import Client

    async with Client("localhost:50051", user="myself") as client:
        await client.call("default", "lunch").get_or_create(ring=True, members=["myself", "my friend"])

``Client`` connects, ``Call`` has the verbs, ``errors`` documents what can go wrong, and ``ringline.v1`` holds the
generated stubs of the contract.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    _MODULES = ("call", "client", "enums", "errors", "model")

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is: who wants the stubs alone, as a server does, loads no gRPC."""
        if name in __all__:
            for module in _MODULES:
                found = getattr(import_module(f"{__name__}.{module}"), name, None)
                if found is not None:
                    globals()[name] = found
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
