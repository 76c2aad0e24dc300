"""The clock as a port: all that the server knows of time, so that tests can move it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> int:
        """Return microseconds since the epoch. It never goes back while the process lives."""

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds of this clock are over; may be cancelled."""


class SystemClock:
    """The wall clock at start plus monotonic time: a clock step makes nobody miss a ring (T4)."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return (self._offset + time.monotonic_ns()) // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
