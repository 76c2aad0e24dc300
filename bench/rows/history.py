"""A million calls of history: whether a start, a call, a snapshot and a resume are as quick as without."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from bench import generator
from bench.plan import CACHE, Plan, progress
from bench.row import Row, measured, missing
from bench.rows import calls, latency
from bench.servers import ROOT, WIRES, Running, ringline, running
from bench.verdict import at_least, at_most, at_most_beyond

USER = "history-callee"
DUE_IN = 4
"""Seconds from before the start; more than it may take, so that the ring is open when the server serves."""
STORE = ROOT / "server/ringline_server/store"

GOALS = (
    ("start until serving and re-armed, s", at_most_beyond(1, "s")),
    ("calls a second, 64 at a time", at_least(0.9)),
    ("snapshot of the one with the most past calls, ms", at_most(1.1)),
    ("resume of the one with the most past calls, ms", at_most(1.1)),
    ("ring to callee at half the maximum, p50 ms", at_most(1.1)),
)


def measure(plan: Plan) -> Iterator[Row]:
    count = plan.choose(1_000_000, 10_000)
    goals = [(f"with {count} calls of history: {name}", goal) for name, goal in GOALS]
    history: Path | None = None
    for wire in WIRES:
        if wire in plan.lacking:
            for name, goal in goals:
                yield missing(name, wire, goal, plan.lacking[wire])
            continue
        if history is None:
            history = made(count, past=count // 100, rings=count // 100)
        progress(f"with and without history over {wire}")
        starts = plan.rounds_of([partial(started, wire, path) for path in (history, plan.database(f"start-{wire}"))])
        with (
            running(ringline(wire, history)) as full,
            running(ringline(wire, plan.database(f"history-{wire}"))) as empty,
        ):
            rates = plan.rounds_of([partial(rate, plan, one) for one in (full, empty)])
            opened = plan.rounds_of([partial(snapshots, plan, one) for one in (full, empty)])
            half = min(min(some) for some in rates) / 2
            told = plan.rounds_of([partial(latency.latencies, plan, one, half) for one in (full, empty)])
        snapshot, resume = ([[pair[at] for pair in pairs] for pairs in opened] for at in (0, 1))
        medians = [[pair[0] for pair in pairs] for pairs in told]
        for (name, goal), (values, floors) in zip(goals, (starts, rates, snapshot, resume, medians), strict=True):
            yield measured(name, wire, goal, values, floors)


def made(calls: int, past: int, rings: int) -> Path:
    """Return a database with at least so many ended calls and open rings; it is made once and kept.

    It is made anew when the store has changed what it writes.
    """
    written_by = hashlib.sha256(
        b"".join(
            path.read_bytes()
            for path in sorted([*STORE.glob("codec*.py"), *STORE.glob("*schema.py"), *STORE.glob("*transaction.py")])
        )
    ).hexdigest()[:8]
    path = CACHE / f"history-{calls}-{written_by}.db"
    if not path.exists():
        for old in CACHE.glob(f"history-{calls}-*"):
            old.unlink()
        progress(f"making {path.name}: once, for some minutes")
        making = path.with_suffix(".making")
        fill(making, "history", calls, past, rings)
        making.rename(path)
        making.with_name(making.name + ".lock").unlink()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        (ended,) = database.execute("SELECT count(*) FROM calls WHERE state = 'ENDED'").fetchone()
        (ringing,) = database.execute("SELECT count(*) FROM timers").fetchone()
        (of_one,) = database.execute("SELECT count(*) FROM past_call_users WHERE user_id = ?", (USER,)).fetchone()
    progress(f"{path.name}: {ended} ended calls, {of_one} of them of one user, and {ringing} open rings")
    if ended < calls or ringing < rings or of_one < past:
        raise AssertionError(f"{path} is not what it should be: remove it")
    return path


def fill(path: Path, *what: object) -> None:
    """Write into a database by the store's bulk path."""
    python = str(ROOT / ".venv/bin/python")
    subprocess.run([python, "-m", "bench.inside.fill", str(path), *map(str, what)], cwd=ROOT, check=True)


def started(wire: str, database: Path) -> float:
    """Return the seconds until a server serves, and how much later than due a ring is over that was open before."""
    user = "soon-callee"
    fill(database, "ring", user, DUE_IN)
    with running(ringline(wire, database)) as server, generator.load("missed", server, user=user) as load:
        return server.took + float(load.go_on()["late"]) / 1000


def rate(plan: Plan, server: Running) -> float:
    """Return calls a second."""
    return calls.sample(plan, server, 64).rate


def snapshots(plan: Plan, server: Running) -> tuple[float, float]:
    """Return the median milliseconds of a snapshot and of a resume."""
    with generator.load("snapshots", server, user=USER, count=plan.choose(200, 20)) as load:
        done = load.go_on()
    return done["snapshot"], done["resume"]
