"""Many deadlines, one a key, of which the next is known."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from ringline_server.rules.settings import SECOND

HORIZON = 600 * SECOND
"""How far ahead deadlines are kept in order."""

K = TypeVar("K", bound=tuple[object, ...])


class Deadlines(Generic[K]):
    """What is due when, in microseconds since the epoch; a key has one deadline at most.

    Only what is due before the horizon is in the heap. Most calls end long before their ``max_duration``, and a heap
    forgets nothing that is in its middle: with every deadline in it, each call would stay there for a day.
    """

    def __init__(self) -> None:
        self._due: dict[K, int] = {}
        self._near: list[tuple[int, K]] = []
        """What of it is due before the horizon, and some that no longer holds."""
        self._horizon = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def arm(self, key: K, due: int) -> None:
        """Set the deadline of ``key``, in place of the one that it has."""
        if self._due.get(key) == due:
            return
        self._due[key] = due
        if due < self._horizon:
            heapq.heappush(self._near, (due, key))

    def disarm(self, key: K) -> None:
        """Drop the deadline of ``key``, if it has one."""
        self._due.pop(key, None)

    def take(self, now: int) -> list[K]:
        """Remove and return what is due, earliest first."""
        if now >= self._horizon - HORIZON // 2:
            self._sweep(now)
        taken = []
        while self._near and self._near[0][0] <= now:
            due, key = heapq.heappop(self._near)
            if self._due.get(key) == due:
                del self._due[key]
                taken.append(key)
        return taken

    def next_at(self) -> int | None:
        """Return when ``take`` has to be called next; None if there is nothing to wait for."""
        while self._near and self._due.get(self._near[0][1]) != self._near[0][0]:
            heapq.heappop(self._near)
        if not self._due:
            return None
        sweep = self._horizon - HORIZON // 2
        return min(self._near[0][0], sweep) if self._near else sweep

    def _sweep(self, now: int) -> None:
        """Move the horizon, and make the heap anew of what holds."""
        self._horizon = now + HORIZON
        self._near = [(due, key) for key, due in self._due.items() if due < self._horizon]
        heapq.heapify(self._near)
