"""What a stream asks to see, and whether a call is part of it (W1, W9, W10)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from ringline_server.rules.access import readable
from ringline_server.rules.call import Call
from ringline_server.rules.context import Actor, CallType
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.viewer import viewer_state

DEFAULT_CALLING_STATES = frozenset({CallingState.RINGING})
DEFAULT_CALL_STATES = frozenset({CallState.RINGING, CallState.ACTIVE})
_ALL_DIRECTIONS = frozenset(Direction)


@dataclass(frozen=True, slots=True)
class Filter:
    """A watch's filter with its defaults filled in. Empty ``types`` and ``cids`` do not filter."""

    directions: frozenset[Direction]
    calling_states: frozenset[CallingState]
    call_states: frozenset[CallState]
    types: frozenset[str]
    cids: frozenset[str]

    @classmethod
    @lru_cache(maxsize=256)  # Nearly all streams share one.
    def of(
        cls,
        *,
        directions: frozenset[Direction] = frozenset(),
        calling_states: frozenset[CallingState] = frozenset(),
        call_states: frozenset[CallState] = frozenset(),
        types: frozenset[str] = frozenset(),
        cids: frozenset[str] = frozenset(),
    ) -> Filter:
        """Return the filter that a request means: ringing calls unless it says otherwise, and any state of named."""
        return cls(
            directions=directions or _ALL_DIRECTIONS,
            calling_states=calling_states or (frozenset(CallingState) if cids else DEFAULT_CALLING_STATES),
            call_states=call_states or (frozenset(CallState) if cids else DEFAULT_CALL_STATES),
            types=types,
            cids=cids,
        )

    def covers(self, call: Call) -> bool:
        """Whether the call's type and cid, which never change, are asked for."""
        return (not self.types or call.type in self.types) and (not self.cids or call.cid in self.cids)

    def matches(self, call: Call, actor: Actor, call_type: CallType) -> bool:
        """Whether a call belongs to the actor's watch as it is now."""
        if not self.covers(call):
            return False
        user = actor.user_id
        if not user:
            return call.state in self.call_states
        if call.ended and not self.cids:
            return False
        view = viewer_state(call, user)
        if view.calling_state not in self.calling_states:
            return False
        if view.calling_state is CallingState.IDLE and not self.cids and user not in call.members:
            return False
        if self.directions != _ALL_DIRECTIONS and view.direction not in self.directions:
            return False
        return readable(call, actor, call_type)

    def digest(self) -> bytes:
        """Return eight bytes that differ for every other filter: what a resume token is bound to (W4)."""
        return _digest(self)


@lru_cache(maxsize=256)
def _digest(of: Filter) -> bytes:
    parts = [sorted(part) for part in (of.directions, of.calling_states, of.call_states)]
    text = json.dumps([*parts, sorted(of.types), sorted(of.cids)])
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
