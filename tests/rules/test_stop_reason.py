from __future__ import annotations

from collections.abc import Callable

import pytest

from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import JoinMode
from tests.rules.world import World, rung, talking

DEVICES = ("", "phone", "laptop")
"""Those of a stream: none, the one that acts in these tests, and another."""

SHORT = Settings(max_duration=20 * SECOND)


def by_max_duration(w: World) -> None:
    w.join("eve")
    w.advance(20)


def by_the_last_leave(w: World) -> None:
    w.join("eve")
    w.leave("ann")
    w.leave("eve")


RINGS: dict[str, tuple[Callable[[World], object], tuple[str, str, str], tuple[str, str, str]]] = {
    "accept": (
        lambda w: w.join("bob", "phone"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"),
    ),
    "accept without a device": (
        lambda w: w.join("bob"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"),
    ),
    "reject": (
        lambda w: (w.reject("eve"), w.reject("bob", "phone")),
        ("REJECTED", "REJECTED", "REJECTED_ELSEWHERE"),
        ("REJECTED", "REJECTED", "REJECTED"),
    ),
    "reject without a device": (
        lambda w: (w.reject("eve"), w.reject("bob")),
        ("REJECTED", "REJECTED", "REJECTED"),
        ("REJECTED", "REJECTED", "REJECTED"),
    ),
    "busy": (
        lambda w: (w.reject("eve"), w.reject("bob", "phone", reason="busy")),
        ("REJECTED", "REJECTED", "REJECTED_ELSEWHERE"),
        ("REJECTED", "REJECTED", "REJECTED"),
    ),
    "time-out": (
        lambda w: w.advance(30),
        ("MISSED", "MISSED", "MISSED"),
        ("MISSED", "MISSED", "MISSED"),
    ),
    "cancel": (
        lambda w: w.cancel("ann", "phone"),
        ("CANCELLED", "CANCELLED", "CANCELLED"),
        ("CANCELLED", "CANCELLED", "CANCELLED"),
    ),
    "the ringer's leave": (
        lambda w: w.leave("ann"),
        ("CANCELLED", "CANCELLED", "CANCELLED"),
        ("CANCELLED", "CANCELLED", "CANCELLED"),
    ),
    "end": (
        lambda w: w.end("ann"),
        ("ENDED", "ENDED", "ENDED"),
        ("ENDED", "ENDED", "ENDED"),
    ),
    "max_duration": (
        by_max_duration,
        ("ENDED", "ENDED", "ENDED"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"),
    ),
    "nobody is in any more": (
        by_the_last_leave,
        ("CANCELLED", "CANCELLED", "CANCELLED"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"),
    ),
}
"""How ann's ring of bob and eve, from her phone, may be over, and what bob's and ann's streams on DEVICES are told."""


def called(how: str) -> World:
    """Return a world in which ann's ring is over in this way."""
    w = rung("ann", "bob", "eve", device="phone", settings=SHORT if how == "max_duration" else None)
    RINGS[how][0](w)
    return w


@pytest.mark.parametrize("how", RINGS)
def test_W3_what_a_targets_streams_are_told_of_their_latest_ring(how: str) -> None:
    w = called(how)
    assert tuple(w.stopped("bob", device) for device in DEVICES) == RINGS[how][1]


@pytest.mark.parametrize("how", RINGS)
def test_W3_what_the_ringers_streams_are_told_of_their_latest_ring(how: str) -> None:
    w = called(how)
    assert tuple(w.stopped("ann", device) for device in DEVICES) == RINGS[how][2]


@pytest.mark.parametrize("how", RINGS)
def test_W3_who_was_never_in_is_told_the_same_with_JOINED_in_the_filter(how: str) -> None:
    w = called(how)
    if not w.call.is_in("bob"):
        for device in DEVICES:
            assert w.stopped("bob", device, watches_joined=True) == w.stopped("bob", device)


@pytest.mark.parametrize("how", RINGS)
def test_W3_a_stream_that_names_no_device_is_never_told_elsewhere(how: str) -> None:
    w = called(how)
    for user in ("ann", "bob", "eve"):
        assert "ELSEWHERE" not in (w.stopped(user) or "")


def test_W3_while_they_ring_nothing_says_why() -> None:
    w = rung("ann", "bob")
    assert (w.stopped("ann"), w.stopped("bob")) == (None, None)


def test_W3_who_was_never_rung_is_told_nothing() -> None:
    w = rung("ann", "bob")
    w.add("ann", "eve")
    w.reject("bob")
    assert w.stopped("eve") is None
    assert w.stopped("eve", watches_joined=True) is None


def test_W3_each_target_is_told_of_their_own_outcome() -> None:
    w = rung("ann", "bob", "eve", "fay")
    w.reject("bob")
    w.join("eve")
    w.advance(30)
    assert [w.stopped(user) for user in ("bob", "eve", "fay", "ann")] == ["REJECTED", "ACCEPTED", "MISSED", "ACCEPTED"]


def test_W3_who_was_removed_from_a_call_they_may_still_read_was_cancelled() -> None:
    w = rung("ann", "bob", "eve", type="livestream")
    w.remove("ann", "bob")
    assert w.stopped("bob") == "CANCELLED"


def test_W3_a_claim_names_the_device_that_acted() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    for user in ("ann", "bob"):
        assert w.stopped(user, "laptop") == "ACCEPTED"
        w.join(user, "phone")
        assert [w.stopped(user, device) for device in DEVICES] == ["ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"]


# In, and no longer.


def gone(how: Callable[[World], object], settings: Settings | None = None) -> World:
    """Return a world in which ann, bob and eve were in, bob on his phone, and then this happened."""
    w = rung("ann", "bob", "eve", type="livestream", settings=settings)
    w.join("bob", "phone")
    w.join("eve")
    how(w)
    return w


LEFT: dict[str, Callable[[World], object]] = {
    "leave": lambda w: w.leave("bob"),
    "leave on the device": lambda w: w.leave("bob", "phone"),
    "loss": lambda w: w.lose("bob", "phone"),
    "removal": lambda w: w.remove("ann", "bob"),
}

PUT_OUT: dict[str, tuple[Callable[[World], object], Settings | None]] = {
    "end": (lambda w: w.end("ann"), None),
    "max_duration": (lambda w: w.advance(20), SHORT),
    "left alone": (lambda w: (w.leave("ann"), w.leave("eve")), Settings()),
}


@pytest.mark.parametrize("how", LEFT)
def test_W3_with_JOINED_who_left_is_told_LEFT_on_every_device(how: str) -> None:
    w = gone(LEFT[how])
    assert {w.stopped("bob", device, watches_joined=True) for device in DEVICES} == {"LEFT"}


@pytest.mark.parametrize("how", PUT_OUT)
def test_W3_with_JOINED_who_was_put_out_is_told_ENDED_on_every_device(how: str) -> None:
    w = gone(*PUT_OUT[how])
    assert {w.stopped("bob", device, watches_joined=True) for device in DEVICES} == {"ENDED"}


@pytest.mark.parametrize("how", LEFT)
def test_W3_without_JOINED_who_left_is_told_of_their_ring(how: str) -> None:
    w = gone(LEFT[how])
    assert [w.stopped("bob", device) for device in DEVICES] == ["ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"]


@pytest.mark.parametrize("how", PUT_OUT)
def test_W3_without_JOINED_who_was_put_out_is_told_of_their_ring(how: str) -> None:
    w = gone(*PUT_OUT[how])
    assert [w.stopped("bob", device) for device in DEVICES] == ["ACCEPTED", "ACCEPTED", "ACCEPTED_ELSEWHERE"]


def test_W3_who_left_before_the_end_is_told_LEFT() -> None:
    w = gone(lambda w: (w.leave("bob"), w.end("ann")))
    assert w.stopped("bob", watches_joined=True) == "LEFT"
    assert w.stopped("eve", watches_joined=True) == "ENDED"


def test_W3_who_left_and_came_back_and_was_put_out_is_told_ENDED() -> None:
    w = gone(lambda w: (w.leave("bob"), w.join("bob"), w.end("ann")))
    assert w.stopped("bob", watches_joined=True) == "ENDED"


def test_W3_who_left_and_was_rung_in_vain_is_told_that_they_left() -> None:
    w = gone(lambda w: (w.leave("bob"), w.ring("ann", "bob"), w.reject("bob")))
    assert w.stopped("bob", watches_joined=True) == "LEFT"
    assert w.stopped("bob") == "REJECTED"


def test_W3_who_leaves_one_of_two_devices_has_not_left() -> None:
    w = gone(lambda w: (w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE), w.leave("bob", "phone")))
    assert w.stopped("bob", "phone", watches_joined=True) != "LEFT"


def test_W3_a_guest_who_was_never_rung_is_told_LEFT_with_JOINED_only() -> None:
    w = gone(lambda w: (w.join("zoe"), w.leave("zoe")))
    assert w.stopped("zoe", watches_joined=True) == "LEFT"
    assert w.stopped("zoe") is None


# The latest ring.


def test_W3_the_latest_ring_is_the_one_that_counts() -> None:
    w = talking("ann", "eve")
    w.add("ann", "bob", ring=True)
    w.reject("bob", "phone")
    assert w.stopped("bob", "laptop") == "REJECTED_ELSEWHERE"
    w.ring("ann", "bob")
    assert w.stopped("bob", "laptop") is None
    w.advance(30)
    assert w.stopped("bob", "laptop") == "MISSED"
    w.ring("ann", "bob")
    w.join("bob", "laptop")
    assert w.stopped("bob", "laptop") == "ACCEPTED"


def test_W3_who_called_back_is_told_of_their_own_ring() -> None:
    w = rung("ann", "bob")
    w.advance(30)
    w.ring("bob", "ann")
    w.cancel("bob")
    assert (w.stopped("bob"), w.stopped("ann")) == ("CANCELLED", "CANCELLED")


def test_W3_a_ring_of_an_earlier_session_counts_for_who_was_not_rung_since() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.reject("eve")
    w.ring("ann", "eve")
    w.cancel("ann")
    assert (w.stopped("bob"), w.stopped("eve")) == ("REJECTED", "CANCELLED")


def test_W3_a_ring_that_was_cancelled_before_the_end_stays_cancelled() -> None:
    w = rung("ann", "bob")
    w.cancel("ann")
    w.end("ann")
    assert (w.stopped("bob"), w.stopped("ann")) == ("CANCELLED", "CANCELLED")


def test_W3_a_ringer_who_joined_early_elsewhere_is_not_told_elsewhere_there() -> None:
    w = rung("ann", "bob", device="phone")
    w.join("ann", "laptop")
    w.join("bob")
    assert w.stopped("ann", "laptop") == "ACCEPTED"
