"""One stream: what it has been told, what it still owes, and in which order it tells (W2 to W7).

Position first, then load, then drain: the stream is registered with the hub before its snapshot is read, so that no
step falls between. Of each call only the latest step is kept until it is told, together with the position of the
first one that was not: below the lowest of these the stream owes nothing, and that is what every token says. Without
it, keeping only the latest would lose changes across a reconnect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

from ringline_server.clock import Clock
from ringline_server.hub.alarms import Alarms
from ringline_server.hub.message import (
    Change,
    GoingAway,
    Heartbeat,
    Kind,
    Message,
    Notified,
    Reset,
    SnapshotComplete,
    Told,
    TooSlow,
)
from ringline_server.hub.snapshot import Beginning, Sight, read_page, read_resumed, read_snapshot
from ringline_server.hub.token import ResetReason, Tokens
from ringline_server.rules.call import Call
from ringline_server.store.port import Step, Store

MAX_PENDING = 1000
"""More calls than this waiting to be told are answered with a reset and a snapshot."""

MAX_NOTIFICATIONS = 1000
"""A stream that owes more is cut (N3)."""

MANY_MEMBERS = 50
"""UPDATED for a call with more members is told at most every ``UPDATE_INTERVAL`` (W6)."""

UPDATE_INTERVAL = 200_000

_NOTHING = ("", 0, False)
"""No call was offered last."""

Tell = Callable[[Told], Awaitable[None] | None]
"""Tells a message to the reader. Returns what has to be awaited before the next one; None if nothing has to."""


class Followed(Enum):
    """What became of a step that does not concern a stream's user."""

    NOTED = auto()
    """Nothing has to be done for now."""
    DUE = auto()
    """``drain`` is due."""
    THROUGH = auto()
    """The stream has nothing to tell of the call before a step concerns its user again."""


@dataclass(slots=True)
class _Pending:
    """A call of which something is still to be told."""

    first: int
    """Position of its first untold step."""
    latest: int
    """Position of its latest step."""
    call: Call
    known: bool
    """Whether it matched before the first untold step: then the reader has it."""
    matched: bool
    """Whether it matched at any untold step: then one that no longer does is told as REMOVED."""
    matches: bool
    held: bool = False
    """Whether an alarm is set for it (W6)."""


