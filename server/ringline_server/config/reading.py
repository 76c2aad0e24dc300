"""Values as people write them: in a shell, in the environment, in TOML.

Each function raises ValueError saying what is allowed.
"""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def seconds(value: object) -> float:
    """Read a duration: a number of seconds, or a text such as ``500ms``, ``30s``, ``10m``, ``24h``, ``7d``."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _UNITS[match[2] or "s"]
    raise ValueError("a number of seconds, or a number with its unit, such as 500ms, 30s, 10m, 24h, 7d")


def boolean(value: object) -> bool:
    """Read true or false, or what people write for it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (found := _BOOLEANS.get(value.strip().lower())) is not None:
        return found
    raise ValueError("true or false")


def text(value: object) -> str:
    """Read a text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError("a text that is not empty")
