"""How long from ring to callee, Ringline and its floor at the same rate: half of what Ringline can do."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.rows import calls
from bench.servers import WIRES, Running, floor, floor_of, ringline, running
from bench.verdict import at_most_beyond, at_most_times_beyond

PAIRS = 64
MEDIAN = ("ring to callee at half the maximum, p50 ms", at_most_beyond(1.5, "ms"))
HIGH = ("ring to callee at half the maximum, p99 ms", at_most_times_beyond(2, 5, "ms"))


def measure(plan: Plan) -> Iterator[Row]:
    for wire in WIRES:
        if wire in plan.lacking:
            for name, goal in (MEDIAN, HIGH):
                yield missing(name, wire, goal, plan.lacking[wire])
            continue
        with (
            running(ringline(wire, plan.database(f"latency-{wire}"))) as server,
            running(floor(floor_of(wire), plan.canned, plan.folder)) as bare,
        ):
            rate = round(maximum(plan, server) / 2)
            progress(f"ring to callee over {wire}, at {rate} calls/s")
            ours, floors = plan.rounds_of([partial(latencies, plan, one, rate) for one in (server, bare)])
        for at, (name, goal) in enumerate((MEDIAN, HIGH)):
            yield measured(name, wire, goal, [one[at] for one in ours], [one[at] for one in floors])


def maximum(plan: Plan, server: Running) -> float:
    """Return how many calls a second it can do: the median of some looks, as one may fall into a lucky moment."""
    return statistics.median(calls.sample(plan, server, PAIRS).rate for _ in range(plan.choose(3, 1)))


def latencies(plan: Plan, server: Running, rate: float) -> tuple[float, float]:
    """Return median and 99th percentile in milliseconds, from the time that a call was due."""
    seconds = plan.choose(3.0, 0.7)
    with generator.load("rate", server, pairs=PAIRS, rate=rate, seconds=seconds) as load:
        done = load.go_on()
    return done["p50"], done["p99"]
