from __future__ import annotations

import pytest

from bench.verdict import (
    Goal,
    at_least,
    at_most,
    at_most_beyond,
    at_most_times_beyond,
    judge,
    no_less_than,
    no_more_than,
    quartiles,
)

LOW = [0.60, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66]
HIGH = [0.80, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86]
WIDE = [0.40, 0.50, 0.60, 0.65, 0.75, 0.80, 0.90]


@pytest.mark.parametrize(
    ("ratios", "goal", "verdict"),
    [
        (LOW, at_most(0.7), "holds"),
        (HIGH, at_most(0.7), "fails"),
        (LOW, at_least(0.7), "fails"),
        (HIGH, at_least(0.7), "holds"),
        (WIDE, at_most(0.7), "unclear"),
        (WIDE, at_least(0.7), "unclear"),
        (WIDE, at_most(0.6), "unclear"),
    ],
)
def test_a_goal_holds_or_fails_by_the_median_and_is_unclear_within_the_quartiles(
    ratios: list[float], goal: Goal, verdict: str
) -> None:
    assert judge(ratios, goal) == verdict


def test_one_wild_ratio_decides_nothing() -> None:
    assert judge([*LOW[:-1], 50.0], at_most(0.7)) == "holds"


@pytest.mark.parametrize("goal", [at_most(0.7), at_least(0.7)])
def test_nothing_holds_or_fails_on_fewer_than_seven_ratios(goal: Goal) -> None:
    assert judge(LOW[:6], goal) == "unclear"
    assert judge(HIGH[:1], goal) == "unclear"


def test_a_goal_on_a_quartile_is_unclear() -> None:
    first, third = quartiles(LOW)
    assert judge(LOW, at_most(third)) == "unclear"
    assert judge(LOW, at_least(first)) == "unclear"


def test_a_goal_that_is_met_exactly_and_always_holds() -> None:
    assert judge([0.0] * 7, no_more_than(0, "requests")) == "holds"
    assert judge([0.0] * 6 + [3.0], no_more_than(0, "requests")) == "holds"
    assert judge([3.0] * 7, no_more_than(0, "requests")) == "fails"


def test_quartiles_are_those_of_the_ratios_in_any_order() -> None:
    assert quartiles([7, 1, 3, 2, 6, 5, 4]) == (2.5, 5.5)
    assert quartiles([4]) == (4, 4)


@pytest.mark.parametrize(
    ("goal", "text", "value", "floor", "met"),
    [
        (at_most(1.5), "≤ 1.5x", 3.0, 2.0, True),
        (at_most(1.5), "≤ 1.5x", 3.1, 2.0, False),
        (at_least(0.9), "≥ 0.9x", 9.0, 10.0, True),
        (at_least(0.9), "≥ 0.9x", 8.0, 10.0, False),
        (at_most_beyond(1.5, "ms"), "≤ +1.5 ms", 4.5, 3.0, True),
        (at_most_beyond(1.5, "ms"), "≤ +1.5 ms", 4.6, 3.0, False),
        (at_most_times_beyond(2, 5, "ms"), "≤ 2x + 5 ms", 25.0, 10.0, True),
        (at_most_times_beyond(2, 5, "ms"), "≤ 2x + 5 ms", 25.1, 10.0, False),
        (no_more_than(50, "ms"), "≤ 50 ms", 50.0, 1.0, True),
        (no_less_than(10_000, "a second"), "≥ 10000 a second", 9_999.0, 1.0, False),
    ],
)
def test_a_goal_says_what_is_compared_with_what(goal: Goal, text: str, value: float, floor: float, met: bool) -> None:
    assert goal.text == text
    assert goal.met_by(goal.compare(value, floor)) is met
