"""The engine: commands in, group commits to the store, answers and steps out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.clock import Clock
from ringline_server.engine.cache import HotCalls
from ringline_server.engine.decider import Decided, Decider
from ringline_server.engine.journal import Journal
from ringline_server.engine.port import (
    Bus,
    CallTypes,
    CommandFailed,
    Draining,
    EngineError,
    NotCommitted,
    Outcome,
    OutcomeUnknown,
    Overloaded,
    Presence,
    Submission,
)
from ringline_server.engine.recovery import was_committed
from ringline_server.engine.stats import Stats
from ringline_server.engine.timekeeper import Timekeeper
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Cancel, Leave, Tick
from ringline_server.rules.outcome import Refusal
from ringline_server.store.port import CommitFailed, CommitUnknown, Snapshot, Store, StoreError, Transaction

_NEVER_REFUSED = (Leave, Cancel)

PATIENCE = 4
"""Turns of the event loop that a batch waits for another command: RPCs are on their way through several of them, and
commands that are there together share a commit. On an idle loop a turn takes two or three microseconds."""

MAX_TURNS = 16
"""Turns that a batch waits in all, however many commands come."""

_CHUNK = 500
"""How many calls are read at once when the engine starts."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Entry:
    submission: Submission
    future: asyncio.Future[Outcome] | None = None
    """Where its caller waits; the clock does not."""

    def succeed(self, outcome: Outcome) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


