"""A call's settings as a request gives them (C3, T3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from ringline.v1 import call_pb2
from ringline_server.api.validate import Checks
from ringline_server.rules.settings import FIELDS, NO_OVERRIDE, RANGES, SettingsOverride

_DURATIONS = (
    "ring.auto_cancel_timeout",
    "ring.incoming_call_timeout",
    "limits.max_duration",
    "limits.participant_timeout",
)
_SWITCHES = ("end_when_empty", "drop_when_alone")


def _mask_paths() -> dict[str, frozenset[str]]:
    paths = {name: frozenset({name}) for name in ("custom", "starts_at")}
    paths["settings"] = frozenset(FIELDS)
    for path in _DURATIONS:
        group, _, name = path.partition(".")
        whole = f"settings.{group}"
        paths[whole] = paths.get(whole, frozenset()) | {name}
        paths[f"{whole}.{name}"] = frozenset({name})
    return paths | {f"settings.{name}": frozenset({name}) for name in _SWITCHES}


MASK_PATHS: Mapping[str, frozenset[str]] = _mask_paths()
"""The paths that an update mask may have, each with the names of what it changes."""


def settings_override(path: str, settings: call_pb2.CallSettings, checks: Checks) -> SettingsOverride:
    """Return what the settings override; ``path`` is where they are in the request."""
    message: Message = settings
    if not message.ListFields():
        return NO_OVERRIDE
    overrides: dict[str, Any] = {}
    for where in _DURATIONS:
        group, _, name = where.partition(".")
        part = getattr(settings, group)
        if part.HasField(name):
            overrides[name] = checks.duration(f"{path}.{where}", getattr(part, name), *RANGES[name])
    for name in _SWITCHES:
        if message.HasField(name):
            overrides[name] = getattr(settings, name)
    return SettingsOverride(**overrides) if overrides else NO_OVERRIDE
