"""What a decision says: a call's next state and the events that led there, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ringline_server.rules.call import Call, Participant, Target
from ringline_server.rules.terms import EventType, Reason, SkipReason
from ringline_server.rules.value import value

MetadataValue = str | int | datetime
"""Enumerated values are their own names; times are aware datetimes."""


@value
class Event:
    """One thing that happened on a call. ``seq`` counts within the call."""

    seq: int
    type: EventType
    time: int
    cid: str
    uid: str
    session: int
    revision: int
    actor_user_id: str = ""
    acting_service_id: str = ""
    device_id: str = ""
    ring_id: str = ""
    subject_user_ids: tuple[str, ...] = ()
    reason: str = ""


@value
class AskedTarget:
    """What became of one asked member: a target, or why none was made, or both (C5)."""

    user_id: str
    ring_id: str = ""
    target: Target | None = None
    skip_reason: SkipReason | None = None


@value
class Answer:
    """The parts of an answer that are remembered with a request id (X3); the call beside it is always the present."""

    created: bool = False
    ring_id: str = ""
    targets: tuple[AskedTarget, ...] = ()
    participant: Participant | None = None


@value
class Notification:
    """An ordinary notification, for every member but the one who sent it (N1)."""

    actor_user_id: str
    video: bool
    time: int


@value
class Decision:
    """The call after the command. ``events`` is empty exactly when nothing changed."""

    call: Call
    answer: Answer = Answer()
    events: tuple[Event, ...] = ()
    notification: Notification | None = None
    touched: frozenset[str] | None = frozenset()
    """Users whose relation to the call, membership and role included, may have changed; None for all."""


@dataclass(slots=True, eq=False)
class Refusal(Exception):
    """Why a command has no effect. The verbs raise it; ``decide`` returns it."""

    reason: Reason
    message: str
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    fields: tuple[tuple[str, str], ...] = ()
    """Paths of the request's fields that are wrong, each with what is allowed."""
    retry_after: int | None = None
    """Microseconds after which it may work."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def invalid_field(path: str, allowed: str, reason: Reason = Reason.INVALID_FIELD) -> Refusal:
    """Return the refusal of a request whose one field ``path`` is wrong."""
    return Refusal(reason, f"{path}: {allowed}", {"field": path}, ((path, allowed),))


def ended_metadata(call: Call) -> dict[str, MetadataValue]:
    """Return what an error about an ended call tells."""
    metadata: dict[str, MetadataValue] = {"state": call.state, "revision": call.revision}
    if call.end_reason is not None:
        metadata["end_reason"] = call.end_reason
    if call.ended_at is not None:
        metadata["ended_at"] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=call.ended_at)
    return metadata
