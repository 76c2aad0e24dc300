"""The parts of a call as plain fields, ready for JSON; see ``codec``."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any

from ringline_server.rules.call import Cause, Member, Participant, Ring, Target
from ringline_server.rules.outcome import AskedTarget
from ringline_server.rules.settings import FIELDS, SettingsOverride
from ringline_server.rules.terms import EndReason, EventType, RingState, SkipReason, TargetState

Fields = dict[str, Any]
"""A JSON object."""

# A look-up in a dict is several times as fast as a call of the enumeration.
_END_REASONS = dict(EndReason.__members__)
_EVENT_TYPES = dict(EventType.__members__)
_RING_STATES = dict(RingState.__members__)
_SKIP_REASONS = dict(SkipReason.__members__)
_TARGET_STATES = dict(TargetState.__members__)
_RINGING = TargetState.RINGING


def encode_member(member: Member, call_created_at: int) -> Fields:
    """Return a member without their name, which is the key that they stand under."""
    fields: Fields = {}
    if member.created_at != call_created_at:
        fields["created_at"] = member.created_at
    if member.updated_at != member.created_at:
        fields["updated_at"] = member.updated_at
    if member.role != "call_member":
        fields["role"] = member.role
    if member.custom:
        fields["custom"] = encode_bytes(member.custom)
    return fields


def decode_member(user: str, fields: Fields, call_created_at: int) -> Member:
    """Return the member that was encoded under the name."""
    created_at: int = fields.get("created_at", call_created_at)
    return Member(
        user,
        fields.get("role", "call_member"),
        a2b_base64(fields.get("custom", "")),
        created_at,
        fields.get("updated_at", created_at),
    )


def encode_participant(one: Participant) -> list[Any]:
    """Return a participant's values, for there may be hundreds; a new one is added at the end."""
    return [one.user_id, one.device_id, one.joined_at, one.ring]


def decode_participant(values: Sequence[Any]) -> Participant:
    """Return the participant that was encoded."""
    return Participant(*values[:4])


def encode_ring(ring: Ring, *, with_targets: bool) -> Fields:
    """Return a ring's fields."""
    fields: Fields = {
        "number": ring.number,
        "session": ring.session,
        "ringer_id": ring.ringer_id,
        "state": ring.state,
        "started_at": ring.started_at,
        "expires_at": ring.expires_at,
    }
    if with_targets:
        fields["targets"] = [encode_target(one, ring.started_at, ring.expires_at) for one in ring.targets.values()]
    if ring.ringer_device_id:
        fields["ringer_device_id"] = ring.ringer_device_id
    if ring.video:
        fields["video"] = True
    if ring.accepted_at is not None:
        fields["accepted_at"] = ring.accepted_at
    if ring.accepted_by_id:
        fields["accepted_by_id"] = ring.accepted_by_id
    if ring.ended_at is not None:
        fields["ended_at"] = ring.ended_at
    if ring.end_reason is not None:
        fields["end_reason"] = ring.end_reason
    if ring.reason:
        fields["reason"] = ring.reason
    if ring.ringer_gone:
        fields["ringer_gone"] = True
    return fields


def decode_ring(fields: Fields) -> Ring:
    """Return the ring that was encoded."""
    get = fields.get
    started_at, expires_at = fields["started_at"], fields["expires_at"]
    targets = [decode_target(one, started_at, expires_at) for one in fields["targets"]]
    return Ring(
        number=fields["number"],
        session=fields["session"],
        ringer_id=fields["ringer_id"],
        ringer_device_id=get("ringer_device_id", ""),
        state=_RING_STATES[fields["state"]],
        video=get("video", False),
        started_at=started_at,
        expires_at=expires_at,
        targets={one.user_id: one for one in targets},
        accepted_at=get("accepted_at"),
        accepted_by_id=get("accepted_by_id", ""),
        ended_at=get("ended_at"),
        end_reason=_END_REASONS[fields["end_reason"]] if "end_reason" in fields else None,
        reason=get("reason", ""),
        ringer_gone=get("ringer_gone", False),
    )


def encode_target(target: Target, started_at: int = 0, expires_at: int = 0) -> Fields:
    """Return a target's fields, without what is as for one who has rung from the start and to the end of their ring.

    ``started_at`` and ``expires_at`` are the ring's, which never change; without them both of the target's are told.
    """
    fields: Fields = {"user_id": target.user_id}
    if target.state is not _RINGING:
        fields["state"] = target.state
    if target.rung_at != started_at:
        fields["rung_at"] = target.rung_at
    if target.expires_at != expires_at:
        fields["expires_at"] = target.expires_at
    if target.updated_at != target.rung_at:
        fields["updated_at"] = target.updated_at
    if target.online_devices:
        fields["online_devices"] = target.online_devices
    if target.missed:
        fields["missed"] = True
    if target.reason:
        fields["reason"] = target.reason
    if target.device_id:
        fields["device_id"] = target.device_id
    if target.end_reason is not None:
        fields["end_reason"] = target.end_reason
    return fields


def decode_target(fields: Fields, started_at: int = 0, expires_at: int = 0) -> Target:
    """Return the target that was encoded."""
    get = fields.get
    rung_at: int = get("rung_at", started_at)
    return Target(
        fields["user_id"],
        _TARGET_STATES[get("state", "RINGING")],
        rung_at,
        get("updated_at", rung_at),
        get("expires_at", expires_at),
        get("online_devices", 0),
        get("missed", False),
        get("reason", ""),
        get("device_id", ""),
        _END_REASONS[fields["end_reason"]] if "end_reason" in fields else None,
    )


def encode_cause(cause: Cause) -> Fields:
    """Return a cause's fields."""
    fields: Fields = {"type": cause.type}
    if cause.actor_user_id:
        fields["actor_user_id"] = cause.actor_user_id
    if cause.reason:
        fields["reason"] = cause.reason
    return fields


def decode_cause(fields: Fields) -> Cause:
    """Return the cause that was encoded."""
    return Cause(_EVENT_TYPES[fields["type"]], fields.get("actor_user_id", ""), fields.get("reason", ""))


def encode_settings(settings: SettingsOverride) -> Fields:
    """Return the settings that are set."""
    return {name: value for name in FIELDS if (value := getattr(settings, name)) is not None}


def decode_settings(fields: Mapping[str, Any]) -> SettingsOverride:
    """Return the settings that were encoded."""
    return SettingsOverride(**{name: fields[name] for name in FIELDS if name in fields})


def encode_asked(one: AskedTarget) -> Fields:
    """Return what became of an asked member."""
    fields: Fields = {"user_id": one.user_id}
    if one.ring_id:
        fields["ring_id"] = one.ring_id
    if one.target is not None:
        fields["target"] = encode_target(one.target)
    if one.skip_reason is not None:
        fields["skip_reason"] = one.skip_reason
    return fields


def decode_asked(fields: Fields) -> AskedTarget:
    """Return what became of an asked member, as it was encoded."""
    return AskedTarget(
        fields["user_id"],
        fields.get("ring_id", ""),
        decode_target(fields["target"]) if "target" in fields else None,
        _SKIP_REASONS[fields["skip_reason"]] if "skip_reason" in fields else None,
    )


def encode_bytes(value: bytes) -> str:
    """Return bytes as base64; empty is empty."""
    return b2a_base64(value, newline=False).decode("ascii")
