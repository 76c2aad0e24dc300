"""The parts of a call, and what a watch tells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from ringline.enums import CallEventType, ChangeKind, ResetReason, RingState, RingTargetState, SkipReason, StopReason
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb

if TYPE_CHECKING:
    from ringline.call import Call


@dataclass(frozen=True, slots=True)
class Member:
    """A user who is listed on a call, or is to be."""

    user_id: str
    role: str = ""
    """``call_member`` or ``host``. Left empty in a request: as it is, or ``call_member``."""
    custom: Mapping[str, Any] | None = None
    """The application's own data about the member."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A user who is in the call on one device."""

    user_id: str
    device_id: str
    """Empty while no device has been named."""
    joined_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Target:
    """A member of a ring: where they stand, or why they were not rung."""

    user_id: str
    state: RingTargetState
    skip_reason: SkipReason
    ring_id: str
    missed: bool
    reason: str
    device_id: str
    online_devices: int
    """How many devices of theirs were connected when it began: the first answer to "why did it not ring?"."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One attempt to alert some members."""

    id: str
    ringer_id: str
    state: RingState
    video: bool
    started_at: dt.datetime
    reason: str
    accepted_by_id: str
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Rung:
    """What a request that may ring came to."""

    ring_id: str
    """The ring. Empty if none was asked for."""
    targets: tuple[Target, ...]
    """The members who were asked for, each with its state or why it was skipped."""
    created: bool = False
    """Whether this request created the call."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a call. Times are in seconds; what is None is the call type's."""

    auto_cancel_timeout: float | None = None
    """How long a ring waits for its first answer. 1 s to 10 min."""
    incoming_call_timeout: float | None = None
    """How long each target rings. 1 s to 10 min."""
    max_duration: float | None = None
    """How long a session may last. 1 s to 7 days."""
    participant_timeout: float | None = None
    """How long a participant without a connection stays in. 10 s to 10 min."""
    end_when_empty: bool | None = None
    """Whether the call is ended, and not only idle, when nobody is in and nobody rings."""
    drop_when_alone: bool | None = None
    """Whether the last one who is in is put out."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a call."""

    seq: int
    type: CallEventType
    time: dt.datetime
    actor_user_id: str
    """Who did it. Empty if the server or a service did."""
    device_id: str
    ring_id: str
    subject_user_ids: tuple[str, ...]
    """To whom it happened."""
    reason: str
    session: int
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """A call began to match a watch, changed, or stopped to match."""

    kind: ChangeKind
    call: Call
    """The call as it is now."""
    cause: CallEventType
    """The main event that led here."""
    stop_reason: StopReason
    """On REMOVED, what became of the call for the user."""
    actor_user_id: str
    """Who did it. Empty if the server or a service did."""
    reason: str
    """The free text of the cause: ``busy``, ``cancel``, ``lost``."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Somebody told the user of a call, without ringing."""

    call: Call
    actor_user_id: str
    video: bool
    time: dt.datetime


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget all calls: a watch begins anew. Those that match follow, and then SnapshotComplete."""

    reason: ResetReason


@dataclass(frozen=True, slots=True)
class SnapshotComplete:
    """Everything has been told that matched when a connection began."""

    resumed: bool
    """Whether it went on where the last connection was cut."""


WatchEvent = Change | Notification | Reset | SnapshotComplete

Users = str | Iterable[str]
"""A user's id, or several."""

Members = str | Iterable[str | Member]
"""A user's id, or several; as Member to say more of them."""


def time_of(timestamp: Timestamp) -> dt.datetime:
    """Return a time of the contract."""
    return timestamp.ToDatetime(tzinfo=dt.UTC)


def seconds_of(timestamp: Timestamp) -> float:
    """Return a time of the contract in seconds since the epoch."""
    return timestamp.seconds + timestamp.nanos / 1e9


