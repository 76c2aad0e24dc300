"""Pictures of the result, for the docs.

    python -m bench.plots

draws them again from ``results/latest.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from bench.report import LATEST
from bench.row import Row, part_of_goal
from bench.verdict import FAILS, HOLDS, UNCLEAR

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "ringline"

from matplotlib import pyplot as plt  # noqa: E402 -- the kind of output is chosen before

COLOURS = {HOLDS: "#2a7f3f", UNCLEAR: "#b58900", FAILS: "#b3261e"}
COST = re.compile(r"CPU ms a call, (\d+) at a time, against (.+)")


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Draw what was measured into SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    _goals([row for row in rows if row.ratio is not None], folder / "goals.svg")
    _calls([row for row in rows if row.ratio is not None and COST.fullmatch(row.name)], folder / "calls.svg")


def _goals(rows: Sequence[Row], path: Path) -> None:
    """One line a row: the median and the quartiles, as a part of the goal."""
    shown = [row for row in rows if "requests" not in row.goal]
    figure, axes = plt.subplots(figsize=(11, 1 + 0.28 * len(shown)))
    for at, row in enumerate(reversed(shown)):
        assert row.ratio is not None
        assert row.spread is not None
        # A difference may be below nothing, which no logarithm can show.
        low, middle, high = sorted(max(part_of_goal(row, one), 0.01) for one in (*row.spread, row.ratio))
        axes.plot((low, high), (at, at), color=COLOURS[row.holds], linewidth=5, alpha=0.4, solid_capstyle="butt")
        axes.plot(middle, at, "o", color=COLOURS[row.holds], markersize=5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("part of the goal that is used up: left of the line it is met")
    axes.set_yticks(range(len(shown)), [f"{row.name} ({row.wire}, {row.goal})" for row in reversed(shown)], fontsize=8)
    _save(figure, path)


def _calls(rows: Sequence[Row], path: Path) -> None:
    """What a call costs, Ringline and its floors, at each number of calls at a time."""
    bars: dict[str, dict[str, float]] = {}
    for row in rows:
        found = COST.fullmatch(row.name)
        assert found is not None
        assert row.floor is not None
        assert row.value is not None
        pairs, floor = found.groups()
        bars.setdefault(floor, {})[pairs] = row.floor
        bars.setdefault(f"Ringline ({row.wire})", {})[pairs] = row.value
    if not bars:
        return
    names = sorted(bars, key=lambda name: min(bars[name].values()))
    sizes = sorted({pairs for one in bars.values() for pairs in one}, key=int)
    figure, axes = plt.subplots(figsize=(8, 1 + 0.5 * len(names)))
    for number, pairs in enumerate(sizes):
        places = [at - 0.2 + 0.4 * number for at in range(len(names))]
        axes.barh(places, [bars[name].get(pairs, 0) for name in names], height=0.38, label=f"{pairs} at a time")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("CPU ms for one full call between two people, both watching")
    axes.legend()
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw([Row(**one) for one in json.loads(LATEST.read_text(encoding="utf-8"))], LATEST.parent)
