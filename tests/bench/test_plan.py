from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.plan import Plan


def plan(tmp_path: Path, *, quick: bool) -> Plan:
    return Plan(quick=quick, folder=tmp_path, lacking={}, canned=tmp_path / "canned.json")


def test_every_second_round_goes_backwards(tmp_path: Path) -> None:
    order: list[str] = []
    measures = [partial(order.append, name) for name in "AB"]
    plan(tmp_path, quick=False).rounds_of(measures)
    assert "".join(order) == "ABBAABBAABBAAB"


def test_results_of_one_round_stand_at_one_place(tmp_path: Path) -> None:
    numbers = iter(range(100))

    def take(name: str) -> tuple[str, int]:
        return name, next(numbers)

    first, second = plan(tmp_path, quick=False).rounds_of([partial(take, "A"), partial(take, "B")])
    assert first == [("A", 0), ("A", 3), ("A", 4), ("A", 7), ("A", 8), ("A", 11), ("A", 12)]
    assert second == [("B", 1), ("B", 2), ("B", 5), ("B", 6), ("B", 9), ("B", 10), ("B", 13)]


def test_a_quick_look_is_one_round(tmp_path: Path) -> None:
    assert plan(tmp_path, quick=True).rounds == 1
