"""The bound on a whole call (C6)."""

from __future__ import annotations

from ringline_server.rules.call import Call
from ringline_server.rules.outcome import invalid_field

MAX_ENCODED_CALL = 1024 * 1024
"""Bytes that a call may take on the wire."""

FEW_PARTS = 64
"""A call with fewer parts cannot reach the bound, so that the usual call is not measured."""

_MESSAGE = 128
"""Bytes of one member, target, ring or participant beside its texts, at most."""


def require_bounded(before: Call | None, call: Call) -> None:
    """Refuse a change by which a call would take more than ``MAX_ENCODED_CALL`` bytes.

    The estimate is an upper bound. What only shrinks or ends a call is always allowed.
    """
    parts = len(call.members) + len(call.participants) + sum(1 + len(ring.targets) for ring in call.rings)
    if parts < FEW_PARTS:
        return
    size = encoded_bound(call)
    if size > MAX_ENCODED_CALL and (before is None or size > encoded_bound(before)):
        raise invalid_field(
            "type",
            f"the call would take {size} bytes and may take {MAX_ENCODED_CALL}; use fewer members, shorter ids or "
            "smaller custom, or wait until rings are over",
        )


def encoded_bound(call: Call) -> int:
    """Return an upper bound of the call's encoded size in bytes."""
    participants = call.participants[:100]
    latest_closed = max((ring.number for ring in call.rings if ring.ended_at is not None), default=0)
    rings = [ring for ring in call.rings if ring.ended_at is None or ring.number == latest_closed]
    texts = [call.id * 4]
    texts += [one.user_id + one.device_id for one in participants]
    texts += [ring.ringer_id + ring.ringer_device_id + ring.reason for ring in rings]
    size = 1024 + len(call.custom) + call.member_bytes + sum([ring.text_bytes for ring in rings])
    parts = len(call.members) + len(participants) + sum([1 + len(ring.targets) for ring in rings])
    return size + _MESSAGE * parts + len("".join(texts).encode())
