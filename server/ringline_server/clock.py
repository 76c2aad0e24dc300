"""The clock as a port: all that the server knows of time, so that tests can move it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol

MICROSECONDS = 1_000_000
"""In a second."""


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
        # uvloop rounds to milliseconds, and its clock may be one behind: whoever wakes too early has to sleep again.
        await asyncio.sleep((math.ceil(seconds * 1000) + 1) / 1000 if seconds > 0 else 0)


class Alarm:
    """Calls ``ring`` with the time whenever what ``next_at`` says has come. ``ring`` must not block or raise."""

    def __init__(self, clock: Clock, next_at: Callable[[], int | None], ring: Callable[[int], None]) -> None:
        self._clock = clock
        self._next_at = next_at
        self._ring = ring
        self._at: int | None = None
        """What is being waited for; None if nothing is."""
        self._awake = asyncio.Event()

    def look(self) -> None:
        """Look again: ``next_at`` may have become earlier."""
        due = self._next_at()
        if due is not None and (self._at is None or due < self._at):
            self._awake.set()

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        while True:
            self._awake.clear()
            self._ring(self._clock.now())
            self._at = self._next_at()
            if self._at is None:
                await self._awake.wait()
                continue
            nap = asyncio.create_task(self._nap(self._at), name="nap")
            try:
                await self._awake.wait()
            finally:
                nap.cancel()

    async def _nap(self, until: int) -> None:
        await self._clock.sleep(max(until - self._clock.now(), 0) / MICROSECONDS)
        self._awake.set()
