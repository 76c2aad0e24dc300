"""The result as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.row import Row
from bench.servers import ROOT

LATEST = ROOT / "bench/results/latest.json"
HEAD = ("what", "wire", "value", "floor", "ratio", "quartiles", "goal", "verdict")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table for people."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    spread = "–" if row.spread is None else f"{_number(row.spread[0])} to {_number(row.spread[1])}"
    return (
        row.name,
        row.wire,
        _number(row.value),
        _number(row.floor),
        _number(row.ratio),
        spread,
        row.goal,
        row.holds,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
