"""The parts of a call of hundreds as JSON: what is as it was when the call was last encoded is not encoded again.

A step of such a call changes one target or two, and would else take as long as all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ringline_server.row import Row
from ringline_server.rules.call import Call, Member, Participant, Ring, Target
from ringline_server.store.codec_parts import Fields, encode_member, encode_participant, encode_ring, encode_target

FEW_MEMBERS = 50
"""A call with more is large: to look for what has changed then takes less than to encode all."""

MAX_KEPT = 16
"""Of how many large calls the parts are kept."""


@dataclass(slots=True)
class _Parts:
    """What the last encoding of a call was made of."""

    members: Mapping[str, Member]
    encoded_members: orjson.Fragment
    targets: Mapping[int, Row[Target, orjson.Fragment]]
    """By the numbers of their rings."""
    participants: Row[Participant, orjson.Fragment]


_NOTHING = _Parts({}, orjson.Fragment(b"{}"), {}, Row())
"""What a call was made of that was not encoded before."""


class LargeCalls:
    """Encodes large calls, and keeps the parts of some. For one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[str, _Parts] = {}

    def encode(self, call: Call) -> tuple[Any, Sequence[Fields], Sequence[Any]]:
        """Return the call's members, rings and participants, ready for JSON."""
        old = self._kept.pop(call.uid, _NOTHING)
        members = old.encoded_members
        if call.members is not old.members:
            members = _json({user: encode_member(member, call.created_at) for user, member in call.members.items()})
        targets = {
            ring.number: old.targets.get(ring.number, Row()).next(tuple(ring.targets.values()), _target_of(ring))
            for ring in call.rings
        }
        participants = old.participants.next(call.participants, _participant)
        self._kept[call.uid] = _Parts(call.members, members, targets, participants)
        if len(self._kept) > MAX_KEPT:
            self._kept.pop(next(iter(self._kept), ""), None)
        rings = [encode_ring(ring, targets[ring.number].encoded) for ring in call.rings]
        return members, rings, participants.encoded


def _target_of(ring: Ring) -> Callable[[Target], orjson.Fragment]:
    started_at, expires_at = ring.started_at, ring.expires_at
    return lambda target: _json(encode_target(target, started_at, expires_at))


def _participant(participant: Participant) -> orjson.Fragment:
    return _json(encode_participant(participant))


def _json(fields: Fields | list[Any]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(fields))
