"""From paired measurements to a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST_RATIOS = 7
"""With fewer, no goal holds."""

HOLDS = "holds"
FAILS = "fails"
UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of the ratio of a value and its floor, or of what else ``compare`` makes of the two."""

    text: str
    limit: float
    at_most: bool
    compare: Callable[[float, float], float]

    def met_by(self, ratio: float) -> bool:
        return ratio <= self.limit if self.at_most else ratio >= self.limit


def at_most(times: float) -> Goal:
    return Goal(f"≤ {times:g}x", times, at_most=True, compare=lambda value, floor: value / floor)


def at_least(times: float) -> Goal:
    return Goal(f"≥ {times:g}x", times, at_most=False, compare=lambda value, floor: value / floor)


def at_most_beyond(extra: float, unit: str) -> Goal:
    """No more than so much beyond the floor."""
    return Goal(f"≤ +{extra:g} {unit}", extra, at_most=True, compare=lambda value, floor: value - floor)


def at_most_times_beyond(times: float, extra: float, unit: str) -> Goal:
    """No more than so many times the floor, and so much on top."""
    text = f"≤ {times:g}x + {extra:g} {unit}"
    return Goal(text, times, at_most=True, compare=lambda value, floor: (value - extra) / floor)


def no_more_than(limit: float, unit: str) -> Goal:
    """A limit that needs no floor."""
    return Goal(f"≤ {limit:g} {unit}", limit, at_most=True, compare=lambda value, floor: value)


def no_less_than(limit: float, unit: str) -> Goal:
    return Goal(f"≥ {limit:g} {unit}", limit, at_most=False, compare=lambda value, floor: value)


def quartiles(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the first and the third."""
    if len(ratios) == 1:
        return ratios[0], ratios[0]
    first, _, third = statistics.quantiles(ratios, n=4, method="inclusive")
    return first, third


def judge(ratios: Sequence[float], goal: Goal) -> str:
    """Return whether the median meets the goal.

    It is unclear with too few ratios, and if the goal lies within the quartiles or on one of them; not if most ratios
    are the same number, and that is the goal.
    """
    first, third = quartiles(ratios)
    if len(ratios) < LEAST_RATIOS or (first <= goal.limit <= third and first != third):
        return UNCLEAR
    return HOLDS if goal.met_by(statistics.median(ratios)) else FAILS
