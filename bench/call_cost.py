"""What one full call between two people costs in CPU, piece by piece, between the wire and the disk.

    python bench/call_cost.py [--calls 500] [--batch 64] [--rounds 5]

Ring, accept, end; both users watch, so that four messages go out. ``all`` is the whole of it, from the requests' bytes
to the messages' bytes, with so many callers at a time. The pieces are what happened in that run, done again one piece
at a time; what is missing to ``all`` is queues, threads and the event loop. All figures are CPU time in µs a call, the
least of several rounds: that is what other load on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvloop

from ringline.v1 import call_service_pb2 as pb
from ringline_server.api.call_types import BUILT_IN
from ringline_server.api.encode import CallEncoder
from ringline_server.api.health import HealthState
from ringline_server.api.identity import DevelopmentIdentity
from ringline_server.api.port import READY, RequestContext, Unary
from ringline_server.api.rpcs import build_rpcs
from ringline_server.api.watch import WatchHandler
from ringline_server.app.garbage import collect_seldom
from ringline_server.app.log import configure_logging
from ringline_server.app.running import new_uid
from ringline_server.clock import SystemClock
from ringline_server.engine import decider
from ringline_server.engine.engine import Engine
from ringline_server.engine.port import Outcome, Submission
from ringline_server.engine.writes import write_of
from ringline_server.hub.hub import Hub
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, Tick
from ringline_server.rules.context import Context
from ringline_server.rules.decide import decide
from ringline_server.rules.outcome import Decision, Refusal
from ringline_server.store import sqlite_transaction
from ringline_server.store.codec import encode_call, encode_events
from ringline_server.store.port import CallKey, Remembered, Step, Transaction, Write
from ringline_server.store.sqlite import SqliteStore
from ringline_server.store.sqlite_schema import bring_up_to_date

CALLS = "/ringline.v1.CallService/"


@dataclass
class Recorded:
    """What happened, piece by piece."""

    submissions: list[tuple[Submission, Outcome]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    batches: list[Sequence[Write]] = field(default_factory=list)


class Recorder:
    """An engine that remembers what it was asked and what it answered."""

    def __init__(self, engine: Engine, recorded: Recorded) -> None:
        self._engine = engine
        self._recorded = recorded

    async def submit(self, submission: Submission) -> Outcome:
        outcome = await self._engine.submit(submission)
        self._recorded.submissions.append((submission, outcome))
        return outcome


class Player:
    """An engine that has known all answers before."""

    def __init__(self, recorded: Recorded) -> None:
        self._outcomes = {(one.key, type(one.command)): outcome for one, outcome in recorded.submissions}

    async def submit(self, submission: Submission) -> Outcome:
        return self._outcomes[submission.key, type(submission.command)]


class Stage:
    """Everything above the wire, on one file."""

    def __init__(self, path: Path, *, wrap: Callable[[Engine], Any] = lambda engine: engine) -> None:
        self.store, self.clock = SqliteStore(path), SystemClock()
        self.hub = Hub(self.store, self.clock, BUILT_IN)
        self.engine = Engine(self.store, self.hub, self.hub, self.clock, BUILT_IN, new_uid)
        self.encoder = CallEncoder(BUILT_IN)
        self.told = 0
        self._told = asyncio.Event()
        self._wrapped = wrap(self.engine)
        self._watching: list[asyncio.Task[None]] = []

    async def start(self, pairs: int) -> None:
        await self.store.open()
        await self.hub.start()
        await self.engine.start()
        watch = WatchHandler(
            hub=self.hub, store=self.store, clock=self.clock, identity=DevelopmentIdentity(),
            encoder=self.encoder, call_types=BUILT_IN,
        )  # fmt: skip
        rpcs = build_rpcs(
            engine=self._wrapped, store=self.store, encoder=self.encoder, identity=DevelopmentIdentity(),
            call_types=BUILT_IN, health=HealthState(), watch=watch,
        )  # fmt: skip
        self.unary = rpcs.unary
        stream = rpcs.server_stream[CALLS + "WatchCalls"]
        for side in ("caller", "callee"):
            for pair in range(pairs):
                coroutine = stream(context("WatchCalls", side, pair), _one(b""), self._send)
                self._watching.append(asyncio.ensure_future(coroutine))
        await self.until_told(2 * pairs)

    async def until_told(self, messages: int) -> None:
        while self.told < messages:
            self._told.clear()
            await self._told.wait()

    async def stop(self) -> None:
        self.hub.going_away()
        await asyncio.gather(*self._watching)
        await self.engine.stop()
        await self.hub.stop()
        await self.store.close()

    def _send(self, message: bytes) -> Awaitable[None]:
        self.told += 1
        self._told.set()
        return READY


async def _one(request: bytes) -> AsyncIterator[bytes]:
    yield request


def context(method: str, side: str, pair: int) -> RequestContext:
    metadata = (("x-user-id", f"{side}-{pair}"), ("x-device-id", "phone"), ("user-agent", "bench"))
    return RequestContext(CALLS + method, metadata, "127.0.0.1:1", 10.0)


def requests(pair: int, number: int) -> list[tuple[RequestContext, bytes]]:
    """Return the three requests of a call."""
    key: dict[str, Any] = {"type": "default", "id": f"{pair}-{number}"}
    members = [pb.MemberInput(user_id=f"{side}-{pair}") for side in ("caller", "callee")]
    create = pb.GetOrCreateCallRequest(**key, ring=True, data=pb.CallData(members=members))
    return [
        (context("GetOrCreateCall", "caller", pair), create.SerializeToString()),
        (context("JoinCall", "callee", pair), pb.JoinCallRequest(**key).SerializeToString()),
        (context("EndCall", "caller", pair), pb.EndCallRequest(**key).SerializeToString()),
    ]


async def play(unary: Mapping[str, Unary], calls: Sequence[list[tuple[RequestContext, bytes]]], callers: int) -> None:
    """Make the calls, so many at a time."""
    waiting = iter(calls)

    async def caller() -> None:
        for one in waiting:
            for context_, data in one:
                await unary[context_.method](context_, data)

    await asyncio.gather(*(caller() for _ in range(callers)))


Pieces = dict[str, float]


class Meter:
    """The least CPU time of each piece, in µs a call."""

    def __init__(self, calls: int) -> None:
        self.pieces: Pieces = {}
        self._calls = calls

    def note(self, name: str, seconds: float) -> None:
        micros = seconds * 1e6 / self._calls
        self.pieces[name] = min(micros, self.pieces.get(name, micros))

    def run(self, name: str, work: Callable[[], object]) -> None:
        gc.collect()
        started = time.process_time()
        work()
        self.note(name, time.process_time() - started)

    async def wait(self, name: str, work: Awaitable[object]) -> None:
        gc.collect()
        started = time.process_time()
        await work
        self.note(name, time.process_time() - started)


async def record(folder: Path, calls: Sequence[list[tuple[RequestContext, bytes]]], batch: int) -> Recorded:
    recorded = Recorded()

    def noted(call: Call | None, key: CallKey, command: Command, context_: Context, now: int) -> Decision | Refusal:
        if not isinstance(command, Tick):
            recorded.decisions.append((call, key, command, context_, now))
        return decide(call, key, command, context_, now)

    class Noting(sqlite_transaction.SqliteTransaction):
        def write(self, writes: Sequence[Write], remembered: Sequence[Remembered]) -> None:
            recorded.batches.append(writes)
            super().write(writes, remembered)

    with (
        patch.object(decider, "decide", noted),
        patch.object(sqlite_transaction, "SqliteTransaction", Noting),
    ):
        stage = Stage(folder / "recorded.db", wrap=lambda engine: Recorder(engine, recorded))
        await stage.start(0)
        await play(stage.unary, calls, batch)
        await stage.stop()
    return recorded


async def whole(meter: Meter, folder: Path, calls: Sequence[list[tuple[RequestContext, bytes]]], batch: int) -> None:
    stage = Stage(folder / "whole.db")
    await stage.start(batch)
    told = stage.told

    async def work() -> None:
        await play(stage.unary, calls, batch)
        await stage.until_told(told + 4 * len(calls))

    await meter.wait("all", work())
    batches, commands = stage.engine.stats.batches, stage.engine.stats.commands
    meter.pieces["(commands a batch)"] = commands / batches
    await stage.stop()


async def api(meter: Meter, recorded: Recorded, calls: Sequence[list[tuple[RequestContext, bytes]]]) -> None:
    """From bytes to bytes, with an engine that has the answers: with and without what surrounds each RPC."""

    async def each(unary: Mapping[str, Unary]) -> None:
        for one in calls:
            for context_, data in one:
                await unary[context_.method](context_, data)

    encoder = CallEncoder(BUILT_IN)
    nothing: Any = None
    rpcs = build_rpcs(
        engine=Player(recorded), store=nothing, encoder=encoder, identity=DevelopmentIdentity(),
        call_types=BUILT_IN, health=HealthState(), watch=nothing,
    )  # fmt: skip
    await meter.wait("api: requests and answers, with encoding", each(rpcs.unary))
    await meter.wait("api: requests and answers, encoded before", each(rpcs.unary))
    fresh = CallEncoder(BUILT_IN)
    meter.run("api:   encoding calls", lambda: [fresh.call(outcome.call) for _, outcome in recorded.submissions])
    meter.run(
        "api:   encoding viewers",
        lambda: [fresh.viewer(outcome.call, one.actor) for one, outcome in recorded.submissions],
    )


def rules(meter: Meter, recorded: Recorded) -> list[Decision]:
    decisions: list[Any] = []
    meter.run("rules: decide", lambda: decisions.extend([decide(*one) for one in recorded.decisions]))
    settings = BUILT_IN["default"].settings
    meter.run(
        "engine: rows of a step",
        lambda: [
            write_of(one[0], decision, 0, settings) for one, decision in zip(recorded.decisions, decisions, strict=True)
        ],
    )
    return decisions


def rows(meter: Meter, recorded: Recorded, path: Path, batch: int) -> None:
    """Encode, write and commit, in batches of another size than they were decided in."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
        connection.execute("PRAGMA " + pragma).close()
    bring_up_to_date(connection)
    writes = [write for writes in recorded.batches for write in writes]
    within = 0.0

    def work(chunk: Sequence[Write]) -> Callable[[Transaction], None]:
        def write(transaction: Transaction) -> None:
            nonlocal within
            started = time.process_time()
            transaction.write(chunk, ())
            within += time.process_time() - started

        return write

    gc.collect()
    started = time.process_time()
    for at in range(0, len(writes), batch):
        sqlite_transaction.run_transaction(connection, work(writes[at : at + batch]))
    took = time.process_time() - started
    meter.note("store: rows", within)
    meter.note(f"store: commit, {batch} steps at a time", took - within)
    connection.close()
    calls = [write.step.call for write in writes]
    meter.run("store:   encoding calls", lambda: [encode_call(call) for call in calls])
    meter.run(
        "store:   encoding events",
        lambda: [encode_events(write.step.events) for write in writes],
    )