def timestamp_of(time: dt.datetime) -> Timestamp:
    """Return a time for the contract."""
    if time.tzinfo is None:
        raise ValueError("a time needs a time zone: datetime(…, tzinfo=UTC)")
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def custom_of(struct: Struct) -> dict[str, Any]:
    """Return custom data as plain values; every number is a float."""
    return json_format.MessageToDict(struct)


def struct_of(custom: Mapping[str, Any]) -> Struct:
    """Return custom data for the contract."""
    struct = Struct()
    struct.update(dict(custom))
    return struct


def member_of(member: calls.Member) -> Member:
    """Return a member as the contract has it."""
    return Member(member.user_id, member.role, custom_of(member.custom) if member.HasField("custom") else None)


def users_of(users: Users) -> list[str]:
    """Return the ids: a single one is not taken for its letters."""
    return [users] if isinstance(users, str) else list(users)


def member_inputs_of(members: Members) -> list[pb.MemberInput]:
    """Return members for a request."""
    return [_member_input_of(member) for member in ([members] if isinstance(members, str) else members)]


def _member_input_of(member: str | Member) -> pb.MemberInput:
    if isinstance(member, str):
        return pb.MemberInput(user_id=member)
    custom = None if member.custom is None else struct_of(member.custom)
    return pb.MemberInput(user_id=member.user_id, role=member.role, custom=custom)


def participant_of(participant: calls.Participant) -> Participant:
    """Return a participant as the contract has it."""
    return Participant(participant.user_id, participant.device_id, time_of(participant.joined_at))


def target_of(target: calls.RingTarget) -> Target:
    """Return a target as the contract has it."""
    return Target(
        target.user_id,
        RingTargetState(target.state),
        SkipReason(target.skip_reason),
        target.ring_id,
        target.missed,
        target.reason,
        target.device_id,
        target.online_devices,
    )


def ring_of(ring: calls.Ring) -> Ring:
    """Return a ring as the contract has it."""
    return Ring(
        ring.id,
        ring.ringer_id,
        RingState(ring.state),
        ring.video,
        time_of(ring.started_at),
        ring.reason,
        ring.accepted_by_id,
        tuple(map(target_of, ring.targets)),
    )


def event_of(event: calls.CallEvent) -> Event:
    """Return an event as the contract has it."""
    return Event(
        event.seq,
        CallEventType(event.type),
        time_of(event.time),
        event.actor_user_id,
        event.device_id,
        event.ring_id,
        tuple(event.subject_user_ids),
        event.reason,
        event.session,
        event.revision,
    )


def settings_of(settings: calls.CallSettings) -> Settings:
    """Return settings as the contract has them."""
    ring, limits = settings.ring, settings.limits
    return Settings(
        ring.auto_cancel_timeout.ToTimedelta().total_seconds() if ring.HasField("auto_cancel_timeout") else None,
        ring.incoming_call_timeout.ToTimedelta().total_seconds() if ring.HasField("incoming_call_timeout") else None,
        limits.max_duration.ToTimedelta().total_seconds() if limits.HasField("max_duration") else None,
        limits.participant_timeout.ToTimedelta().total_seconds() if limits.HasField("participant_timeout") else None,
        settings.end_when_empty if settings.HasField("end_when_empty") else None,
        settings.drop_when_alone if settings.HasField("drop_when_alone") else None,
    )


def settings_message_of(settings: Settings) -> calls.CallSettings:
    """Return settings for a request: what is None stays unset."""
    message = calls.CallSettings(end_when_empty=settings.end_when_empty, drop_when_alone=settings.drop_when_alone)
    for seconds, part, name in (
        (settings.auto_cancel_timeout, message.ring, "auto_cancel_timeout"),
        (settings.incoming_call_timeout, message.ring, "incoming_call_timeout"),
        (settings.max_duration, message.limits, "max_duration"),
        (settings.participant_timeout, message.limits, "participant_timeout"),
    ):
        if seconds is not None:
            getattr(part, name).FromTimedelta(dt.timedelta(seconds=seconds))
    return message
