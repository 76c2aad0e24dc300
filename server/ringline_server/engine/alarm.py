"""Waiting for the next of many deadlines on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ringline_server.clock import Clock
from ringline_server.rules.settings import SECOND


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
            nap = asyncio.create_task(self._nap(self._at), name="engine nap")
            try:
                await self._awake.wait()
            finally:
                nap.cancel()

    async def _nap(self, until: int) -> None:
        await self._clock.sleep(max(until - self._clock.now(), 0) / SECOND)
        self._awake.set()
