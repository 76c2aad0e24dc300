"""How many commands a second go through rules, engine and SQLite, without api and wire.

    python bench/engine.py [--callers 64] [--seconds 5]

So many callers at a time ring, accept and end calls between two people, over and over, on a file with
``synchronous=FULL``. CPU is that of the whole process, the client's side of the engine included; it is what to compare
on a machine that does other things too. The disk's own speed is in the figure: the floor, measured in the same folder,
is the same number of commits a second with one small row each.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sqlite3
import tempfile
import time
from itertools import count
from pathlib import Path

from ringline_server.api.call_types import BUILT_IN
from ringline_server.app.log import configure_logging
from ringline_server.app.running import new_uid
from ringline_server.clock import SystemClock
from ringline_server.engine.engine import Engine
from ringline_server.engine.port import Submission
from ringline_server.hub.hub import Hub
from ringline_server.rules.commands import Command, End, GetOrCreate, Join, MemberInput
from ringline_server.rules.context import Actor
from ringline_server.store.sqlite import SqliteStore


async def call(engine: Engine, caller: int, number: int) -> None:
    """Ring, accept, end."""
    key = ("default", f"{caller}-{number}")
    alice, bob = Actor(f"caller-{caller}", device_id="phone"), Actor(f"callee-{caller}", device_id="phone")
    members = (MemberInput(alice.user_id), MemberInput(bob.user_id))
    steps: tuple[tuple[Actor, Command], ...] = ((alice, GetOrCreate(members, ring=True)), (bob, Join()), (alice, End()))
    for actor, command in steps:
        await engine.submit(Submission(key, command, actor))


async def keep_calling(engine: Engine, caller: int, until: float) -> int:
    """Call until the time is up; return how often."""
    for number in count():
        if time.perf_counter() >= until:
            return number
        await call(engine, caller, number)
    raise AssertionError


def floor(folder: Path, seconds: float) -> float:
    """Return how many commits a second the disk does."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").close()
    connection.execute("PRAGMA synchronous = FULL").close()
    connection.execute("CREATE TABLE rows (text TEXT)")
    started = time.perf_counter()
    commits = 0
    while time.perf_counter() < started + seconds:
        connection.execute("INSERT INTO rows VALUES ('row')")
        commits += 1
    connection.close()
    return commits / seconds


async def measure(folder: Path, callers: int, seconds: float) -> None:
    store, clock = SqliteStore(folder / "engine.db"), SystemClock()
    await store.open()
    hub = Hub(store, clock, BUILT_IN)
    engine = Engine(store, hub, hub, clock, BUILT_IN, new_uid)
    await hub.start()
    await engine.start()
    await asyncio.gather(*(keep_calling(engine, -caller, time.perf_counter() + 0.5) for caller in range(1, 65)))
    gc.collect()
    batches = engine.stats.batches
    started, cpu = time.perf_counter(), time.process_time()
    calls = await asyncio.gather(*(keep_calling(engine, caller, started + seconds) for caller in range(callers)))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    batches, commands = engine.stats.batches - batches, 3 * sum(calls)
    await engine.stop()
    await hub.stop()
    await store.close()
    print(
        f"{commands / took:6.0f} commands/s  {cpu / commands * 1e6:6.1f} µs CPU a command  "
        f"{commands / batches:5.1f} commands a batch  {batches / took:5.0f} batches/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    configure_logging("warning", "json")
    with tempfile.TemporaryDirectory() as folder:
        print(f"floor: {floor(Path(folder), 1):.0f} commits/s")
        asyncio.run(measure(Path(folder), arguments.callers, arguments.seconds))


if __name__ == "__main__":
    main()
