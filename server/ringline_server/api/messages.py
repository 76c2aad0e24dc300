"""What a call is made of, as the contract's messages in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ringline.v1 import call_pb2
from ringline_server.api.splice import (
    bool_field,
    enum_fields,
    enum_numbers,
    int_field,
    message_field,
    optional_enum_fields,
    packed_field,
    text_field,
    texts_field,
    time_field,
)
from ringline_server.rules.call import Call, Member, Participant, Ring, Target
from ringline_server.rules.outcome import AskedTarget, Event
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import (
    CallingState,
    CallState,
    Capability,
    Direction,
    EndReason,
    EventType,
    RingState,
    SkipReason,
    TargetState,
)
from ringline_server.rules.viewer import viewer_state

CALL_STATES = enum_fields(8, call_pb2.CallState, "CALL_STATE", CallState)
"""The field of a ``Call``."""

_CAPABILITIES = enum_numbers(call_pb2.Capability, "CAPABILITY", Capability)

# The fields of a ViewerState.
_DIRECTIONS = optional_enum_fields(2, call_pb2.CallDirection, "CALL_DIRECTION", Direction)
_CALLING_STATES = enum_fields(3, call_pb2.CallingState, "CALLING_STATE", CallingState)
_VIEWED_STATES = optional_enum_fields(8, call_pb2.RingTargetState, "RING_TARGET_STATE", TargetState)

# Of a RingTarget.
_TARGET_STATES = enum_fields(3, call_pb2.RingTargetState, "RING_TARGET_STATE", TargetState)
_SKIP_REASONS = optional_enum_fields(4, call_pb2.SkipReason, "SKIP_REASON", SkipReason)

# Of a CallEvent, of a Ring, and of a Call.
_EVENT_TYPES = enum_fields(2, call_pb2.CallEventType, "CALL_EVENT_TYPE", EventType)
_RING_STATES = enum_fields(5, call_pb2.RingState, "RING_STATE", RingState)
_RING_END_REASONS = optional_enum_fields(12, call_pb2.EndReason, "END_REASON", EndReason)
_END_REASONS = optional_enum_fields(21, call_pb2.EndReason, "END_REASON", EndReason)


@lru_cache(maxsize=256)
def _capabilities_field(granted: frozenset[Capability]) -> bytes:
    return packed_field(11, [number for one, number in _CAPABILITIES.items() if one in granted])


def viewer_bytes(call: Call, user_id: str, granted: frozenset[Capability]) -> bytes:
    """Return a ``ViewerState`` for a user who may read the call and do what is granted."""
    view = viewer_state(call, user_id)
    return b"".join(
        (
            text_field(1, view.user_id),
            _DIRECTIONS[view.direction],
            _CALLING_STATES[view.calling_state],
            int_field(4, view.created_by_me),
            text_field(5, view.ring_id),
            text_field(6, view.ringer_id),
            int_field(7, view.video),
            _VIEWED_STATES[view.target_state],
            text_field(9, view.device_id),
            time_field(10, view.ring_expires_at),
            _capabilities_field(granted),
        )
    )


def participant_bytes(one: Participant) -> bytes:
    """Return a ``Participant``."""
    return text_field(1, one.user_id) + text_field(2, one.device_id) + time_field(3, one.joined_at)


def target_bytes(target: Target, ring_id: str, skip_reason: SkipReason | None = None) -> bytes:
    """Return a ``RingTarget``."""
    return b"".join(
        (
            text_field(1, ring_id),
            text_field(2, target.user_id),
            _TARGET_STATES[target.state],
            _SKIP_REASONS[skip_reason],
            int_field(5, target.missed),
            # Of a target that was cancelled it is the canceller's word, which the ring tells.
            text_field(6, target.reason) if target.state is TargetState.REJECTED else b"",
            text_field(7, target.device_id),
            time_field(8, target.rung_at),
            time_field(9, target.updated_at),
            time_field(10, target.expires_at),
            int_field(11, target.online_devices),
        )
    )


def target_field(ring_id: str, target: Target) -> bytes:
    """Return a target as a field of its ``Ring``."""
    return message_field(14, target_bytes(target, ring_id))


def participant_field(one: Participant) -> bytes:
    """Return a participant as a field of their ``Call``."""
    return message_field(13, participant_bytes(one))


def asked_target_bytes(asked: AskedTarget) -> bytes:
    """Return the ``RingTarget`` that tells what became of a member who was asked for."""
    if asked.target is not None:
        return target_bytes(asked.target, asked.ring_id, asked.skip_reason)
    return text_field(1, asked.ring_id) + text_field(2, asked.user_id) + _SKIP_REASONS[asked.skip_reason]


def event_bytes(event: Event) -> bytes:
    """Return a ``CallEvent``."""
    return b"".join(
        (
            int_field(1, event.seq),
            _EVENT_TYPES[event.type],
            time_field(3, event.time),
            text_field(4, event.cid),
            text_field(5, event.uid),
            int_field(6, event.session),
            text_field(7, event.actor_user_id),
            text_field(8, event.acting_service_id),
            text_field(9, event.device_id),
            text_field(10, event.ring_id),
            texts_field(11, event.subject_user_ids),
            text_field(12, event.reason),
            int_field(13, event.revision),
        )
    )


def fixed_bytes(call: Call) -> bytes:
    """Return the fields of a ``Call`` that never change."""
    return b"".join(
        (
            text_field(1, call.type),
            text_field(2, call.id),
            text_field(3, call.cid),
            text_field(4, call.uid),
            text_field(6, call.created_by_id),
            text_field(7, call.team),
            time_field(16, call.created_at),
        )
    )


def history_bytes(call: Call) -> bytes:
    """Return the fields of a ``Call`` that tell when and who."""
    return b"".join(
        (
            time_field(15, call.starts_at),
            time_field(17, call.updated_at),
            time_field(18, call.started_at),
            time_field(19, call.ended_at),
            text_field(20, call.ended_by_id),
            _END_REASONS[call.end_reason],
            time_field(22, call.last_notified_at),
            text_field(23, call.last_notified_by_id),
            int_field(24, call.revision),
        )
    )


def member_bytes(member: Member) -> bytes:
    """Return a ``Member``."""
    return b"".join(
        (
            text_field(1, member.user_id),
            text_field(2, member.role),
            message_field(3, member.custom) if member.custom else b"",
            time_field(4, member.created_at),
            time_field(5, member.updated_at),
        )
    )


def ring_bytes(ring_id: str, ring: Ring, targets: Iterable[bytes]) -> bytes:
    """Return a ``Ring`` with its targets, which are fields of it already."""
    return b"".join(
        (
            text_field(1, ring_id),
            int_field(2, ring.session),
            text_field(3, ring.ringer_id),
            text_field(4, ring.ringer_device_id),
            _RING_STATES[ring.state],
            int_field(6, ring.video),
            time_field(7, ring.started_at),
            time_field(8, ring.expires_at),
            time_field(9, ring.accepted_at),
            text_field(10, ring.accepted_by_id),
            time_field(11, ring.ended_at),
            _RING_END_REASONS[ring.end_reason],
            text_field(13, ring.reason),
            *targets,
        )
    )


def settings_bytes(settings: Settings) -> bytes:
    """Return a ``CallSettings`` in which everything is set but a limit that is off."""
    ring = time_field(1, settings.auto_cancel_timeout) + time_field(2, settings.incoming_call_timeout)
    limits = time_field(1, settings.max_duration) + time_field(2, settings.participant_timeout or None)
    return (
        message_field(1, ring)
        + message_field(2, limits)
        + bool_field(3, settings.end_when_empty)
        + bool_field(4, settings.drop_when_alone)
    )
