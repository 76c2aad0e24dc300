"""A store, an engine and a hub without a wire, and readers of streams that read one message at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from ringline_server.engine.engine import Engine
from ringline_server.engine.port import Outcome, Submission
from ringline_server.hub.filter import Filter
from ringline_server.hub.hub import Hub
from ringline_server.hub.message import Change, Told
from ringline_server.hub.watch import Watch
from ringline_server.rules.commands import Command, GetOrCreate, MemberInput
from ringline_server.rules.context import Actor
from ringline_server.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.faults import FaultyStore
from tests.rules.world import BUILT_IN


class Reader:
    """The reading end of one stream, with room for one message."""

    def __init__(self, hub: Hub, watch: Watch) -> None:
        self.watch = watch
        self._hub = hub
        self._stream: asyncio.Task[None] | None = None
        self._told: deque[Told] = deque()
        self._news = asyncio.Event()
        self._room: asyncio.Future[None] | None = None

    def _tell(self, told: Told) -> asyncio.Future[None]:
        self._told.append(told)
        self._news.set()
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    async def next(self) -> Told:
        """Return the next message, which has to come."""
        self.begin()
        async with asyncio.timeout(10):
            await self._news.wait()
        if self._told:
            return self._told.popleft()
        await self.end()
        raise StopAsyncIteration

    async def end(self) -> None:
        """Return once the stream is over, which has to come without reading on; raise what ended it."""
        assert self._stream is not None
        async with asyncio.timeout(10):
            await self._stream

    async def change(self) -> Change:
        """Return the next message, which has to be a change."""
        message = (await self.next()).message
        assert isinstance(message, Change), message
        return message

    def begin(self) -> None:
        """Begin to read, without waiting for a message."""
        if self._told:
            return
        self._news.clear()
        if self._stream is None:
            self._stream = asyncio.ensure_future(self.watch.run(self._tell))
            self._stream.add_done_callback(lambda _: self._news.set())
        elif self._stream.done():
            self._news.set()
        elif self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def quiet(self) -> bool:
        """Whether there is nothing to read now."""
        self.begin()
        for _ in range(50):
            await asyncio.sleep(0)
        return not self._news.is_set()

    async def close(self) -> None:
        """Go away, as a client does."""
        self._hub.forget(self.watch)
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.wait([self._stream])


class Desk:
    """Everything between the API and the disk."""

    def __init__(self, store: FaultyStore, clock: FakeClock, hub: Hub, engine: Engine) -> None:
        self.store = store
        self.clock = clock
        self.hub = hub
        self.engine = engine
        self.readers: list[Reader] = []

    async def do(self, user: str, command: Command, id_: str = "a", *, device: str = "") -> Outcome:
        """Have a user's command decided."""
        return await self.engine.submit(Submission(("default", id_), command, Actor(user, device_id=device)))

    async def ring(self, id_: str = "a", ringer: str = "ann", *callees: str) -> Outcome:
        """Create a call that rings, or ring one that exists."""
        users = (ringer, *(callees or ("bob",)))
        return await self.do(ringer, GetOrCreate(tuple(MemberInput(user) for user in users), ring=True), id_)

    def watch(self, actor: str | Actor, filter_: Filter | None = None, *, token: str = "") -> Reader:
        """Open a stream."""
        actor = Actor(actor) if isinstance(actor, str) else actor
        watch = self.hub.watch(actor, filter_ or Filter.of(), resume_token=token, heartbeat=15_000_000)
        self.readers.append(Reader(self.hub, watch))
        return self.readers[-1]


@asynccontextmanager
async def open_desk(folder: Path) -> AsyncIterator[Desk]:
    """Run a desk on the database in a folder."""
    clock, numbers = FakeClock(), count()
    store = FaultyStore(SqliteStore(folder / "ringline.db"))
    await store.open()
    hub = Hub(store, clock, BUILT_IN)
    await hub.start()
    engine = Engine(store, hub, hub, clock, BUILT_IN, lambda: f"uid-{next(numbers)}")
    await engine.start()
    desk = Desk(store, clock, hub, engine)
    try:
        yield desk
    finally:
        for reader in desk.readers:
            await reader.close()
        await engine.stop()
        await hub.stop()
        await store.close()