async def hub(meter: Meter, recorded: Recorded, folder: Path, pairs: int) -> None:
    """Tell the steps to streams, with the encoding of what was not encoded before."""
    stage = Stage(folder / "hub.db")
    await stage.start(pairs)
    steps: list[list[Step]] = [[write.step for write in writes] for writes in recorded.batches]
    for outcomes in recorded.submissions:
        stage.encoder.call(outcomes[1].call)
    told, calls = stage.told, len(recorded.submissions) // 3

    async def work() -> None:
        for batch in steps:
            stage.hub.publish(batch)
            for _ in range(3):
                await asyncio.sleep(0)
        await stage.until_told(told + 4 * calls)

    await meter.wait("hub: tell and encode four messages", work())
    await stage.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log-level", default="warning", help="info, the server's default, has six lines a call")
    parser.add_argument("--only-all", action="store_true")
    arguments = parser.parse_args()
    collect_seldom()
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        configure_logging(arguments.log_level, "json", nowhere)
        meter = Meter(arguments.calls)
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                numbers = count()
                calls = [requests(number % arguments.batch, next(numbers)) for number in range(arguments.calls)]
                await whole(meter, folder, calls, arguments.batch)
                if arguments.only_all:
                    continue
                recorded = await record(folder, calls, arguments.batch)
                await api(meter, recorded, calls)
                rules(meter, recorded)
                for batch in (7, 64):
                    rows(meter, recorded, folder / f"rows{batch}.db", batch)
                await hub(meter, recorded, folder, arguments.batch)
    for name, micros in meter.pieces.items():
        print(f"{micros:8.1f}  {name}")


if __name__ == "__main__":
    uvloop.run(main())
