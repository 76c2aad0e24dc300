"""The call types that every server has (P1). They say nothing that the operator's own could not say."""

from __future__ import annotations

from collections.abc import Mapping

from ringline_server.rules.context import CallType, GrantRole
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import Capability


class KnownTypes(dict[str, CallType]):
    """Call types by name, those that are known being the keys.

    A type that was taken out of the configuration may still have calls: on these nobody may do anything, and what was
    due on them happens by the defaults.
    """

    def __missing__(self, name: str) -> CallType:
        return CallType(name, Settings(), {})


Grants = Mapping[GrantRole, frozenset[Capability]]

_CREATE = frozenset({Capability.CREATE_CALL})
_MEMBER = frozenset({Capability.READ_CALL, Capability.JOIN_CALL, Capability.RING_CALL})
_HOST = _MEMBER | {Capability.UPDATE_CALL, Capability.UPDATE_CALL_MEMBER, Capability.END_CALL}

_CLOSED: Grants = {"user": _CREATE, "call_member": _MEMBER, "host": _HOST, "admin": _HOST}
"""Members read, join and ring; hosts and admins do everything; others create calls of their own."""

_OPEN: Grants = {**_CLOSED, "user": _CREATE | {Capability.READ_CALL, Capability.JOIN_CALL}}
"""The same, and anybody may listen in."""

_FREE: Grants = {**_CLOSED, "call_member": _HOST}
"""The same, and members do everything."""

_LASTING = Settings(end_when_empty=False, drop_when_alone=False)
"""A room that is there whether or not somebody is in it."""

BUILT_IN = KnownTypes(
    (one.name, one)
    for one in (
        CallType("default", Settings(), _CLOSED),
        CallType("development", Settings(), _FREE),
        CallType("livestream", _LASTING, _OPEN),
        CallType("audio_room", _LASTING, _OPEN),
    )
)
"""The built-in types by name."""
