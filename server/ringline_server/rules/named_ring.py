"""Commands that say which ring they mean (X6)."""

from __future__ import annotations

from ringline_server.rules.call import Call
from ringline_server.rules.outcome import invalid_field


def named_ring(call: Call, ring_id: str) -> int | None:
    """Return the number of the ring a command names, or None if it names none; refuse one that never was."""
    if not ring_id:
        return None
    number = call.ring_number(ring_id)
    if number is None:
        raise invalid_field("ring_id", "must be the id of a ring of this call, as the call's rings[] or viewer tell it")
    return number
