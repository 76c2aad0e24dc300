"""Many more requests at once than can be answered soon: none is left in the dark, and all is as before soon after."""

from __future__ import annotations

from collections.abc import Iterator

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.servers import WIRES, ringline, running
from bench.verdict import at_most, no_more_than

CONNECTIONS = 100
QUICK_AGAIN = at_most(1.2)
NONE_LOST = no_more_than(0, "requests")


def measure(plan: Plan) -> Iterator[Row]:
    count = plan.choose(50_000, 5_000)
    quickness = f"p99 ms 2 s after a flood of {count}, against before"
    lost = f"flood of {count}: neither answered nor refused"
    for wire in WIRES:
        if wire in plan.lacking:
            yield missing(quickness, wire, QUICK_AGAIN, plan.lacking[wire])
            yield missing(lost, wire, NONE_LOST, plan.lacking[wire])
            continue
        progress(f"flood of {count} over {wire}")
        results = []
        with running(ringline(wire, plan.database(f"flood-{wire}"))) as server:
            for _ in range(plan.rounds):
                seconds = plan.choose(2.0, 0.5)
                with generator.load("flood", server, count=count, conns=CONNECTIONS, seconds=seconds) as load:
                    done = load.go_on()
                progress(
                    "  {answered} answered, {refused} refused by {refusal:.1f} s, {lost} neither {example}; "
                    "over after {seconds:.1f} s; p99 {before} ms before, {after} after".format(**done)
                )
                results.append(done)
        yield measured(
            quickness, wire, QUICK_AGAIN, [one["after"] for one in results], [one["before"] for one in results]
        )
        yield measured(lost, wire, NONE_LOST, [one["lost"] for one in results])
