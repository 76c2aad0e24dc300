"""Many alarms on one clock: heartbeats, delayed updates, slow readers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from ringline_server.clock import Alarm, Clock


class Alarms:
    """Calls functions at their time, within one task. A function must not block or raise."""

    def __init__(self, clock: Clock) -> None:
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._alarm = Alarm(clock, self._next_at, self._ring)

    def at(self, when: int, ring: Callable[[], None]) -> None:
        """Call ``ring`` once ``when``, in microseconds since the epoch, has come."""
        heapq.heappush(self._heap, (when, next(self._order), ring))
        self._alarm.look()

    async def run(self) -> None:
        """Ring what is due, until cancelled."""
        await self._alarm.run()

    def _next_at(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def _ring(self, now: int) -> None:
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
