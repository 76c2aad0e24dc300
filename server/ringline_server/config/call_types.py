"""Call types in the TOML file (P1): settings and grants of the operator's own, and changes to the built-in ones.

    [call_types.standup.settings]
    end_when_empty = false
    ring.auto_cancel_timeout = "45s"
    limits.max_duration = "2h"

    [call_types.standup.grants]
    user = ["create-call"]
    call_member = ["read-call", "join-call", "ring-call"]

What is not said stays as it is in the built-in type of that name, or, for a new name, in ``default``. The grants of a
role that is named are replaced as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from ringline_server.api.call_types import BUILT_IN, KnownTypes
from ringline_server.config import reading
from ringline_server.rules.context import CallType, GrantRole
from ringline_server.rules.settings import RANGES, SECOND, SettingsOverride
from ringline_server.rules.terms import Capability

CallTypes = Mapping[str, CallType]
T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_CAPABILITIES = {capability.lower().replace("_", "-"): capability for capability in Capability}


class CallTypeError(Exception):
    """A call type cannot be used; the text names the key and says what is allowed."""


def call_types(table: object) -> CallTypes:
    """Return all call types, with those of the table ``call_types`` worked in."""
    known = KnownTypes(BUILT_IN)
    for name, body in _table(table, "call_types").items():
        at = f"call_types.{name}"
        if not _NAME.fullmatch(name):
            raise CallTypeError(f"{at}: a name is 1 to 64 of a-z, 0-9, _ and -")
        known[name] = _call_type(name, body, at)
    return known


def _call_type(name: str, body: object, at: str) -> CallType:
    base = BUILT_IN.get(name, BUILT_IN["default"])
    fields = _table(body, at, ("settings", "grants"))
    override = SettingsOverride(**_settings(fields.get("settings", {}), f"{at}.settings"))
    grants = {**base.grants, **_grants(fields.get("grants", {}), f"{at}.grants")}
    return CallType(name, override.over(base.settings), grants)


def _settings(table: object, at: str) -> dict[str, Any]:
    """Read the settings as the contract's CallSettings has them."""
    fields = _table(table, at, ("ring", "limits", "end_when_empty", "drop_when_alone"))
    ring = _table(fields.get("ring", {}), f"{at}.ring", tuple(_RING))
    limits = _table(fields.get("limits", {}), f"{at}.limits", tuple(_LIMITS))
    found: dict[str, Any] = {}
    for prefix, values, bounds in (("ring", ring, _RING), ("limits", limits, _LIMITS)):
        for name, value in values.items():
            found[name] = _checked(value, f"{at}.{prefix}.{name}", bounds[name])
    for name in ("end_when_empty", "drop_when_alone"):
        if name in fields:
            found[name] = _checked(fields[name], f"{at}.{name}", reading.boolean)
    return found


def _within(name: str, words: str, *, zero: bool = False) -> Callable[[object], int]:
    least, most = RANGES[name]

    def read(value: object) -> int:
        microseconds = round(reading.seconds(value) * SECOND)
        if not (least <= microseconds <= most or (zero and microseconds == 0)):
            raise ValueError(words)
        return microseconds

    return read


_RING = {name: _within(name, "1 s to 10 min (T3)") for name in ("auto_cancel_timeout", "incoming_call_timeout")}
_LIMITS = {
    "max_duration": _within("max_duration", "1 s to 7 d (T3)"),
    "participant_timeout": _within("participant_timeout", "10 s to 10 min, or 0 for none (T6)", zero=True),
}


def _grants(table: object, at: str) -> dict[GrantRole, frozenset[Capability]]:
    roles: tuple[GrantRole, ...] = get_args(GrantRole)
    fields = _table(table, at, roles)
    return {role: _checked(fields[role], f"{at}.{role}", _capabilities) for role in roles if role in fields}


def _capabilities(value: object) -> frozenset[Capability]:
    if isinstance(value, list) and all(isinstance(one, str) and one in _CAPABILITIES for one in value):
        return frozenset(_CAPABILITIES[one] for one in value)
    raise ValueError(f"a list of some of {', '.join(_CAPABILITIES)}")


def _checked(value: object, at: str, read: Callable[[object], T]) -> T:
    try:
        return read(value)
    except ValueError as error:
        raise CallTypeError(f"{at}: {value!r} cannot be used. Allowed: {error}") from error


def _table(value: object, at: str, known: tuple[str, ...] | None = None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise CallTypeError(f"{at}: {value!r} is not a table")
    for key in value:
        if known is not None and key not in known:
            raise CallTypeError(f"{at}: unknown key {key!r}. There are: {', '.join(known)}")
    return value
