"""Measures what no wire is needed for: rules, engine and SQLite, in this process.

    python -m bench.inside.engine FOLDER commands ROUNDS SECONDS
    python -m bench.inside.engine FOLDER timers ROUNDS RINGS SECONDS

Prints a list of one number a round: commands a second, or the 99th percentile of commit minus deadline in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from ringline_server.api.call_types import BUILT_IN
from ringline_server.app.garbage import collect_seldom
from ringline_server.app.log import configure_logging
from ringline_server.app.running import new_uid
from ringline_server.app.scheduling import work_in_batches
from ringline_server.clock import SystemClock
from ringline_server.engine.engine import Engine
from ringline_server.engine.port import Submission
from ringline_server.hub.hub import Hub
from ringline_server.rules.commands import Command, End, GetOrCreate, Join, MemberInput
from ringline_server.rules.context import Actor
from ringline_server.rules.settings import SECOND, SettingsOverride
from ringline_server.store.port import Step
from ringline_server.store.sqlite import SqliteStore

AT_A_TIME = 64
WARM_UP = 0.5
AFTERWARDS = 2.0
"""Seconds in which a ring may be over late; one that is not over then is lost."""


@dataclass(slots=True)
class Bus:
    """The hub, and when a call that had rung was told to be over."""

    hub: Hub
    clock: SystemClock
    late: list[int] = field(default_factory=list)
    """Microseconds from a ring's deadline to now, when its end is durable."""

    def publish(self, steps: Sequence[Step]) -> None:
        now = self.clock.now()
        self.late += [now - step.before.rings[-1].expires_at for step in steps if step.before is not None]
        self.hub.publish(steps)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Engine, Bus]]:
    store, clock = SqliteStore(path), SystemClock()
    await store.open()
    hub = Hub(store, clock, BUILT_IN)
    bus = Bus(hub, clock)
    engine = Engine(store, bus, hub, clock, BUILT_IN, new_uid)
    await hub.start()
    await engine.start()
    try:
        yield engine, bus
    finally:
        await engine.stop()
        await hub.stop()
        await store.close()


async def call(engine: Engine, name: str) -> None:
    """Ring, accept, end."""
    caller, callee = Actor(f"{name}-caller", device_id="phone"), Actor(f"{name}-callee", device_id="phone")
    members = (MemberInput(caller.user_id), MemberInput(callee.user_id))
    steps: tuple[tuple[Actor, Command], ...] = (
        (caller, GetOrCreate(members, ring=True)),
        (callee, Join()),
        (caller, End()),
    )
    for actor, command in steps:
        await engine.submit(Submission(("default", name), command, actor))


async def commands(engine: Engine, number: int, seconds: float) -> float:
    """Return how many commands a second are decided."""
    until = time.perf_counter() + seconds
    done = 0

    async def keep_calling(who: int) -> None:
        nonlocal done
        at = 0
        while time.perf_counter() < until:
            await call(engine, f"{number}-{who}-{at}")
            at += 1
            done += 3

    started = time.perf_counter()
    await asyncio.gather(*(keep_calling(who) for who in range(AT_A_TIME)))
    return done / (time.perf_counter() - started)


async def timers(engine: Engine, bus: Bus, number: int, rings: int, seconds: float) -> float:
    """Return how late, in ms, the latest but one in a hundred of so many rings in so many seconds was over."""
    bus.late.clear()
    first = bus.clock.now() + int((2 + rings / 1500) * SECOND)
    slots = asyncio.Semaphore(AT_A_TIME)

    async def ring(at: int) -> None:
        async with slots:
            timeout = first + int(at * seconds * SECOND / rings) - bus.clock.now()
            settings = SettingsOverride(auto_cancel_timeout=timeout, incoming_call_timeout=timeout)
            name = f"{number}-{at}"
            members = (MemberInput(f"{name}-caller"), MemberInput(f"{name}-callee"))
            command = GetOrCreate(members, settings=settings, ring=True)
            await engine.submit(Submission(("default", name), command, Actor(f"{name}-caller", device_id="phone")))

    await asyncio.gather(*(ring(at) for at in range(rings)))
    assert bus.clock.now() < first, "the rings began too late to be due together"
    await asyncio.sleep((first - bus.clock.now()) / SECOND + seconds + AFTERWARDS)
    assert len(bus.late) == rings, f"{rings} rang and {len(bus.late)} were over"
    assert min(bus.late) >= 0, "a ring was over before its time"
    return sorted(bus.late)[int(rings * 0.99)] / 1000


async def main() -> list[float]:
    folder, what, rounds, *rest = sys.argv[1:]
    async with running(Path(folder) / f"{what}-{rest[0]}.db") as (engine, bus):
        collect_seldom()
        if what == "commands":
            await commands(engine, -1, WARM_UP)
            return [await commands(engine, number, float(rest[0])) for number in range(int(rounds))]
        return [await timers(engine, bus, number, int(rest[0]), float(rest[1])) for number in range(int(rounds))]


if __name__ == "__main__":
    configure_logging("info", "json")
    work_in_batches()
    print(json.dumps(uvloop.run(main())))
