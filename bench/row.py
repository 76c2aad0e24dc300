"""A line of the result."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.verdict import Goal, judge, quartiles


@dataclass(frozen=True, slots=True)
class Row:
    """One measured goal. Numbers are None where nothing could be measured; ``holds`` then says why."""

    name: str
    wire: str
    value: float | None
    floor: float | None
    ratio: float | None
    spread: tuple[float, float] | None
    """First and third quartile of the ratios."""
    goal: str
    holds: str


def measured(name: str, wire: str, goal: Goal, values: Sequence[float], floors: Sequence[float] | None = None) -> Row:
    """Return the row of paired measurements: the first value belongs to the first floor, and so on.

    Without floors the goal is one of values, and so are ratio and spread.
    """
    pairs = zip(values, floors if floors is not None else values, strict=True)
    ratios = [goal.compare(value, floor) for value, floor in pairs]
    return Row(
        name=name,
        wire=wire,
        value=statistics.median(values),
        floor=None if floors is None else statistics.median(floors),
        ratio=statistics.median(ratios),
        spread=quartiles(ratios),
        goal=goal.text,
        holds=judge(ratios, goal),
    )


def missing(name: str, wire: str, goal: Goal, why: str) -> Row:
    """Return the row of what could not be measured."""
    return Row(name, wire, None, None, None, None, goal.text, f"missing: {why}")


def part_of_goal(row: Row, ratio: float) -> float:
    """Return how much of its goal a ratio takes: up to 1 it is met, whichever way the goal points."""
    found = re.search(r"[\d.]+", row.goal)
    assert found is not None
    limit = float(found.group())
    return limit / ratio if row.goal.startswith("≥") else ratio / limit
