"""Time: the ports through which tests move it, and what is known of the server's."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Measures time and waits for it. Only differences of ``monotonic`` mean anything."""

    def monotonic(self) -> float:
        """Return seconds since some moment. It never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds are over; may be cancelled."""


class SystemClock:
    """This machine's monotonic clock: setting the time of day changes nothing here."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ServerTime:
    """What the server's clock says now, from what it said last and the time since. The device's is never asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead: float | None = None

    def told(self, seconds: float) -> None:
        """Take what the server's clock says now, in seconds since the epoch."""
        self._ahead = seconds - self._clock.monotonic()

    def guess(self, seconds: float) -> None:
        """Take what the server's clock probably says now, if nothing better is known."""
        if self._ahead is None:
            self.told(seconds)

    def is_past(self, seconds: float) -> None:
        """Take it that the server spoke of this time as past. Alone it does not tell how long ago that was."""
        if self._ahead is not None and seconds > self._clock.monotonic() + self._ahead:
            self.told(seconds)

    def until(self, seconds: float) -> float | None:
        """Return how many seconds it is from now until then, 0 if it is past. None while nothing is known."""
        if self._ahead is None:
            return None
        return max(0.0, seconds - self._clock.monotonic() - self._ahead)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before trying again: full jitter, so that many clients do not come back all at once."""

    base: float
    limit: float

    def delay(self, attempt: int, chance: float, retry_after: float | None = None) -> float:
        """Return the seconds before the attempt after this one, counted from 0; ``chance`` is within [0, 1).

        What the server asked for comes on top: nobody comes back sooner.
        """
        return (retry_after or 0.0) + chance * min(self.limit, self.base * 2.0 ** min(attempt, 30))
