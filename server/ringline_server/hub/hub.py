"""Who watches what: hands every step to the streams that it may concern, and knows who is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import structlog

from ringline_server.clock import Clock
from ringline_server.groups import Groups
from ringline_server.hub.alarms import Alarms
from ringline_server.hub.filter import Filter
from ringline_server.hub.message import Leaving, Replaced, TooManyWatches, TooSlow
from ringline_server.hub.run import runs_of
from ringline_server.hub.snapshot import Sight
from ringline_server.hub.watch import Followed, Watch
from ringline_server.rules.call import Call
from ringline_server.rules.context import Actor, CallType
from ringline_server.store.port import Step, Store

MAX_STALL = 30_000_000
"""A stream whose reader takes no message for this long is cut (W6)."""

MAX_USER_WATCHES = 16
"""How many streams a user may have (P5)."""

MAX_DEVICE_WATCHES = 2
"""How many of them on one named device. One more replaces the oldest: a dead one never bars a reconnect (P5)."""

_SWEEP = 1_000_000

_SLICE = 500
"""How many streams tell what they owe before the event loop goes on with something else."""

# Looking up an enumeration's member takes longer than comparing it, so it is done once.
_DUE = Followed.DUE
_THROUGH = Followed.THROUGH

_log = structlog.get_logger(__name__)


class PresenceListener(Protocol):
    """Told when a device's first stream has begun, and when its last one has ended."""

    def __call__(self, user_id: str, device_id: str, *, online: bool) -> None:
        """Take note of it; must not block or raise."""


