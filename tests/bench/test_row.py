from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.report import table, write
from bench.row import measured, missing, part_of_goal
from bench.verdict import Goal, at_least, at_most, at_most_beyond, at_most_times_beyond, no_less_than

VALUES = [2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2]
FLOORS = [4.0, 4.4, 4.8, 5.2, 5.6, 6.0, 6.4]


def test_ratios_are_those_of_the_pairs_not_of_the_medians() -> None:
    row = measured("cost", "envoy", at_most(0.7), [1, 2, 3, 4, 5, 6, 70], [2, 4, 6, 8, 10, 12, 14])
    assert (row.value, row.floor, row.ratio) == (4, 8, 0.5)
    assert row.holds == "holds"


def test_each_value_needs_the_floor_of_its_round() -> None:
    try:
        measured("cost", "envoy", at_most(0.7), VALUES, FLOORS[:-1])
    except ValueError:
        return
    raise AssertionError


def test_a_row_without_a_floor_is_judged_by_its_values() -> None:
    row = measured("rate", "none", no_less_than(2, "a second"), VALUES)
    assert (row.value, row.floor, row.ratio, row.holds) == (2.6, None, 2.6, "holds")


def test_a_missing_row_says_why_and_holds_nothing() -> None:
    row = missing("cost", "envoy", at_most(0.7), "no such wire")
    assert row.holds == "missing: no such wire"
    assert (row.value, row.ratio) == (None, None)


@pytest.mark.parametrize(
    ("goal", "ratio", "part"),
    [
        (at_most(0.5), 0.25, 0.5),
        (at_least(0.5), 0.25, 2.0),
        (at_most_beyond(1.5, "ms"), 3.0, 2.0),
        (at_most_times_beyond(2, 5, "ms"), 1.0, 0.5),
        (no_less_than(10_000, "a second"), 20_000.0, 0.5),
    ],
)
def test_a_picture_shows_how_much_of_a_goal_is_used_up(goal: Goal, ratio: float, part: float) -> None:
    assert part_of_goal(missing("cost", "envoy", goal, "why"), ratio) == part


def test_the_file_has_a_list_of_rows_with_these_keys(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    write([measured("cost", "envoy", at_most(0.7), VALUES, FLOORS), missing("m", "grpcio", at_most(1), "why")], path)
    first, second = json.loads(path.read_text(encoding="utf-8"))
    assert list(first) == ["name", "wire", "value", "floor", "ratio", "spread", "goal", "holds"]
    assert first == {
        "name": "cost",
        "wire": "envoy",
        "value": 2.6,
        "floor": 5.2,
        "ratio": 0.5,
        "spread": [0.5, 0.5],
        "goal": "≤ 0.7x",
        "holds": "holds",
    }
    assert second["spread"] is None


def test_the_table_shows_every_row_with_goal_and_verdict() -> None:
    text = table([measured("cost", "envoy", at_most(0.7), VALUES, FLOORS), missing("m", "grpcio", at_most(1), "why")])
    head, first, second = text.splitlines()
    assert head.split() == ["what", "wire", "value", "floor", "ratio", "quartiles", "goal", "verdict"]
    assert first.split() == ["cost", "envoy", "2.6", "5.2", "0.5", "0.5", "to", "0.5", "≤", "0.7x", "holds"]
    assert second.endswith("missing: why")
