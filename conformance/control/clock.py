"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count

_SECOND = 1_000_000

_REAL = 0.02
"""Real seconds after a sleeper is woken: enough for what it says to reach a reader. In less, all would seem slow."""

_MANY = 100
"""After so many it is a matter of days: the rest is told as fast as the loop can."""

_TURNS = 20
"""How many turns the loop gets otherwise: enough for a sleeper to sleep again."""


class StandingClock:
    """Fills the server's port ``Clock``. Whoever sleeps is woken by ``advance``, in the order of their times."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + round(seconds * _SECOND), next(self._order), woken))
        await woken

    async def advance(self, seconds: float, settle: Callable[[], Awaitable[None]]) -> None:
        """Let so many seconds go by. ``settle`` returns once what a woken sleeper has begun is done."""
        until = self._now + round(seconds * _SECOND)
        await _turn()
        woken_so_far = 0
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not woken.done():
                woken.set_result(None)
                woken_so_far += 1
                await _turn()
                await settle()
                if woken_so_far <= _MANY:
                    await asyncio.sleep(_REAL)
        self._now = max(self._now, until)
        await _turn()
        await settle()


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
