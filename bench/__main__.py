"""Measures Ringline beside its floors, and says which goals hold.

python -m bench [--quick] [ROW ...]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import plan as plans
from bench import plots, report
from bench.row import Row
from bench.rows import calls, engine, flood, group, history, latency, memory, restart
from bench.servers import ROOT

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round of each: whether all runs, not how fast")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these, of: {', '.join(ROWS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    plans.CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=plans.CACHE))
    begun = time.monotonic()
    rows: list[Row] = []
    try:
        plan = plans.make(quick=arguments.quick, folder=folder)
        for name in arguments.rows or ROWS:
            since = time.monotonic()
            rows += ROWS[name](plan)
            plans.progress(f"{name} took {time.monotonic() - since:.0f} s")
    finally:
        shutil.rmtree(folder)
    print(report.table(rows))
    # A part of it, or a quick look, must not stand where the last full result is.
    partial = bool(arguments.rows or arguments.quick)
    folder = plans.CACHE / "partial" if partial else report.LATEST.parent
    report.write(rows, folder / report.LATEST.name)
    plots.draw(rows, folder)
    plans.progress(f"written to {folder.relative_to(ROOT)}")
    plans.progress(f"all took {(time.monotonic() - begun) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
