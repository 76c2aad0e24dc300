"""Time in the engine: sends the clock's own commands when deadlines of calls (chapter T) and leases (T6) are over.

What the clock sends is a command like any other: whether the time really was up is decided, in order, with all else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.clock import Alarm, Clock
from ringline_server.engine.deadlines import Deadlines
from ringline_server.engine.decider import Decided, Lease
from ringline_server.engine.leases import Leases
from ringline_server.engine.port import CallTypes, Presence, Submission
from ringline_server.engine.stats import Stats
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Lose, Tick
from ringline_server.rules.context import CLOCK
from ringline_server.rules.settings import SECOND
from ringline_server.store.port import CallKey, Timer

RETRY_AFTER = SECOND
"""When a command of the clock's is sent again after the store has failed it."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Timekeeper:
    """Knows the next deadline of every call that has one. ``send`` must not block or raise."""

    def __init__(
        self,
        clock: Clock,
        presence: Presence,
        call_types: CallTypes,
        stats: Stats,
        send: Callable[[Submission], None],
    ) -> None:
        self._clock = clock
        self._stats = stats
        self._send = send
        self._timers: Deadlines[CallKey] = Deadlines()
        self._leases = Leases(presence, call_types)
        self._alarm = Alarm(clock, self._next_at, self._ring)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        await self._alarm.run()

    def arm(self, timers: Iterable[Timer]) -> list[Submission]:
        """Arm the deadlines that a server finds at its start; return the commands of those that are over."""
        now = self._clock.now()
        overdue = []
        for timer in timers:
            if timer.due > now:
                self._timers.arm(timer.call, timer.due)
            else:
                overdue.append(_tick(timer.call))
        return overdue

    def has_lease(self, call: Call) -> bool:
        """Whether participants of the call can be lost at all."""
        return self._leases.timeout(call) > 0

    def lease(self, calls: Iterable[Call]) -> None:
        """Give the participants that a server finds at its start their whole time."""
        now = self._clock.now()
        for call in calls:
            self._leases.follow(call, now)

    def presence_changed(self, user_id: str, device_id: str, *, online: bool) -> None:
        """Take note that a device's first stream has begun, or that its last one is over."""
        self._leases.presence_changed(user_id, device_id, self._clock.now(), online=online)
        self._alarm.look()

    def follow(self, decided: Decided) -> None:
        """Set the deadlines that follow from a batch that was committed."""
        now = self._clock.now()
        for key, due in decided.due.items():
            if due is None:
                self._timers.disarm(key)
            elif due > now or key not in decided.stuck:
                self._timers.arm(key, due)
        for key in decided.stuck:
            if key not in self._timers:
                self.park(key)
        for write in decided.writes:
            self._leases.follow(write.step.call, now)
        for lease in decided.joined:
            self._leases.renew(lease, now)
        self._alarm.look()

    def park(self, key: CallKey) -> None:
        """Give up a deadline that cannot be decided, lest it is tried for ever; a change of the call arms it again."""
        self._timers.disarm(key)
        self._stats.parked += 1
        _log.error("deadline_parked", cid=":".join(key))

    def is_void(self, submission: Submission) -> bool:
        """Whether a command of the clock's has lost its reason since it was sent: the device is back."""
        lease = _lease(submission)
        return lease is not None and not self._leases.lost(lease)

    def again(self, submissions: Iterable[Submission]) -> None:
        """Send the clock's commands among these again a little later, because the store has failed them."""
        at = self._clock.now() + RETRY_AFTER
        for submission in submissions:
            if isinstance(submission.command, Tick):
                self._timers.arm(submission.key, at)
            elif (lease := _lease(submission)) is not None:
                self._leases.retry(lease, at)
        self._alarm.look()

    def _next_at(self) -> int | None:
        timers, leases = self._timers.next_at(), self._leases.next_at()
        if timers is None or leases is None:
            return leases if timers is None else timers
        return min(timers, leases)

    def _ring(self, now: int) -> None:
        for key in self._timers.take(now):
            self._send(_tick(key))
        for key, user, device in self._leases.take(now):
            self._send(Submission(key, Lose(user, device), CLOCK))


def _tick(key: CallKey) -> Submission:
    return Submission(key, Tick(), CLOCK)


def _lease(submission: Submission) -> Lease | None:
    if not isinstance(submission.command, Lose):
        return None
    return submission.key, submission.command.user_id, submission.command.device_id
