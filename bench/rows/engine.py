"""Rules, engine and SQLite alone: how many commands, and how punctual the time-outs are."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from bench.plan import Plan, progress
from bench.row import Row, measured
from bench.servers import ROOT, SERVER_CORE
from bench.verdict import no_less_than, no_more_than

COMMITS = 200


def commands(plan: Plan) -> Iterator[Row]:
    progress(f"commands through rules, engine and SQLite; a commit alone takes {commit_ms(plan):.2f} ms on this disk")
    rates = inside(plan, "commands", plan.choose(2.0, 0.7))
    yield measured("commands a second without a wire, 64 at a time", "none", no_less_than(10_000, "a second"), rates)


def timers(plan: Plan) -> Iterator[Row]:
    for rings, seconds in plan.choose(((1_000, 1), (10_000, 10)), ((1_000, 1),)):
        progress(f"{rings} rings over within {seconds} s")
        late = inside(plan, "timers", rings, seconds)
        yield measured(f"{rings} rings due in {seconds} s: p99 late, ms", "none", no_more_than(50, "ms"), late)


def commit_ms(plan: Plan) -> float:
    """Return what a commit of one row takes: a slow disk limits what the engine can do."""
    with closing(sqlite3.connect(plan.database("commits"), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").close()
        connection.execute("PRAGMA synchronous = FULL").close()
        connection.execute("CREATE TABLE rows (number INTEGER)")
        begun = time.perf_counter()
        for number in range(COMMITS):
            connection.execute("INSERT INTO rows VALUES (?)", (number,))
        return (time.perf_counter() - begun) * 1000 / COMMITS


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