class Engine:
    """Decides commands, one batch after the other, and tells nothing that is not durable.

    ``new_uid`` is called on the store's thread. Once ``broken`` is set the engine takes no more commands and the
    process has to end: the log says why.
    """

    def __init__(  # noqa: PLR0913 -- its ports, and its two limits
        self,
        store: Store,
        bus: Bus,
        presence: Presence,
        clock: Clock,
        call_types: CallTypes,
        new_uid: Callable[[], str],
        *,
        max_batch: int = 256,
        max_queue: int = 10_000,
    ) -> None:
        self.stats = Stats()
        self.broken = asyncio.Event()
        self._store = store
        self._bus = bus
        self._clock = clock
        self._journal = Journal()
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._cache = HotCalls()
        self._decider = Decider(self._cache, presence, call_types, new_uid, clock.now)
        self._time = Timekeeper(clock, presence, call_types, self.stats, lambda command: self._put(_Entry(command)))
        self._queue: deque[_Entry] = deque()
        self._queued = asyncio.Event()
        self._taken: list[_Entry] = []
        self._open = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Decide what became due while nobody was there, arm the rest, and only then take commands (T4).

        Raises StoreError or EngineError if the store does not work; the engine then is of no use.
        """
        overdue = self._time.arm(await self._store.read(lambda snapshot: list(snapshot.timers())))
        for at in range(0, len(overdue), self._max_batch):
            await self._commit([_Entry(submission) for submission in overdue[at : at + self._max_batch]], starting=True)
        self._time.lease(await self._store.read(self._leased_calls))
        self._open = True
        self._tasks = [
            asyncio.create_task(self._guard(self._decide), name="engine"),
            asyncio.create_task(self._guard(self._time.run), name="engine clock"),
        ]

    async def submit(self, submission: Submission) -> Outcome:
        """Have a command decided; return once what it changed is durable.

        Raises the rules' Refusal, or an EngineError. If the caller is cancelled before the command is taken into a
        batch, the command is dropped; afterwards it is decided all the same.
        """
        if not self._open:
            raise Draining
        if len(self._queue) >= self._max_queue and not isinstance(submission.command, _NEVER_REFUSED):
            self.stats.overloaded += 1
            raise Overloaded
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._put(_Entry(submission, future))
        return await future

    def presence_changed(self, user_id: str, device_id: str, *, online: bool) -> None:
        """Take note that a device's first stream has begun or that its last one is over (T6)."""
        self._time.presence_changed(user_id, device_id, online=online)

    async def stop(self) -> None:
        """Take no more commands, finish those that wait, and stop."""
        self._open = False
        self._queued.set()
        if not self._tasks:
            return
        decide, clock = self._tasks
        clock.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clock
        await decide

    # The queue.

    def _put(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._queued.set()

    async def _decide(self) -> None:
        """Decide what is queued, until the engine is stopped and nothing is."""
        while self._open or self._queue:
            self._queued.clear()
            while self._queue:
                await self._more()
                self._taken = self._take()
                if self._taken:
                    await self._commit(self._taken)
            if self._open:
                await self._queued.wait()

    async def _more(self) -> None:
        """Let the event loop bring more commands, until it has turned ``PATIENCE`` times and brought none."""
        idle = 0
        for _ in range(MAX_TURNS):
            waiting = len(self._queue)
            await asyncio.sleep(0)
            idle = 0 if len(self._queue) > waiting else idle + 1
            if idle == PATIENCE or len(self._queue) >= self._max_batch:
                break

    def _take(self) -> list[_Entry]:
        """Take the next batch, without what nobody waits for any more."""
        taken: list[_Entry] = []
        while self._queue and len(taken) < self._max_batch:
            entry = self._queue.popleft()
            if entry.future is not None and entry.future.done():
                self.stats.abandoned += 1
            elif not self._time.is_void(entry.submission):
                taken.append(entry)
        return taken

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do one half of the engine's work; if it cannot go on, nobody must wait for it."""
        try:
            await work()
        except Exception:  # noqa: BLE001 -- whatever it is, it is the end, and the log has it
            _log.exception("engine_broken")
            self._open = False
            for entry in self._taken:
                entry.fail(OutcomeUnknown())
            for entry in self._queue:
                entry.fail(Draining())
            self._queue.clear()
            self._queued.set()
            self.broken.set()

    # One batch.

    async def _commit(self, entries: Sequence[_Entry], *, starting: bool = False) -> None:
        """Decide and commit a batch, answer its callers, and tell what it did.

        Raises StoreBroken; when ``starting``, also NotCommitted or OutcomeUnknown, which else are its callers'.
        """
        submissions = [entry.submission for entry in entries]
        decided: Decided | None = None

        def work(transaction: Transaction) -> Decided:
            nonlocal decided
            decided = None
            decided = self._decider.decide(transaction, submissions)
            return decided

        self.stats.batches += 1
        self.stats.commands += len(entries)
        failure: EngineError
        try:
            done = await self._store.transact(work)
        except CommitFailed as error:
            failure = NotCommitted(str(error))
            self._fail(entries, failure)
        except CommitUnknown as error:
            failure = OutcomeUnknown(str(error))
            self._fail(entries, failure)
            if decided is not None and await was_committed(self._store, self._clock, decided):
                self._tell(decided)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- one of the commands is at fault, and must not fail the others
            await self._commit_singly(entries, error, starting=starting)
            return
        else:
            self._cache.update(done.calls)
            self._answer(entries, done)
            self._tell(done)
            return
        if starting:
            raise failure

    async def _commit_singly(self, entries: Sequence[_Entry], error: Exception, *, starting: bool) -> None:
        """Find which command of a batch the store cannot take, so that it fails alone."""
        if len(entries) > 1:
            for entry in entries:
                await self._commit([entry], starting=starting)
            return
        entry = entries[0]
        self._raised(entry, error)
        if isinstance(entry.submission.command, Tick):
            self._time.park(entry.submission.key)
        entry.fail(CommandFailed())

    def _answer(self, entries: Sequence[_Entry], decided: Decided) -> None:
        for entry, result in zip(entries, decided.results, strict=True):
            if isinstance(result, Outcome):
                entry.succeed(result)
                continue
            if isinstance(result, Refusal):
                self.stats.refused += 1
            elif isinstance(result, CommandFailed):
                self._raised(entry, result.__cause__)
            entry.fail(result)

    def _tell(self, decided: Decided) -> None:
        """Tell what is durable, and set the deadlines that follow from it."""
        if decided.writes:
            self._bus.publish([write.step for write in decided.writes])
        self._time.follow(decided)
        for write, source in zip(decided.writes, decided.sources, strict=True):
            self._journal.changed(write.step, source)

    def _fail(self, entries: Sequence[_Entry], error: EngineError) -> None:
        """Fail a batch as a whole. The cache goes with it; what the clock has sent, it sends again."""
        self._cache.clear()
        self.stats.failed += len(entries)
        _log.error("batch_failed", error=type(error).__name__, detail=str(error), commands=len(entries))
        for entry in entries:
            entry.fail(type(error)())
        self._time.again(entry.submission for entry in entries)

    def _raised(self, entry: _Entry, error: BaseException | None) -> None:
        self.stats.raised += 1
        self._journal.raised(entry.submission, error)

    def _leased_calls(self, snapshot: Snapshot) -> list[Call]:
        """Return the calls in which somebody is who can be lost."""
        keys = list(snapshot.participant_calls())
        chunks = (keys[at : at + _CHUNK] for at in range(0, len(keys), _CHUNK))
        return [
            placed.call for chunk in chunks for placed in snapshot.calls(chunk) if self._time.has_lease(placed.call)
        ]
