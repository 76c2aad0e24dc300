"""What a stream costs on which nothing happens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.servers import WIRES, Server, floor, floor_of, ringline, running
from bench.verdict import at_most

GOAL = at_most(1.25)


def measure(plan: Plan) -> Iterator[Row]:
    shapes = plan.choose(((10_000, 100), (5_000, 0)), ((1_000, 10), (500, 0)))
    for streams, conns in shapes:
        where = f"on {conns} connections" if conns else "each on its own connection"
        name = f"KiB an idle watch, {streams} {where}"
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
    return each(ringline(wire, plan.database("memory")), streams, conns)


def bare(plan: Plan, wire: str, streams: int, conns: int) -> float:
    return each(floor(floor_of(wire, durable=False), plan.canned, plan.folder), streams, conns)


def each(server: Server, streams: int, conns: int) -> float:
    """Return the KiB that each of so many streams needs on a fresh server."""
    with running(server) as one:
        before = one.memory()
        with generator.load("idle", one, streams=streams, conns=conns):
            return (one.memory() - before) / streams / 1024
