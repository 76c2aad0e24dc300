from __future__ import annotations

import pytest

from ringline_server.rules.commands import Lose
from ringline_server.rules.context import CLOCK
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import JoinMode
from tests.rules.world import BUILT_IN, World, rung, talking

STAYING = Settings(drop_when_alone=False)


def in_twice() -> World:
    """Return a world in which bob is in on two devices, and ann too."""
    w = World(settings=STAYING)
    w.create("ann", ["ann", "bob"])
    w.join("ann", "desk")
    w.join("bob", "phone")
    w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE)
    return w


def test_T6_by_default_nobody_is_lost() -> None:
    assert {known.settings.participant_timeout for known in BUILT_IN.values()} == {0}
    assert Settings().participant_timeout == 0


def test_T6_who_is_lost_leaves_with_the_reason_lost() -> None:
    w = rung("ann", "bob", settings=STAYING)
    w.join("bob", "phone")
    w.lose("bob", "phone")
    left = w.event("PARTICIPANT_LEFT")
    assert (left.subject_user_ids, left.device_id, left.reason) == (("bob",), "phone", "lost")
    assert w.users_in == {"ann"}
    assert w.viewer("bob").calling_state == "LEFT"


def test_T6_nobody_did_it() -> None:
    w = in_twice()
    w.lose("bob", "phone")
    assert w.event("PARTICIPANT_LEFT").actor_user_id == ""
    assert w.call.cause.actor_user_id == ""


def test_T6_only_the_silent_device_leaves() -> None:
    w = in_twice()
    w.lose("bob", "phone")
    assert w.devices("bob") == ["laptop"]
    assert w.viewer("bob").calling_state == "JOINED"
    w.lose("bob", "laptop")
    assert w.users_in == {"ann"}


def test_T6_an_unclaimed_participation_is_lost_as_any_other() -> None:
    w = talking("ann", "bob", settings=STAYING)
    w.lose("bob", "")
    assert w.users_in == {"ann"}


@pytest.mark.parametrize(("user", "device"), [("bob", "tablet"), ("bob", ""), ("zoe", "phone")])
def test_T6_who_is_not_in_on_that_device_is_not_lost(user: str, device: str) -> None:
    w = in_twice()
    before = w.call
    outcome = w.decide(Lose(user, device), CLOCK)
    assert isinstance(outcome, Decision)
    assert (outcome.call, outcome.events) == (before, ())


def test_T6_who_was_lost_can_join_again() -> None:
    w = in_twice()
    w.lose("ann", "desk")
    w.join("ann", "desk")
    assert w.users_in == {"ann", "bob"}


def test_T6_others_go_on_ringing_while_anyone_is_left() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob", "phone")
    w.lose("bob", "phone")
    assert (w.ringing, w.users_in, w.state) == ({"eve"}, {"ann"}, "ACTIVE")


def test_T6_a_lost_ringer_waits_no_more() -> None:
    w = World(settings=STAYING)
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob", device="phone")
    w.join("ann", "phone")
    w.join("eve")
    w.lose("ann", "phone")
    assert w.ringing == {"bob"}
    w.join("bob")
    assert w.users_in == {"bob", "eve"}


def test_T6_a_ring_is_cancelled_with_the_last_one_who_is_lost() -> None:
    w = rung("ann", "bob", device="phone")
    w.join("ann", "phone")
    w.lose("ann", "phone")
    assert (w.last_ring.state, w.target("bob").state) == ("CANCELLED", "CANCELLED")
    assert (w.state, w.call.end_reason) == ("ENDED", "EVERYONE_LEFT")


def test_T6_a_waiting_ringer_who_is_not_in_cannot_be_lost() -> None:
    w = rung("ann", "bob", device="phone")
    before = w.call
    w.lose("ann", "phone")
    assert w.call == before
