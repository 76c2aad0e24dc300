"""An engine on a real file, with a bus that remembers, people who come and go, and a clock that the test moves.

async with staged(tmp_path) as stage:
    made = await stage.submit(ann(create(ring=True)))
    await stage.clock.advance(30)
    await stage.told(2)
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ringline_server.engine.engine import Engine
from ringline_server.engine.port import Outcome, RequestId, Submission
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, Get, GetOrCreate, MemberInput
from ringline_server.rules.context import Actor, CallType
from ringline_server.rules.settings import NO_OVERRIDE, SECOND, Settings, SettingsOverride
from ringline_server.store.port import CallKey, Remembered, Step, Timer, Transaction
from ringline_server.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.faults import FaultyStore
from tests.rules.world import BUILT_IN

STANDUP: CallKey = ("default", "standup")

CALL_TYPES = {
    **BUILT_IN,
    "watched": CallType(
        "watched", Settings(participant_timeout=20 * SECOND, drop_when_alone=False), BUILT_IN["default"].grants
    ),
}


class Bus:
    """Fills the engine's port ``Bus``: keeps what was told."""

    def __init__(self) -> None:
        self.turns: list[list[Step]] = []
        self._told = asyncio.Event()

    def publish(self, steps: Sequence[Step]) -> None:
        self.turns.append(list(steps))
        self._told.set()

    @property
    def steps(self) -> list[Step]:
        return [step for turn in self.turns for step in turn]

    @property
    def causes(self) -> list[str]:
        return [str(step.call.cause.type) for step in self.steps]

    async def told(self, steps: int) -> None:
        """Wait until so many steps were told."""
        while len(self.steps) < steps:
            self._told.clear()
            await self._told.wait()


class People:
    """Fills the engine's port ``Presence``."""

    def __init__(self) -> None:
        self.online: Counter[str] = Counter()
        self.devices: set[tuple[str, str]] = set()

    def is_online(self, user_id: str, device_id: str) -> bool:
        return (user_id, device_id) in self.devices


class Stage:
    """One engine after the other on the same file."""

    def __init__(self, path: Path, clock: FakeClock, **limits: int) -> None:
        self.path = path
        self.clock = clock
        self.people = People()
        self._limits = limits
        self._uids = itertools.count(1)
        self._make()

    def _make(self) -> None:
        self.bus = Bus()
        self.store = FaultyStore(SqliteStore(self.path))
        self.engine = Engine(
            self.store,
            self.bus,
            self.people,
            self.clock,
            CALL_TYPES,
            lambda: f"uid-{next(self._uids)}",
            **self._limits,
        )

    async def restart(self, *, after: float = 0) -> None:
        """Start another engine, after the old one has been away for so many seconds."""
        await self.stop()
        await self.clock.advance(after)
        self._make()
        await self.store.open()
        await self.engine.start()

    async def stop(self) -> None:
        await self.engine.stop()
        await self.store.close()

    async def submit(self, submission: Submission) -> Outcome:
        return await self.engine.submit(submission)

    async def together(self, *submissions: Submission) -> list[Any]:
        """Submit all in one turn of the loop; return each one's outcome or what it raised."""
        return await asyncio.gather(*map(self.engine.submit, submissions), return_exceptions=True)

    async def told(self, steps: int) -> None:
        await self.bus.told(steps)

    async def settle(self) -> None:
        """Wait until all that is queued now has been decided."""
        await asyncio.gather(self.engine.submit(said("nobody", Get(), ("default", "-"))), return_exceptions=True)

    async def present(self, key: CallKey = STANDUP) -> Call | None:
        """Return the call as the store has it."""
        placed = await self.store.store.read(lambda snapshot: snapshot.call(key))
        return None if placed is None else placed.call

    async def timers(self) -> list[Timer]:
        return await self.store.store.read(lambda snapshot: list(snapshot.timers()))

    async def head(self) -> int:
        return await self.store.store.read(lambda snapshot: snapshot.head())

    async def remembered(self, *keys: tuple[str, str, str]) -> dict[tuple[str, str, str], Remembered]:
        def load(transaction: Transaction) -> dict[tuple[str, str, str], Remembered]:
            return transaction.load_remembered(keys, self.clock.now())

        return await self.store.store.transact(load)


@asynccontextmanager
async def staged(tmp_path: Path, **limits: int) -> AsyncIterator[Stage]:
    """Run an engine within the block."""
    stage = Stage(tmp_path / "ringline.db", FakeClock(), **limits)
    await stage.store.open()
    await stage.engine.start()
    try:
        yield stage
    finally:
        await stage.stop()


def said(
    user: str,
    command: Command,
    key: CallKey = STANDUP,
    *,
    device: str = "",
    service: str = "",
    request: RequestId | None = None,
) -> Submission:
    """Return what a user says to the engine."""
    return Submission(key, command, Actor(user_id=user, device_id=device, service_id=service), request)


def create(
    *members: str, ring: bool = False, settings: SettingsOverride = NO_OVERRIDE, custom: bytes = b""
) -> GetOrCreate:
    return GetOrCreate(tuple(map(MemberInput, members)), ring=ring, settings=settings, custom=custom)


def request(id: str, method: str = "RingCall", fingerprint: bytes = b"one") -> RequestId:
    return RequestId(id, method, fingerprint)
