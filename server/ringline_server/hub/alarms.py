"""Many alarms on one clock: heartbeats, delayed updates, slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from itertools import count

from ringline_server.clock import Clock

_MICROSECONDS = 1_000_000


class Alarms:
    """Calls functions at their time, within one task. A function must not block or raise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._earlier = asyncio.Event()

    def at(self, when: int, ring: Callable[[], None]) -> None:
        """Call ``ring`` once ``when``, in microseconds since the epoch, has come."""
        heapq.heappush(self._heap, (when, next(self._order), ring))
        if self._heap[0][0] == when:
            self._earlier.set()

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        while True:
            self._earlier.clear()
            now = self._clock.now()
            while self._heap and self._heap[0][0] <= now:
                heapq.heappop(self._heap)[2]()
            if self._heap:
                await self._wait(max(self._heap[0][0] - now, 0) / _MICROSECONDS)
            else:
                await self._earlier.wait()

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until there is an earlier alarm."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        earlier = asyncio.ensure_future(self._earlier.wait())
        try:
            await asyncio.wait((sleep, earlier), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleep, earlier):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
