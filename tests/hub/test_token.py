from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringline_server.hub.filter import Filter
from ringline_server.hub.token import ResetReason, Tokens
from ringline_server.rules.context import Actor
from ringline_server.rules.terms import CallingState, Direction

ANN = Actor("ann")
FILTER = Filter.of().digest()


def tokens(*, epoch: str = "one", actor: Actor = ANN, filter_digest: bytes = FILTER) -> Tokens:
    return Tokens(epoch, actor, filter_digest)


@given(st.integers(0, 2**63 - 1))
def test_W4_a_token_says_its_position(position: int) -> None:
    assert tokens().decode(tokens().encode(position), 2**63 - 1) == position


@given(st.text(max_size=100))
def test_W4_a_made_up_token_is_damaged_and_no_error(token: str) -> None:
    assert tokens().decode(token, 5) is ResetReason.DAMAGED


def test_W4_a_token_with_one_letter_changed_is_damaged() -> None:
    good = tokens().encode(5)
    for index, letter in enumerate(good):
        bad = good[:index] + ("A" if letter != "A" else "B") + good[index + 1 :]
        assert tokens().decode(bad, 5) is ResetReason.DAMAGED


def _with_letters_of_urls() -> str:
    return next(token for token in map(tokens().encode, range(1000)) if "-" in token and "_" in token)


@pytest.mark.parametrize(
    "bad",
    [
        tokens().encode(5) + "=",
        tokens().encode(5) + "==",
        tokens().encode(5) + "\n",
        " " + tokens().encode(5),
        tokens().encode(5)[:20] + "!" + tokens().encode(5)[20:],
        _with_letters_of_urls().replace("-", "+"),
        _with_letters_of_urls().replace("_", "/"),
    ],
)
def test_W4_a_token_that_is_written_otherwise_is_damaged(bad: str) -> None:
    assert tokens().decode(bad, 1000) is ResetReason.DAMAGED


def test_W4_another_users_token_starts_again() -> None:
    assert tokens(actor=Actor("bob")).decode(tokens().encode(5), 5) is ResetReason.OTHER_USER


def test_W4_a_services_token_is_not_that_of_the_user_of_its_name() -> None:
    service = tokens(actor=Actor(service_id="ann"))
    assert tokens().decode(service.encode(5), 5) is ResetReason.OTHER_USER


def test_W4_a_service_that_acts_as_a_user_has_the_users_tokens() -> None:
    assert tokens(actor=Actor("ann", "backend")).decode(tokens().encode(5), 5) == 5


def test_W4_a_token_is_for_the_same_user_on_any_device() -> None:
    assert tokens(actor=Actor("ann", device_id="phone")).decode(tokens().encode(5), 5) == 5


@pytest.mark.parametrize("other", [Actor("ann", role="admin"), Actor("ann", teams=frozenset({"red"}))])
def test_W4_with_another_role_or_team_another_picture_is_true_and_the_token_starts_again(other: Actor) -> None:
    assert tokens(actor=other).decode(tokens().encode(5), 5) is ResetReason.OTHER_USER


def test_W4_a_token_of_the_future_starts_again() -> None:
    assert tokens().decode(tokens().encode(6), 5) is ResetReason.FUTURE


def test_W4_a_token_of_another_history_starts_again() -> None:
    assert tokens(epoch="two").decode(tokens().encode(5), 5) is ResetReason.FUTURE


@pytest.mark.parametrize(
    "other",
    [
        Filter.of(directions=frozenset({Direction.INCOMING})),
        Filter.of(calling_states=frozenset({CallingState.JOINED})),
        Filter.of(types=frozenset({"default"})),
        Filter.of(cids=frozenset({"default:a"})),
    ],
)
def test_W4_a_token_of_another_filter_starts_again(other: Filter) -> None:
    assert tokens(filter_digest=other.digest()).decode(tokens().encode(5), 5) is ResetReason.OTHER_FILTER


def test_W4_a_filter_that_names_the_default_is_the_same_filter() -> None:
    named = Filter.of(calling_states=frozenset({CallingState.RINGING}), directions=frozenset(Direction))
    assert named.digest() == FILTER
