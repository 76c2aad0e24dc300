"""A store that fails when a test says so, around a real one.

store = FaultyStore(SqliteStore(tmp_path / "ringline.db"))
store.arm(Fault.FAILS_AFTER_WORK)
hold = store.hold()
...
await hold.reached.wait()
hold.release.set()
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

from ringline_server.store.port import (
    CommitFailed,
    CommitUnknown,
    Snapshot,
    Store,
    StoreBroken,
    Transaction,
)

T = TypeVar("T")


class Fault(Enum):
    """How a ``transact`` fails. If its work raises, that passes instead."""

    FAILS_BEFORE_WORK = auto()
    """CommitFailed; the work has not run."""
    FAILS_AFTER_WORK = auto()
    """CommitFailed; the work has run and was rolled back."""
    UNKNOWN_COMMITTED = auto()
    """CommitUnknown; it was committed."""
    UNKNOWN_NOT_COMMITTED = auto()
    """CommitUnknown; it was rolled back."""
    BREAKS = auto()
    """StoreBroken, now and for good; the work has run and was rolled back."""


@dataclass(slots=True)
class Hold:
    """A ``transact`` that waits."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has begun to wait."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """To be set by the test, to let it go on."""

    async def wait(self) -> None:
        self.reached.set()
        await self.release.wait()


class _RolledBack(Exception):
    """Raised within a transaction to undo it."""


class FaultyStore:
    """Fills the port ``Store``. Faults and holds are used up in the order in which they were set, one a ``transact``.

    Faults and holds do not wait for each other: a ``transact`` may be held and then fail.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transacts = 0
        """How many have begun."""
        self.committed = 0
        """How many were committed, told so or not."""
        self.reads = 0
        """How many have begun."""
        self._faults: deque[Fault | None] = deque()
        self._before: deque[Hold] = deque()
        self._after: deque[Hold] = deque()
        self._reads: deque[Hold] = deque()
        self._broken = False

    def arm(self, fault: Fault, *, after: int = 0) -> None:
        """Let a ``transact`` fail: the next one that no fault is set for, or, with ``after``, as many later."""
        self._faults += [*[None] * after, fault]

    def hold(self) -> Hold:
        """Let a ``transact`` wait before its work runs."""
        hold = Hold()
        self._before.append(hold)
        return hold

    def hold_answer(self) -> Hold:
        """Let a ``transact`` wait after it was committed or has failed, before its caller is told."""
        hold = Hold()
        self._after.append(hold)
        return hold

    def hold_read(self) -> Hold:
        """Let a ``read`` wait before its work runs."""
        hold = Hold()
        self._reads.append(hold)
        return hold

    @property
    def epoch(self) -> str:
        return self.store.epoch

    async def open(self) -> None:
        await self.store.open()

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        self.transacts += 1
        fault = self._faults.popleft() if self._faults else None
        after = self._after.popleft() if self._after else None
        if self._before:
            await self._before.popleft().wait()
        try:
            return await self._transact(work, Fault.BREAKS if self._broken else fault)
        finally:
            if after is not None:
                await after.wait()

    async def read(self, work: Callable[[Snapshot], T]) -> T:
        self.reads += 1
        if self._reads:
            await self._reads.popleft().wait()
        return await self.store.read(work)

    async def close(self) -> None:
        await self.store.close()

    async def _transact(self, work: Callable[[Transaction], T], fault: Fault | None) -> T:
        match fault:
            case None:
                result = await self.store.transact(work)
                self.committed += 1
                return result
            case Fault.FAILS_BEFORE_WORK:
                raise CommitFailed("a test let it fail before its work")
            case Fault.FAILS_AFTER_WORK:
                await self._roll_back(work)
                raise CommitFailed("a test let it fail after its work")
            case Fault.UNKNOWN_COMMITTED:
                await self.store.transact(work)
                self.committed += 1
                raise CommitUnknown("a test let it be unknown; it was committed")
            case Fault.UNKNOWN_NOT_COMMITTED:
                await self._roll_back(work)
                raise CommitUnknown("a test let it be unknown; it was not committed")
            case Fault.BREAKS:
                self._broken = True
                await self._roll_back(work)
                raise StoreBroken("a test broke it")

    async def _roll_back(self, work: Callable[[Transaction], T]) -> None:
        """Run the work for nothing."""

        def undone(transaction: Transaction) -> None:
            work(transaction)
            raise _RolledBack

        try:
            await self.store.transact(undone)
        except _RolledBack:
            return
