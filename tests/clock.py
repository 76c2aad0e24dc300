"""A clock that stands still until a test moves it.

clock = FakeClock()
task = asyncio.create_task(clock.sleep(30))
await clock.advance(30)
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

START = 1_700_000_000_000_000
"""Some time in microseconds since the epoch."""

_SECOND = 1_000_000

_TURNS = 20
"""How many turns the loop gets after each sleeper that is woken: enough for it to sleep again, or to say something."""


class FakeClock:
    """Fills the port ``Clock``. Whoever sleeps is woken by ``advance``, in the order of their times."""

    def __init__(self, now: int = START) -> None:
        self._now = now
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + round(seconds * _SECOND), next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let so many seconds go by; the loop runs on after each sleeper and at the end.

        What other threads do meanwhile, such as the store's, is not waited for.
        """
        until = self._now + round(seconds * _SECOND)
        await _turn()
        while self._sleepers and self._sleepers[0][0] <= until:
            due, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            if not woken.done():
                woken.set_result(None)
                await _turn()
        self._now = max(self._now, until)
        await _turn()

    @property
    def sleepers(self) -> int:
        """How many are asleep."""
        return sum(not woken.done() for _, _, woken in self._sleepers)


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
