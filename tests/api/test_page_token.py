"""Page tokens: for one list, and harmless whoever makes one up (X5)."""

from __future__ import annotations

from typing import Any

import pytest

from ringline_server.api.page_token import make_token, read_number, read_token


@pytest.mark.parametrize("place", [(None, "uid"), (1_700_000_000_000_000, "uid"), (-5, "")])
def test_a_place_comes_back(place: tuple[int | None, str]) -> None:
    assert read_token(make_token(place, "list", "ann"), "list", "ann") == place


@pytest.mark.parametrize("number", [0, 7, 2**63 - 1])
def test_a_number_comes_back(number: int) -> None:
    assert read_number(make_token(number, "list"), "list") == number


def test_a_token_belongs_to_its_list() -> None:
    token = make_token((1, "uid"), "list", "ann")

    assert read_token(token, "list", "bob") is None
    assert read_token(token, "listann") is None
    assert read_token(token + "A", "list", "ann") is None
    assert read_number(token, "list", "ann") is None


@pytest.mark.parametrize(
    "place",
    [
        -1,
        2**63,
        "x",
        None,
        [],
        [1],
        [1, 2],
        [2**64, "uid"],
        ["1", "uid"],
        [1.5, "uid"],
        [1, "\ud800"],
        {},
        [1, "x" * 600],
    ],
)
def test_X5_a_token_that_somebody_made_up_is_damaged(place: Any) -> None:  # noqa: ANN401 -- it is anything
    token = make_token(place, "list")

    assert read_number(token, "list") is None
    assert read_token(token, "list") is None


def test_X5_a_token_that_nests_without_end_is_damaged() -> None:
    place: Any = []
    for _ in range(400):
        place = [place]

    assert read_token(make_token(place, "list"), "list") is None