class Hub:
    """All streams of this process. Fills the engine's ports ``Bus`` and ``Presence``.

    Everything here runs on the event loop, except that ``online`` is read by the thread that decides.
    """

    def __init__(self, store: Store, clock: Clock, call_types: Mapping[str, CallType]) -> None:
        self.on_presence: PresenceListener | None = None
        self.online: dict[str, int] = {}
        self._store = store
        self._clock = clock
        self._position = 0
        self._alarms = Alarms(clock)
        self._sight = partial(Sight, call_type=call_types.__getitem__)
        self._new_watch = partial(Watch, store=store, clock=clock, alarms=self._alarms, head=lambda: self._position)
        self._alarms_task: asyncio.Task[None] | None = None
        self._watches: dict[Watch, None] = {}
        self._by_user: Groups[str, Watch] = Groups()
        self._by_cid: defaultdict[str, dict[Watch, None]] = defaultdict(dict)
        self._services: dict[Watch, None] = {}
        self._crowds: dict[str, dict[Watch, None]] = {}
        """The audiences of large calls, by uid: see ``_crowd``."""
        self._going_away = False

    async def start(self) -> None:
        """Begin at the store's present position. To be called before the engine starts."""
        self._position = await self._store.read(lambda snapshot: snapshot.head())
        self._alarms_task = asyncio.create_task(self._alarms.run(), name="hub alarms")
        self._sweep()

    def going_away(self) -> None:
        """Tell every stream that the server stops, and end it; take no new ones (W7)."""
        self._going_away = True
        for watch in list(self._watches):
            watch.go_away()

    async def stop(self) -> None:
        """Stop the alarms. Streams have to be over by now."""
        if self._alarms_task is not None:
            self._alarms_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._alarms_task

    # From the engine.

    def publish(self, steps: Sequence[Step]) -> None:
        """Hand steps to the streams of everybody whom they concern, which tell them as soon as they can (W2, N3)."""
        owing: dict[Watch, None] = {}
        runs = runs_of(steps)
        concerned: dict[str, dict[Watch, None]] = {}
        for step in steps:
            run = runs.get(step.call.uid)
            if run is None:
                self._crowds.pop(step.call.uid, None)
                self._offer(step, self._audience(step), owing)
            else:
                uid = step.call.uid
                if step is run.first:
                    concerned[uid] = dict.fromkeys(self._streams_of(run.users))
                self._offer(step, concerned[uid], owing)
                if step is run.first:
                    self._follow(run.whole, concerned[uid], owing)
            if step.notification is not None:
                owing.update(dict.fromkeys(self._notified(step)))
            self._position = max(self._position, step.position)
        if owing:
            # Not at once: the answers to the commands behind the steps go first.
            self._tell_soon(list(owing))

    def _offer(self, step: Step, audience: Iterable[Watch], owing: dict[Watch, None]) -> None:
        for watch in audience:
            try:
                if watch.offer(step):
                    owing[watch] = None
            except Exception as error:  # noqa: BLE001 -- it is this stream's, and no other's
                watch.cut(error)

    def _follow(self, step: Step, concerned: dict[Watch, None], owing: dict[Watch, None]) -> None:
        """Let all but those concerned take note of a run's steps as one.

        Those who are through leave the crowd, and those concerned enter it.
        """
        crowd = self._crowd(step)
        through = []
        for watch in crowd:
            if watch in concerned:
                continue
            try:
                followed = watch.follow(step)
            except Exception as error:  # noqa: BLE001 -- see _offer
                watch.cut(error)
                continue
            if followed is _DUE:
                owing[watch] = None
            elif followed is _THROUGH:
                through.append(watch)
        for watch in through:
            del crowd[watch]
        crowd.update(concerned)

    def is_online(self, user_id: str, device_id: str) -> bool:
        """Whether the user's device holds a stream (T6)."""
        return device_id in self._devices(user_id)

    # From the API.

    def watch(self, actor: Actor, filter_: Filter, *, resume_token: str, heartbeat: int) -> Watch:
        """Register a stream and return it. From now on it misses no step; ``forget`` it when it is over.

        ``heartbeat`` is in microseconds. Raises TooManyWatches or Leaving.
        """
        if self._going_away:
            raise Leaving
        replaced = self._to_replace(actor)
        watch = self._new_watch(self._sight(actor, filter_), resume_token=resume_token, heartbeat=heartbeat)
        self._watches[watch] = None
        self._crowds.clear()
        if actor.is_service_itself:
            self._services[watch] = None
        elif filter_.cids:
            for cid in filter_.cids:
                self._by_cid[cid][watch] = None
        if actor.user_id:
            self._arrive(watch, actor.user_id, actor.device_id)
        if replaced is not None:
            replaced.cut(Replaced())
            self.forget(replaced)
        return watch

    def forget(self, watch: Watch) -> None:
        """Take a stream that is over out of every index."""
        if watch not in self._watches:
            return
        del self._watches[watch]
        self._crowds.clear()
        actor = watch.sight.actor
        self._services.pop(watch, None)
        for cid in watch.sight.filter.cids:
            self._discard_named(cid, watch)
        if actor.user_id:
            self._depart(watch, actor.user_id, actor.device_id)

    def __len__(self) -> int:
        """How many streams there are."""
        return len(self._watches)

    def _discard_named(self, cid: str, watch: Watch) -> None:
        watches = self._by_cid.get(cid)
        if watches is not None:
            watches.pop(watch, None)
            if not watches:
                del self._by_cid[cid]

    def _audience(self, step: Step) -> list[Watch]:
        """Return the streams that may have to tell the step, each once: of services, of its users, of its cid."""
        users = _users(step)
        audience = self._streams_of(users)
        for watch in self._by_cid.get(step.call.cid, ()):
            if watch.sight.actor.user_id not in users:
                audience.append(watch)
        return audience

    def _crowd(self, step: Step) -> dict[Watch, None]:
        """Return the audience of a large call, which is put together only once as long as nobody new has come to it.

        It is forgotten when a stream comes or goes, at each sweep, and at steps outside runs. Those whom a run concerns
        have to be added. A stream that has nothing to tell until a step concerns its user leaves once it has said so.
        """
        crowd = self._crowds.get(step.call.uid)
        if crowd is None:
            crowd = self._crowds[step.call.uid] = dict.fromkeys(self._audience(step))
        return crowd

    def _streams_of(self, users: Iterable[str]) -> list[Watch]:
        """Return the streams of services and of these users."""
        return [*self._services, *self._by_user.of_all(users)]

    def _tell_soon(self, owing: list[Watch]) -> None:
        asyncio.get_running_loop().call_soon(self._tell, owing)

    def _tell(self, owing: list[Watch]) -> None:
        """Let streams tell what they owe, so many at a time that nobody else waits long."""
        for watch in owing[:_SLICE]:
            watch.drain()
        if len(owing) > _SLICE:
            self._tell_soon(owing[_SLICE:])

    def _notified(self, step: Step) -> list[Watch]:
        """Note the step's notification on the streams of all members but its sender, and return those."""
        sender = step.notification.actor_user_id if step.notification else ""
        users = [user for user in step.call.members if user != sender]
        return [watch for user in users for watch in self._by_user.of(user) if watch.notify(step)]

    def _to_replace(self, actor: Actor) -> Watch | None:
        """Return the stream in whose place the actor's next one comes, if any; raise TooManyWatches (P5)."""
        if actor.service_id:
            return None
        users = [watch for watch in self._by_user.of(actor.user_id) if not watch.sight.actor.service_id]
        devices = [watch for watch in users if actor.device_id and watch.sight.actor.device_id == actor.device_id]
        is_full = len(users) >= MAX_USER_WATCHES
        if is_full and not devices:
            raise TooManyWatches
        return devices[0] if is_full or len(devices) >= MAX_DEVICE_WATCHES else None

    # Presence.

    def _devices(self, user: str) -> set[str]:
        return {watch.sight.actor.device_id for watch in self._by_user.of(user)}

    def _arrive(self, watch: Watch, user: str, device: str) -> None:
        devices = self._devices(user)
        self._by_user.add(user, watch)
        self.online[user] = len(devices | {device})
        if device not in devices and self.on_presence is not None:
            self.on_presence(user, device, online=True)

    def _depart(self, watch: Watch, user: str, device: str) -> None:
        self._by_user.discard(user, watch)
        devices = self._devices(user)
        if devices:
            self.online[user] = len(devices)
        else:
            del self.online[user]
        if device not in devices and self.on_presence is not None:
            self.on_presence(user, device, online=False)

    # Slow readers.

    def _sweep(self) -> None:
        """Cut the streams that have been waiting for their reader for too long (W6)."""
        now = self._clock.now()
        # Calls that are over are never asked for again.
        self._crowds.clear()
        for watch in list(self._watches):
            since = watch.sending_since
            if since is not None and now - since >= MAX_STALL and watch.cut_by is None:
                _log.warning("watch_cut", user=watch.sight.actor.user_id, device=watch.sight.actor.device_id)
                watch.cut(TooSlow())
        self._alarms.at(now + _SWEEP, self._sweep)


def _users(step: Step) -> set[str]:
    users = step.call.known_users()
    before: Call | None = step.before
    if before is not None and (before.members is not step.call.members or before.session != step.call.session):
        users |= before.known_users()
    return users
