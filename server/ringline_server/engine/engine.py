"""The engine: commands in, group commits to the store, answers and steps out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.clock import Clock
from ringline_server.engine.alarm import Alarm
from ringline_server.engine.cache import HotCalls
from ringline_server.engine.deadlines import Deadlines
from ringline_server.engine.decider import Decided, Decider, Lease
from ringline_server.engine.journal import log_change
from ringline_server.engine.leases import Leases
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
from ringline_server.engine.stats import Stats
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Cancel, Leave, Lose, Tick
from ringline_server.rules.context import CLOCK
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.settings import SECOND
from ringline_server.store.port import (
    CallKey,
    CommitFailed,
    CommitUnknown,
    Snapshot,
    Store,
    StoreBroken,
    StoreError,
    Timer,
    Transaction,
)

RETRY_AFTER = SECOND
"""When the clock's own commands are tried again after the store has failed them."""

_NEVER_REFUSED = (Tick, Lose, Leave, Cancel)

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Entry:
    submission: Submission
    future: asyncio.Future[Outcome] | None = None
    """Where its caller waits; the clock does not."""

    def fail(self, error: Exception) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


class Engine:
    """Decides commands, one batch after the other, and tells nothing that is not durable.

    ``new_uid`` is called on the store's thread. Once ``broken`` is set the engine takes no more commands and the
    process has to end.
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
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._cache = HotCalls()
        self._decider = Decider(self._cache, presence, call_types, new_uid, clock.now)
        self._timers: Deadlines[CallKey] = Deadlines()
        self._leases = Leases(presence, call_types)
        self._alarm = Alarm(clock, self._next_at, self._ring)
        self._queue: deque[_Entry] = deque()
        self._queued = asyncio.Event()
        self._taken: list[_Entry] = []
        self._published = 0
        """The position of the last event that was told."""
        self._open = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Decide what became due while nobody was there, arm the rest, and only then take commands (T4).

        Raises StoreError or EngineError if the store does not work; the engine then cannot be used.
        """
        self._published, timers = await self._store.read(_head_and_timers)
        now = self._clock.now()
        overdue = [timer.call for timer in timers if timer.due <= now]
        for timer in timers:
            if timer.due > now:
                self._timers.arm(timer.call, timer.due)
        for at in range(0, len(overdue), self._max_batch):
            ticks = [_Entry(Submission(key, Tick(), CLOCK)) for key in overdue[at : at + self._max_batch]]
            if (error := await self._commit(ticks)) is not None:
                raise error
        for call in await self._store.read(self._calls_to_lease):
            self._leases.follow(call, self._clock.now())
        self._tasks = [
            asyncio.create_task(self._run(), name="engine"),
            asyncio.create_task(self._alarm.run(), name="engine alarm"),
        ]
        self._open = True

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

    async def stop(self) -> None:
        """Take no more commands, finish those that wait, and stop."""
        self._open = False
        self._stopping = True
        self._queued.set()
        if not self._tasks:
            return
        run, alarm = self._tasks
        alarm.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await alarm
        await run

    def presence_changed(self, user_id: str, device_id: str, *, online: bool) -> None:
        """Take note that a device's first stream has begun or that its last one is over (T6)."""
        self._leases.presence_changed(user_id, device_id, self._clock.now(), online=online)
        self._alarm.look()

    # The queue.

    def _put(self, entry: _Entry) -> None:
        self._queue.append(entry)
        self._queued.set()

    def _take(self) -> list[_Entry]:
        """Take the next batch, without what nobody waits for any more."""
        taken: list[_Entry] = []
        while self._queue and len(taken) < self._max_batch:
            entry = self._queue.popleft()
            command = entry.submission.command
            if entry.future is not None and entry.future.done():
                self.stats.abandoned += 1
            elif not isinstance(command, Lose) or self._leases.lost(_lease(entry.submission.key, command)):
                taken.append(entry)
        return taken

    async def _run(self) -> None:
        try:
            while not self.broken.is_set():
                self._queued.clear()
                while self._queue and not self.broken.is_set():
                    self._taken = self._take()
                    if self._taken:
                        await self._commit(self._taken)
                if self._stopping:
                    break
                await self._queued.wait()
        except Exception as error:  # noqa: BLE001 -- the last line: nobody must wait for an engine that is gone
            self._break(error)
        finally:
            for entry in self._queue:
                entry.fail(Draining())
            self._queue.clear()

    # One batch.

    async def _commit(self, entries: list[_Entry]) -> EngineError | None:
        """Decide and commit a batch, then tell what it did. Return why it failed as a whole, if it did."""
        submissions = [entry.submission for entry in entries]
        decided: Decided | None = None

        def work(transaction: Transaction) -> Decided:
            nonlocal decided
            decided = None
            decided = self._decider.decide(transaction, submissions)
            return decided

        try:
            done = await self._store.transact(work)
        except CommitFailed as error:
            _log.error("commit_failed", commands=len(entries), error=str(error))  # noqa: TRY400 -- it is the store's
            return self._fail(entries, NotCommitted())
        except CommitUnknown as error:
            _log.error("commit_unknown", commands=len(entries), error=str(error))  # noqa: TRY400 -- it is the store's
            failure = self._fail(entries, OutcomeUnknown())
            await self._learn(decided)
            return failure
        except StoreBroken as error:
            self._break(error)
            return OutcomeUnknown()
        except Exception as error:
            return await self._commit_singly(entries, error)
        self._answer(entries, done)
        self._tell(done)
        return None

    async def _commit_singly(self, entries: list[_Entry], error: Exception) -> EngineError | None:
        """Find which command of a batch the store could not take, so that it fails alone."""
        self._cache.clear()
        if len(entries) > 1:
            for entry in entries:
                await self._commit([entry])
            return None
        entry = entries[0]
        _log.error("command_raised", **_named(entry.submission), exc_info=error)
        self.stats.raised += 1
        if isinstance(entry.submission.command, Tick):
            self._park(entry.submission.key)
        entry.fail(CommandFailed())
        return None

    def _answer(self, entries: list[_Entry], decided: Decided) -> None:
        self._cache.update(decided.calls)
        self.stats.batches += 1
        self.stats.commands += len(entries)
        for entry, result in zip(entries, decided.results, strict=True):
            if isinstance(result, Outcome):
                if entry.future is not None and not entry.future.done():
                    entry.future.set_result(result)
                continue
            if isinstance(result, CommandFailed):
                self.stats.raised += 1
                _log.error("command_raised", **_named(entry.submission), exc_info=result.__cause__)
            elif isinstance(result, Refusal):
                self.stats.refused += 1
            entry.fail(result)

    def _tell(self, decided: Decided) -> None:
        """Tell what is durable, and set the deadlines that follow from it."""
        steps = [write.step for write in decided.writes]
        if steps:
            self._published = steps[-1].position
            self._bus.publish(steps)
        now = self._clock.now()
        for key, due in decided.due.items():
            if due is None:
                self._timers.disarm(key)
            elif due > now or key not in decided.stuck:
                self._timers.arm(key, due)
        for key in decided.stuck:
            if key not in self._timers:
                self._park(key)
        for step in steps:
            self._leases.follow(step.call, now)
        for lease in decided.joined:
            self._leases.renew(lease, now)
        self._alarm.look()
        for step, source in zip(steps, decided.sources, strict=True):
            log_change(_log, step, source)

    def _fail(self, entries: Iterable[_Entry], error: EngineError) -> EngineError:
        """Fail a batch of which nothing is known to be durable; what the clock wanted, it will want again."""
        self._cache.clear()
        again = self._clock.now() + RETRY_AFTER
        for entry in entries:
            self.stats.failed += 1
            entry.fail(type(error)())
            key, command = entry.submission.key, entry.submission.command
            if isinstance(command, Tick) and key not in self._timers:
                self._timers.arm(key, again)
            elif isinstance(command, Lose):
                self._leases.retry(_lease(key, command), again)
        self._alarm.look()
        return error

    async def _learn(self, decided: Decided | None) -> None:
        """Read in the log whether a batch was committed, and if so tell it. No batch runs before that is known."""
        if decided is None or not decided.writes:
            return
        last = decided.writes[-1].step
        after = last.position - 1

        def read(snapshot: Snapshot) -> bool:
            return any(
                position == last.position and (event.uid, event.seq) == (last.call.uid, last.call.seq)
                for position, event in snapshot.events(after, 1)
            )

        while True:
            try:
                committed = await self._store.read(read)
                break
            except StoreBroken as error:
                return self._break(error)
            except StoreError as error:
                _log.error("log_unreadable", error=str(error))  # noqa: TRY400 -- it is the store's
                await self._clock.sleep(RETRY_AFTER / SECOND)
        if committed:
            self._tell(decided)
        return None
