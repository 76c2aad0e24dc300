"""Full 1:1 calls between users who both watch: what one costs, and how many there are a second."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.servers import WIRES, Running, floor, ringline, running, weekend
from bench.verdict import Goal, at_least, at_most

AT_A_TIME = (16, 64)
FLOORS = ("aio", "aio-durable", "envoy", "envoy-durable", "weekend")
BUSY = 0.95
"""A generator that works more than this share of the time may be what limits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one server did in one round."""

    cpu: float
    """Milliseconds of its process tree for each call."""
    rate: float
    """Calls a second."""
    load: float
    """How busy the generator's core was with the generator."""


def measure(plan: Plan) -> Iterator[Row]:
    with ExitStack() as stack:
        servers = [stack.enter_context(running(floor(name, plan.canned, plan.folder))) for name in FLOORS[:-1]]
        servers.append(stack.enter_context(running(weekend(plan.folder))))
        servers += [
            stack.enter_context(running(ringline(wire, plan.database(f"calls-{wire}"))))
            for wire in WIRES
            if wire not in plan.lacking
        ]
        for pairs in AT_A_TIME:
            progress(f"calls, {pairs} at a time")
            results = plan.rounds_of([partial(sample, plan, server, pairs) for server in servers])
            samples = {server.server.name: result for server, result in zip(servers, results, strict=True)}
            yield from _rows(plan, pairs, samples)


def sample(plan: Plan, server: Running, pairs: int) -> Sample:
    """Let so many pairs call each other as fast as they can."""
    seconds = plan.choose(2.0, 0.7)
    with generator.load("calls", server, pairs=pairs, seconds=seconds) as load:
        cpu, load_cpu = server.cpu(), load.cpu()
        done = load.go_on()
        cpu, load_cpu = server.cpu() - cpu, load.cpu() - load_cpu
    took = done["seconds"]
    return Sample(cpu * 1000 / done["calls"], done["calls"] / took, load_cpu / took)


def _rows(plan: Plan, pairs: int, samples: dict[str, list[Sample]]) -> Iterator[Row]:
    for name, results in samples.items():
        cpu = statistics.median(one.cpu for one in results)
        rate = statistics.median(one.rate for one in results)
        busiest = max(one.load for one in results)
        progress(f"  {name:18}{cpu:8.3f} ms CPU a call{rate:9.0f} calls/s   generator {busiest:4.0%} busy at most")
        if busiest > BUSY:
            progress(f"  {name}: the generator may have been the limit")

    def row(what: str, wire: str, against: str, goal: Goal, figure: str) -> Row:
        name = f"{what}, {pairs} at a time, against {against}"
        if wire in plan.lacking:
            return missing(name, wire, goal, plan.lacking[wire])
        values, floors = ([getattr(one, figure) for one in samples[server]] for server in (f"ringline {wire}", against))
        return measured(name, wire, goal, values, floors)

    first = pairs == AT_A_TIME[0]
    cost = "CPU ms a call"
    yield row(cost, "envoy", "aio", at_most(0.7 if first else 0.5), "cpu")
    yield row(cost, "envoy", "weekend", at_most(1.0), "cpu")
    yield row(cost, "envoy", "envoy-durable", at_most(1.6 if first else 1.8), "cpu")
    yield row("calls a second", "grpcio", "aio-durable", at_least(0.7), "rate")
