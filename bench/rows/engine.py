"""Rules, engine and SQLite alone: how many commands, and how punctual the time-outs are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence

from bench.plan import Plan, progress
from bench.row import Row, measured
from bench.servers import ROOT, SERVER_CORE
from bench.verdict import no_less_than, no_more_than


def commands(plan: Plan) -> Iterator[Row]:
    progress("commands through rules, engine and SQLite")
    rates = inside(plan, "commands", plan.choose(2.0, 0.7))
    yield measured("commands a second without a wire, 64 at a time", "none", no_less_than(10_000, "a second"), rates)


def timers(plan: Plan) -> Iterator[Row]:
    for rings, seconds in plan.choose(((1_000, 1), (10_000, 10)), ((1_000, 1),)):
        progress(f"{rings} rings over within {seconds} s")
        late = inside(plan, "timers", rings, seconds)
        yield measured(f"{rings} rings due in {seconds} s: p99 late, ms", "none", no_more_than(50, "ms"), late)


def inside(plan: Plan, what: str, *arguments: float) -> Sequence[float]:
    """Run a measurement within the server's own environment, on the server's core."""
    module = [str(ROOT / ".venv/bin/python"), "-m", "bench.inside.engine", str(plan.folder), what, str(plan.rounds)]
    with (plan.folder / f"{what}.log").open("w") as log:
        done = subprocess.run(
            ["taskset", "-c", SERVER_CORE, *module, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=True,
        )
    return [float(one) for one in json.loads(done.stdout)]
