"""A server ends without warning, and thousands who watched resume."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.servers import WIRES, Server, floor, floor_of, ringline, start
from bench.verdict import at_most

GOAL = at_most(1.5)
RUNG = 200
"""Watchers that ring when the server ends; half of the rings are over when it is back."""
AWAY = 2.2
"""Seconds; longer than a short ring."""


def measure(plan: Plan) -> Iterator[Row]:
    streams, conns = plan.choose((10_000, 100), (1_000, 10))
    name = f"restart with {streams} watchers until all are told, s"
    for wire in WIRES:
        if wire in plan.lacking:
            yield missing(name, wire, GOAL, plan.lacking[wire])
            continue
        progress(f"{name}, {wire}")
        values, floors = plan.rounds_of(
            [partial(ours, plan, wire, streams, conns), partial(bare, plan, wire, streams, conns)]
        )
        yield measured(name, wire, GOAL, values, floors)


def ours(plan: Plan, wire: str, streams: int, conns: int) -> float:
    database = plan.database("restart")
    return restarted(lambda port: ringline(wire, database, port), streams, conns)


def bare(plan: Plan, wire: str, streams: int, conns: int) -> float:
    name = floor_of(wire, durable=False)
    return restarted(lambda port: floor(name, plan.canned, plan.folder, port), streams, conns)


def restarted(server_on: Callable[[int], Server], streams: int, conns: int) -> float:
    """Return the seconds from a server's second start until the last watcher knows what is true."""
    server = start(server_on(0))
    try:
        port = int(server.address.rpartition(":")[2])
        with generator.load("resume", server, streams=streams, conns=conns, count=RUNG) as load:
            server.stop(signal.SIGKILL)
            if server.server.strict:
                time.sleep(AWAY)
            server = start(server_on(port))
            return server.took + float(load.go_on()["seconds"])
    finally:
        server.stop()
