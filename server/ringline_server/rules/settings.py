"""Settings of a call: those of its type, and what the call overrides, field by field (C3)."""

from __future__ import annotations

from collections.abc import Mapping

from ringline_server.rules.value import replace, value

SECOND = 1_000_000
"""One second in the unit of every time and duration in the rules: microseconds."""

DAY = 24 * 60 * 60 * SECOND


@value
class Settings:
    """What holds for a call. Durations in microseconds."""

    auto_cancel_timeout: int = 30 * SECOND
    """An unanswered ring is over after this long (T1)."""
    incoming_call_timeout: int = 30 * SECOND
    """A target stops ringing after this long, answered by others or not (T2)."""
    max_duration: int = DAY
    """A session ends this long after its first participant came in (T3)."""
    participant_timeout: int = 0
    """A participant whose device shows no sign of life for this long is lost; 0 is off (T6)."""
    end_when_empty: bool = True
    """Whether a call whose session is over is ENDED, or IDLE again (E3)."""
    drop_when_alone: bool = True
    """Whether the last one of a call that rang is put out (L5)."""


@value
class SettingsOverride:
    """What one call sets for itself; None means the call type's."""

    auto_cancel_timeout: int | None = None
    incoming_call_timeout: int | None = None
    max_duration: int | None = None
    participant_timeout: int | None = None
    end_when_empty: bool | None = None
    drop_when_alone: bool | None = None

    def over(self, base: Settings) -> Settings:
        """Return ``base`` with every field that is set here taken from here."""
        if self is NO_OVERRIDE:
            return base
        changes = {name: value for name in FIELDS if (value := getattr(self, name)) is not None}
        return replace(base, **changes) if changes else base


FIELDS = tuple(SettingsOverride.__dataclass_fields__)
"""The names of the settings, for masks and codecs."""

_MINUTE = 60 * SECOND

RANGES: Mapping[str, tuple[int, int]] = {
    "auto_cancel_timeout": (SECOND, 10 * _MINUTE),
    "incoming_call_timeout": (SECOND, 10 * _MINUTE),
    "max_duration": (SECOND, 7 * DAY),
    "participant_timeout": (10 * SECOND, 10 * _MINUTE),
}
"""The least and the most that a duration may be set to (T3, T6)."""

NO_OVERRIDE = SettingsOverride()
