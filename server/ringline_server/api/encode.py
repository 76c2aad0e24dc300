"""Calls as bytes: each revision is encoded once, and what did not change since the one before is not encoded again.

A call's bytes are the same for every viewer, so that an answer or a stream's message is put together from them, the
viewer's own few bytes and a wrapper (`ringline_server.api.splice`). For the event loop's thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ringline_server.api.messages import (
    CALL_STATES,
    fixed_bytes,
    history_bytes,
    member_bytes,
    participant_field,
    ring_bytes,
    settings_bytes,
    target_field,
    viewer_bytes,
)
from ringline_server.api.row import Row
from ringline_server.api.splice import head, int_field, message_field, text_field
from ringline_server.rules.access import capabilities
from ringline_server.rules.call import Call, Member, Participant, Ring, Target
from ringline_server.rules.context import Actor, CallType
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import Capability

K = TypeVar("K")
V = TypeVar("V")

MAX_PARTICIPANTS = 100
"""How many participants a call lists; it counts them all."""

CALL_BYTES = 8 * 1024 * 1024
"""How much is kept of encoded calls: all who see a revision are told within moments."""

PART_BYTES = 64 * 1024 * 1024
"""How much is kept of their parts, until the next revision, while the calls go on."""

CACHED_VIEWERS = 4 * 1024
CACHED_SETTINGS = 1024

_ViewerKey = tuple[str, int, str, str, frozenset[str], str]


class _Kept(Generic[K, V]):
    """What was put in last; the older half of it is forgotten when there is no room.

    What is put in anew counts anew, and what is dropped counts on. In halves, because to find a dictionary's oldest
    entry takes the longer the more have been taken out before it.
    """

    def __init__(self, room: int) -> None:
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._half = room // 2
        self._size = 0
        """Of what was put into the young half."""

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        return self._old.get(key) if value is None else value

    def put(self, key: K, value: V, size: int) -> None:
        self._young[key] = value
        self._size += size
        if self._size > self._half:
            self._old, self._young, self._size = self._young, {}, 0

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)


@dataclass(slots=True)
class _Parts:
    """What the latest encoding of a call was made of. A part that is the same object has the same bytes."""

    members: Mapping[str, Member]
    encoded_members: bytes
    fixed: bytes
    """What never changes."""
    custom: bytes
    encoded_custom: bytes
    participants: Row[Participant, bytes]
    rings: Mapping[int, _RingParts]


@dataclass(slots=True)
class _RingParts:
    """A ring's latest encoding."""

    ring: Ring
    targets: Row[Target, bytes]
    encoded: bytes


_NOTHING = _Parts({}, b"", b"", b"", b"", Row(), {})


class CallEncoder:
    """Encodes calls, and what they are to their viewers, for all RPCs and streams of this process."""

    def __init__(self, call_types: Mapping[str, CallType]) -> None:
        self.encodings = 0
        """How often a whole call was encoded: once a revision, if nothing is wrong."""
        self._call_types = call_types
        self._calls: _Kept[tuple[str, int], bytes] = _Kept(CALL_BYTES)
        self._parts: _Kept[str, _Parts] = _Kept(PART_BYTES)
        self._viewers: _Kept[_ViewerKey, bytes] = _Kept(CACHED_VIEWERS)
        self._settings: _Kept[tuple[str, Settings], bytes] = _Kept(CACHED_SETTINGS)

    def call(self, call: Call) -> bytes:
        """Return the call as a viewer who may read it sees it: a ``Call`` without its viewer."""
        key = (call.uid, call.revision)
        encoded = self._calls.get(key)
        if encoded is None:
            encoded = self._encode(call)
            self._calls.put(key, encoded, len(encoded))
        return encoded

    def cut_call(self, call: Call) -> bytes:
        """Return what a viewer is told of a call that they may not read any more (W8)."""
        return (
            text_field(1, call.type)
            + text_field(2, call.id)
            + text_field(3, call.cid)
            + text_field(4, call.uid)
            + int_field(24, call.revision)
        )

    def viewer(self, call: Call, actor: Actor) -> bytes:
        """Return a ``ViewerState``: what the call is to the actor, who is a user; empty if they may not read it."""
        key = (call.uid, call.revision, actor.user_id, actor.role, actor.teams, actor.service_id)
        encoded = self._viewers.get(key)
        if encoded is None:
            granted = capabilities(call, actor, self._call_types[call.type])
            encoded = viewer_bytes(call, actor.user_id, granted) if Capability.READ_CALL in granted else b""
            self._viewers.put(key, encoded, 1)
        return encoded

    def seen(self, call: Call, actor: Actor, number: int = 1) -> tuple[bytes, ...]:
        """Return the field ``number`` with the call as the actor may see it, and the next one with the viewer.

        In pieces, for a call may be large: whoever puts them into something larger copies them once. The viewer is
        unset for a service itself (W10), and for who may not read the call (W8).
        """
        viewer = b""
        if not actor.is_service_itself:
            viewer = self.viewer(call, actor)
            if not viewer:
                return (message_field(number, self.cut_call(call)),)
        encoded = self.call(call)
        return head(number, len(encoded)), encoded, message_field(number + 1, viewer) if viewer else b""

    def _encode(self, call: Call) -> bytes:
        self.encodings += 1
        old = self._parts.get(call.uid) or _NOTHING
        fixed = old.fixed or fixed_bytes(call)
        members, custom = old.encoded_members, old.encoded_custom
        if old.members is not call.members:
            members = b"".join([message_field(9, member_bytes(one)) for one in call.members.values()])
        if old.custom != call.custom:
            custom = message_field(10, call.custom) if call.custom else b""
        shown = {ring.number: _ring_parts(call, ring, old.rings.get(ring.number)) for ring in shown_rings(call)}
        participants = old.participants.next(call.participants[:MAX_PARTICIPANTS], participant_field)
        encoded = b"".join(
            (
                fixed,
                int_field(5, call.session),
                CALL_STATES[call.state],
                members,
                custom,
                message_field(11, self._effective(call)),
                *[one.encoded for one in shown.values()],
                *participants.encoded,
                int_field(14, len(call.participants)),
                history_bytes(call),
            )
        )
        if call.ended:
            self._parts.drop(call.uid)
        else:
            parts = _Parts(call.members, members, fixed, call.custom, custom, participants, shown)
            # Nothing of the call is in more than two of its parts: a target is, and in its ring.
            self._parts.put(call.uid, parts, 2 * len(encoded))
        return encoded

    def _effective(self, call: Call) -> bytes:
        settings = call.settings.over(self._call_types[call.type].settings)
        key = (call.type, settings)
        encoded = self._settings.get(key)
        if encoded is None:
            encoded = settings_bytes(settings)
            self._settings.put(key, encoded, 1)
        return encoded


def _ring_parts(call: Call, ring: Ring, old: _RingParts | None) -> _RingParts:
    if old is not None and old.ring is ring:
        return old
    ring_id = call.ring_id(ring.number)
    targets = (old.targets if old else Row()).next(tuple(ring.targets.values()), partial(target_field, ring_id))
    return _RingParts(ring, targets, message_field(12, ring_bytes(ring_id, ring, targets.encoded)))


def shown_rings(call: Call) -> list[Ring]:
    """Return the rings that a call shows: the open ones and the one that closed last, oldest first."""
    last: Ring | None = None
    for ring in call.rings:
        if ring.ended_at is not None and (last is None or last.ended_at is None or ring.ended_at >= last.ended_at):
            last = ring
    return [ring for ring in call.rings if ring.ended_at is None or ring is last]
