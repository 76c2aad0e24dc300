"""Measures Ringline beside its floors, and says which goals hold.

python -m bench [--quick] [ROW ...]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bench import plan as plans
from bench import plots, report
from bench.generator import LoadError
from bench.row import Row
from bench.rows import calls, engine, flood, group, history, latency, memory, restart
from bench.servers import ROOT, NotServedError

ROWS: Mapping[str, Callable[[plans.Plan], Iterator[Row]]] = {
    "calls": calls.measure,
    "commands": engine.commands,
    "latency": latency.measure,
    "memory": memory.measure,
    "group": group.measure,
    "restart": restart.measure,
    "flood": flood.measure,
    "timers": engine.timers,
    "history": history.measure,
}


NO_WIRE = "–"
WRONG = (LoadError, NotServedError, subprocess.CalledProcessError)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round of each: whether all runs, not how fast")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these, of: {', '.join(ROWS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    begun = time.monotonic()
    plans.CACHE.mkdir(exist_ok=True)
    databases = Path(tempfile.mkdtemp(prefix="run-", dir=plans.CACHE))
    try:
        plan = plans.make(quick=arguments.quick, folder=databases)
        rows = list(measure(plan, arguments.rows or ROWS))
    finally:
        shutil.rmtree(databases)
    print(report.table(rows))
    # A part of it, or a quick look, must not stand where the last full result is.
    results = plans.CACHE / "partial" if arguments.rows or arguments.quick else report.LATEST.parent
    report.write(rows, results / report.LATEST.name)
    plots.draw(rows, results)
    plans.progress(f"{(time.monotonic() - begun) / 60:.1f} minutes; written to {results.relative_to(ROOT)}")
    return int(any(row.wire == NO_WIRE for row in rows))


def measure(plan: plans.Plan, names: Iterable[str]) -> Iterator[Row]:
    """Measure one after the other. Where something went wrong, a row of the measurement's own name says what."""
    for name in names:
        since = time.monotonic()
        try:
            yield from ROWS[name](plan)
        except WRONG as error:
            yield Row(name, NO_WIRE, None, None, None, None, "–", f"missing: {error}")
        plans.progress(f"{name} took {time.monotonic() - since:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