class Watch:
    """A stream's side in the hub, which hands it steps. ``run`` is its task, and ends when the stream does.

    As long as the reader has room, what is owed is told by ``drain``, on the spot. The task does what needs waiting:
    it reads the beginning, and waits for room.

    There may be tens of thousands of them: an idle one has as few objects as can be.
    """

    __slots__ = (
        *("_alarms", "_clock", "_dropped_at", "_floor", "_going_away", "_head", "_heartbeat", "_heartbeat_due"),
        *("_is_free", "_matched", "_notifications", "_paged_to", "_pending", "_resume_token", "_room", "_store"),
        *("_task", "_tell", "_told", "_tokens", "_updated_at", "_woken", "cut_by", "sending_since", "sight"),
    )

    def __init__(
        self,
        sight: Sight,
        *,
        store: Store,
        clock: Clock,
        alarms: Alarms,
        head: Callable[[], int],
        resume_token: str,
        heartbeat: int,
    ) -> None:
        self.sight = sight
        self.sending_since: int | None = None
        """Since when a message waits to be taken by the reader; None while none does."""
        self.cut_by: Exception | None = None
        """What ends the stream before the server goes away, once something does."""
        self._store = store
        self._clock = clock
        self._alarms = alarms
        self._head = head
        self._tokens = Tokens(store.epoch, sight.actor, sight.filter.digest())
        self._resume_token = resume_token
        self._heartbeat = heartbeat
        self._heartbeat_due = False
        self._floor = 0
        """Steps up to here are part of what was loaded."""
        self._pending: dict[str, _Pending] = {}
        """By uid, in the order of their first untold steps."""
        self._dropped_at: int | None = None
        """Position of the first step that was dropped because too many calls were pending."""
        self._notifications: list[Notified] = []
        self._updated_at: dict[str, int] = {}
        self._told: set[str] | None = None
        """During a snapshot of pages: what was told, by uid."""
        self._paged_to: int | None = None
        """The position at which the last page was read."""
        self._matched = _NOTHING
        """The call last offered, by uid and revision, and whether it matched: mostly it is the next step's before.

        Steps that were followed since leave it alone, for they cannot change whether it matches. A step that could, and
        is not looked at, resets it.
        """
        self._tell: Tell
        self._task: asyncio.Task[object] | None = None
        """The task in ``run``."""
        self._is_free = False
        """Whether the beginning is over and the reader has room; otherwise the task is at work, or about to be."""
        self._room: Awaitable[None] | None = None
        """What the task is to await until the reader has room."""
        self._going_away = False
        self._woken: asyncio.Future[None] | None = None
        """Over once the task has something to do; the last one that it waited for."""

    # From the hub.

    def offer(self, step: Step) -> bool:
        """Take note of a step that may concern this stream, and return whether ``drain`` is due.

        Steps come in the order of their first events' positions.
        """
        if step.position <= self._floor or self._dropped_at is not None:
            self._matched = _NOTHING
            return False
        call, before = step.call, step.before
        uid = call.uid
        last, revision, matched = self._matched
        is_next = before is not None and last == uid and revision == before.revision
        # In a call of hundreds, most steps change nothing for most of those who watch it.
        matches = matched if is_next and not self._is_touched(step) else self.sight.matches(call)
        self._matched = (uid, call.revision, matches)
        pending = self._pending.get(uid)
        if pending is not None:
            pending.latest, pending.call, pending.matches = step.position, call, matches
            pending.matched = pending.matched or matches
            # What is held back is told when its time has come, unless it may not be held any more.
            return not (pending.held and matches and len(call.members) > MANY_MEMBERS)
        known = before is not None and (matched if is_next else self.sight.matches(before))
        if not (matches or known):
            return False
        if len(self._pending) >= MAX_PENDING:
            self._dropped_at = min(one.first for one in self._pending.values())
            self._pending.clear()
        else:
            self._pending[uid] = _Pending(step.first, step.position, call, known, matches, matches)
        return True

    def follow(self, step: Step) -> Followed:
        """Take note, as ``offer`` does, of a step of a call of many that does not concern this stream's user."""
        call = step.call
        pending = self._pending.get(call.uid)
        if pending is not None:
            # It is told in turn, or when it is held back no more.
            pending.latest, pending.call = step.position, call
            return Followed.NOTED
        last, _, matched = self._matched
        if last == call.uid and not matched:
            # What did not match before does not match now, and is not known to the reader.
            return Followed.THROUGH
        return Followed.DUE if self.offer(step) else Followed.NOTED

    def _is_touched(self, step: Step) -> bool:
        """Whether the call may match otherwise than before the step: for a service, by its state alone."""
        user = self.sight.actor.user_id
        return not user or step.touched is None or user in step.touched

    def notify(self, step: Step) -> bool:
        """Take note of an ordinary notification, whatever the filter's states (N3); return as ``offer`` does."""
        types = self.sight.filter.types
        if step.notification is None or (types and step.call.type not in types) or not self.sight.may_read(step.call):
            return False
        if len(self._notifications) >= MAX_NOTIFICATIONS:
            self.cut(TooSlow())
            return False
        self._notifications.append(Notified(step.call, step.notification))
        return True

    def drain(self) -> None:
        """Tell what is owed as far as the reader has room; the rest once it has. What goes wrong ends the stream."""
        if self._is_free:
            try:
                self._tell_due()
            except Exception as error:  # noqa: BLE001 -- it is this stream's, and told by its task
                self.cut(error)

    def go_away(self) -> None:
        """End the stream in good order (W7)."""
        self._going_away = True
        self._wake()

    def cut(self, by: Exception) -> None:
        """End the stream with this error, whatever it waits for. The first of several counts."""
        if self.cut_by is None:
            self.cut_by = by
            self._is_free = False
            if self._task is not None:
                self._task.cancel()

    # The task.

    async def run(self, tell: Tell) -> None:
        """Tell until the server goes away; raise TooManyCalls, or what the stream was cut by."""
        self._tell = tell
        self._task = asyncio.current_task()
        try:
            if self.cut_by is not None:
                raise self.cut_by
            self._alarms.at(self._clock.now() + self._heartbeat, self._beat)
            await self._begin()
            while not self._going_away:
                # ``drain`` tells what comes, until there is something to wait for.
                await self._something_to_do()
                self._is_free = False
                if self._room is not None:
                    await self._wait(self._room)
                    self._room = None
                if self._dropped_at is not None and not self._going_away:
                    await self._start_again(ResetReason.TOO_MANY_CHANGES)
            await self._say(GoingAway(), self._token())
        except asyncio.CancelledError:
            if self.cut_by is None or self._task is None or self._task.uncancel() > 0:
                raise
            raise self.cut_by from None
        finally:
            self._is_free = False
            self._task = None

    def _something_to_do(self) -> asyncio.Future[None]:
        """Leave the stream to ``drain``, and return what is over once the task has something to do."""
        self._woken = woken = asyncio.get_running_loop().create_future()
        self._is_free = True
        self._tell_due()
        return woken

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _tell_due(self) -> None:
        for told in self._due():
            self._room = self._tell(told)
            if self._room is not None:
                self._is_free = False
                self._wake()
                return
        if self._dropped_at is not None:
            self._wake()

    async def _say(self, message: Message, token: str = "") -> None:
        room = self._tell(Told(message, token))
        if room is not None:
            await self._wait(room)

    async def _wait(self, room: Awaitable[None]) -> None:
        self.sending_since = self._clock.now()
        await room
        self.sending_since = None

    def _token(self) -> str:
        """Return the low-water mark: everything up to it has been told (W4)."""
        if self._dropped_at is not None:
            return self._tokens.encode(self._dropped_at - 1)
        for first in self._pending.values():
            return self._tokens.encode(first.first - 1)
        return self._tokens.encode(max(self._head(), self._floor))

    # The beginning.

    async def _begin(self) -> None:
        if self._resume_token:
            beginning = await self._store.read(
                lambda snapshot: read_resumed(snapshot, self.sight, self._tokens, self._resume_token)
            )
            if beginning.reset is None:
                await self._load(beginning)
                await self._say(SnapshotComplete(resumed=True), self._token())
                return
            await self._say(Reset(beginning.reset))
        await self._snapshot()

    async def _start_again(self, reason: ResetReason) -> None:
        await self._say(Reset(reason))
        self._pending.clear()
        self._updated_at.clear()
        self._dropped_at = None
        await self._snapshot()

    async def _snapshot(self) -> None:
        if self.sight.actor.is_service_itself:
            await self._pages()
        else:
            await self._load(await self._store.read(lambda snapshot: read_snapshot(snapshot, self.sight)))
        if self._dropped_at is None:
            await self._say(SnapshotComplete(resumed=False), self._token())

    async def _load(self, beginning: Beginning) -> None:
        """Tell what was read, after forgetting the steps that are part of it."""
        present = {change.call.uid for change in beginning.changes if change.kind is not Kind.REMOVED}
        self._set_floor(beginning.position, present)
        loaded = {change.call.uid: change.call for change in beginning.changes}
        self._notifications = [replace(one, call=loaded.get(one.call.uid, one.call)) for one in self._notifications]
        for change in beginning.changes:
            await self._say(change)

    async def _pages(self) -> None:
        """Tell a service's snapshot page by page; what changes meanwhile comes in between, as it is by then.

        A call that changes before its page is read is not on it any more: ``_told`` knows what the reader has, until
        every step that is older than the last page has been told.
        """
        before: int | None = None
        told = self._told = set[str]()
        self._paged_to = None
        while True:
            position, rows = await self._store.read(partial(read_page, sight=self.sight, before=before))
            if before is None:
                self._set_floor(position, set())
            if not rows:
                self._paged_to = position
                break
            before = rows[-1].position
            for placed in rows:
                if placed.call.uid not in told and self.sight.matches(placed.call):
                    told.add(placed.call.uid)
                    await self._say(Change(Kind.ADDED, placed.call))
            for due in self._due():
                await self._say(due.message)
        for due in self._due():
            await self._say(due.message)

    def _set_floor(self, position: int, present: set[str]) -> None:
        """Forget steps up to ``position``, where the matching calls were ``present``."""
        self._floor = position
        self._pending = {uid: one for uid, one in self._pending.items() if one.latest > position}
        for uid, one in self._pending.items():
            if one.first <= position:
                one.first, one.known = position + 1, uid in present

    # The changes.

    def _due(self) -> Iterator[Told]:
        """Take and yield what can be told now. Notifications first: no revision goes back on a stream."""
        if self._heartbeat_due:
            self._heartbeat_due = False
            self._alarms.at(self._clock.now() + self._heartbeat, self._beat)
            yield Told(Heartbeat(), self._token())
        yield from self._notified()
        for uid in list(self._pending):
            pending = self._pending.get(uid)
            if pending is None or self._held_back(uid, pending):
                continue
            del self._pending[uid]
            if (change := self._change(uid, pending)) is not None:
                yield Told(change, self._token())
            yield from self._notified()
        self._end_paging()

    def _notified(self) -> Iterator[Told]:
        while self._notifications:
            yield Told(self._notifications.pop(0), self._token())

    def _beat(self) -> None:
        self._heartbeat_due = True
        self.drain()

    def _end_paging(self) -> None:
        """Forget what was told once no step is left that is older than the last page."""
        if self._paged_to is not None and self._head() >= self._paged_to:
            first = next(iter(self._pending.values()), None)
            if first is None or first.first > self._paged_to:
                self._told = self._paged_to = None

    def _change(self, uid: str, pending: _Pending) -> Change | None:
        told = self._told
        if pending.matches:
            known = pending.known if told is None else uid in told
            if told is not None:
                told.add(uid)
            if known and len(pending.call.members) > MANY_MEMBERS:
                self._note_update(uid)
            return Change(Kind.UPDATED if known else Kind.ADDED, pending.call)
        self._updated_at.pop(uid, None)
        if told is not None:
            told.discard(uid)
        if pending.known or pending.matched:
            return self.sight.removed(pending.call)
        return None

    def _note_update(self, uid: str) -> None:
        now = self._clock.now()
        if len(self._updated_at) > MAX_PENDING:
            self._updated_at = {one: at for one, at in self._updated_at.items() if at + UPDATE_INTERVAL > now}
        self._updated_at[uid] = now

    def _held_back(self, uid: str, pending: _Pending) -> bool:
        """Whether an update of a call with many members has to wait (W6)."""
        if len(pending.call.members) <= MANY_MEMBERS or not pending.matches or not pending.known:
            return False
        due = self._updated_at.get(uid, 0) + UPDATE_INTERVAL
        if self._clock.now() >= due:
            return False
        if not pending.held:
            pending.held = True
            self._alarms.at(due, self.drain)
        return True
