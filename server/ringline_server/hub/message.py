"""What a stream tells, before it is put into bytes."""

from __future__ import annotations

from enum import StrEnum

from ringline_server.hub.token import ResetReason
from ringline_server.rules.call import Call
from ringline_server.rules.outcome import Notification
from ringline_server.rules.terms import StopReason
from ringline_server.rules.value import value


class Kind(StrEnum):
    """How a call's relation to the watch changed."""

    ADDED = "ADDED"
    UPDATED = "UPDATED"
    REMOVED = "REMOVED"


@value
class Change:
    """A call as it is now. With ACCESS_LOST only its names and revision may be told (W8)."""

    kind: Kind
    call: Call
    stop_reason: StopReason | None = None


@value
class Notified:
    """An ordinary notification (N1)."""

    call: Call
    notification: Notification


@value
class SnapshotComplete:
    """All that matched at the beginning has been told."""

    resumed: bool


@value
class Heartbeat:
    """The stream lives."""


@value
class Reset:
    """Forget everything: a snapshot follows."""

    reason: ResetReason


@value
class GoingAway:
    """The server stops as planned; the stream ends with OK."""


Message = Change | Notified | SnapshotComplete | Heartbeat | Reset | GoingAway


@value
class Told:
    """A message with the token that is true once it was read; empty before the first snapshot is complete."""

    message: Message
    token: str


class WatchError(Exception):
    """The end of a stream by a rule."""


class TooManyCalls(WatchError):
    """The snapshot would hold more calls than a stream may begin with (W9)."""


class TooSlow(WatchError):
    """The reader made no progress for too long, or owes too many notifications (W6, N3)."""


class Leaving(WatchError):
    """The server is about to stop and takes no new streams (W7)."""


class TooManyWatches(WatchError):
    """The user has as many streams as they may have (P5)."""


class Replaced(WatchError):
    """A newer stream of the same device took this one's place (P5)."""
