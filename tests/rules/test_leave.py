from __future__ import annotations

import pytest

from ringline_server.rules.commands import Leave
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import JoinMode
from tests.rules.world import World, rung, talking

LASTING_TALK = Settings(drop_when_alone=False)


def among(*users: str, settings: Settings | None = LASTING_TALK) -> World:
    """Return a world in which the first user has created the call with the others, and nobody rang."""
    w = World(settings=settings)
    w.create(users[0], users)
    return w


def test_L1_leaving_ends_ones_participation() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob", reason="bye")
    assert w.users_in == {"ann", "eve"}
    assert w.state == "ACTIVE"
    left = w.event("PARTICIPANT_LEFT")
    assert (left.subject_user_ids, left.reason) == (("bob",), "bye")
    assert w.viewer("bob").calling_state == "LEFT"


@pytest.mark.parametrize("leaver", ["ann", "bob"])
def test_L1_leaving_stops_nobodys_ringing_while_anyone_is_left(leaver: str) -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave(leaver)
    assert w.ringing == {"eve"}
    assert w.state == "ACTIVE"


def test_L1_who_left_can_come_in_again() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob")
    w.join("bob")
    assert w.users_in == {"ann", "bob", "eve"}


def test_L2_a_waiting_ringer_who_leaves_cancels() -> None:
    w = rung("ann", "bob", "eve")
    w.leave("ann")
    assert (w.last_ring.state, w.last_ring.reason) == ("CANCELLED", "cancel")
    assert {w.target(user).state for user in ("bob", "eve")} == {"CANCELLED"}
    assert (w.state, w.call.end_reason) == ("ENDED", "CANCELLED")


def test_L2_the_reason_of_a_leave_that_cancels_is_kept() -> None:
    w = rung("ann", "bob")
    w.leave("ann", reason="wrong number")
    assert w.last_ring.reason == "wrong number"


def test_L2_a_waiting_ringer_who_leaves_cancels_all_their_rings() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    w.leave("ann")
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "CANCELLED"]
    assert w.state == "ENDED"


def test_L2_a_waiting_ringer_who_leaves_cancels_nobody_elses_ring() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.ring("ann", "bob")
    w.ring("eve", "fay")
    w.leave("ann")
    assert (w.ringing, w.state) == ({"fay"}, "RINGING")


def test_L2_a_waiting_ringer_may_leave_from_any_device() -> None:
    w = rung("ann", "bob", device="phone")
    w.leave("ann", "laptop")
    assert w.last_ring.state == "CANCELLED"


def test_L2_a_ringer_who_joined_early_and_leaves_cancels_nothing_while_anyone_is_left() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    assert (w.ringing, w.last_ring.state) == ({"bob"}, "RINGING")
    assert w.users_in == {"eve"}


def test_L2_a_ring_no_longer_joins_a_ringer_who_has_left() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    w.join("bob")
    assert w.users_in == {"bob", "eve"}
    assert (w.last_ring.state, w.last_ring.accepted_by_id) == ("ACCEPTED", "bob")


def test_L2_a_ringer_who_was_answered_just_leaves() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("ann")
    assert (w.ringing, w.users_in) == ({"eve"}, {"bob"})
    w.join("eve")
    assert w.users_in == {"bob", "eve"}


def test_L2_a_ringer_who_leaves_again_changes_nothing() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    w.no_change(Leave(), "ann")
    assert w.ringing == {"bob"}


def test_L2_leaving_again_after_a_cancel_changes_nothing() -> None:
    w = rung("ann", "bob")
    w.leave("ann")
    w.no_change(Leave(), "ann")


@pytest.mark.parametrize("device", ["", "phone"])
def test_L2_a_ringing_targets_leave_changes_nothing(device: str) -> None:
    w = rung("ann", "bob")
    w.no_change(Leave(), "bob", device)
    assert w.ringing == {"bob"}


def test_L2_who_was_in_and_gone_before_they_rang_waits_and_so_cancels() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    w.ring("ann", "bob")
    w.leave("ann")
    assert w.last_ring.state == "CANCELLED"
    assert w.users_in == {"eve"}


def test_L2_a_ringer_who_leaves_one_of_two_devices_has_not_gone() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob", device="phone")
    w.join("ann", "phone")
    w.join("ann", "laptop", mode=JoinMode.ADD_DEVICE)
    w.leave("ann", "laptop")
    assert (w.ringing, w.last_ring.state) == ({"bob"}, "RINGING")
    assert w.devices("ann") == ["phone"]


def test_L3_an_open_ring_goes_on_while_its_ringer_waits() -> None:
    w = among("ann", "bob", "eve")
    w.join("eve")
    w.ring("ann", "bob")
    w.leave("eve")
    assert (w.ringing, w.state) == ({"bob"}, "RINGING")
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


def test_L3_who_rang_after_having_gone_waits() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    w.ring("ann", "bob")
    w.leave("eve")
    assert (w.ringing, w.state) == ({"bob"}, "RINGING")


def test_L3_an_open_ring_goes_on_while_anybody_is_in() -> None:
    w = among("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    assert w.ringing == {"bob"}


def test_L3_an_unanswered_ring_is_cancelled_when_its_ringer_has_gone_and_nobody_is_in() -> None:
    w = rung("ann", "bob", settings=LASTING_TALK)
    w.join("ann")
    w.leave("ann")
    assert (w.last_ring.state, w.target("bob").state) == ("CANCELLED", "CANCELLED")
    assert w.last_ring.ended_at == w.now


def test_L3_what_still_rings_of_an_answered_ring_is_cancelled_when_everybody_has_left() -> None:
    w = rung("ann", "bob", "eve", settings=LASTING_TALK)
    w.join("bob")
    w.leave("ann")
    w.leave("bob")
    assert w.target("eve").state == "CANCELLED"
    assert w.target("bob").state == "ACCEPTED"
    assert w.last_ring.state == "ACCEPTED"
    assert (w.state, w.call.end_reason) == ("ENDED", "EVERYONE_LEFT")


def test_L3_each_ring_is_judged_by_its_own_ringer() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.join("eve")
    w.ring("eve", "fay")
    w.ring("ann", "bob")
    w.leave("eve")
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "RINGING"]
    assert w.ringing == {"bob"}
    assert w.state == "RINGING"


def test_L4_without_a_device_all_of_the_users_devices_leave() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob")
    w.join("bob", "phone")
    w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE)
    w.leave("bob")
    assert w.users_in == {"ann", "eve"}


def test_L4_with_a_device_that_one_leaves_and_the_others_stay() -> None:
    w = among("ann", "bob")
    w.join("bob", "phone")
    w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE)
    w.leave("bob", "phone")
    assert w.devices("bob") == ["laptop"]
    assert w.viewer("bob").calling_state == "JOINED"


def test_L4_with_a_device_an_unclaimed_participation_leaves_too() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    assert w.devices("ann") == [""]
    w.leave("ann", "phone")
    assert "ann" not in w.users_in


def test_L4_a_device_takes_the_unclaimed_participation_along_and_no_other() -> None:
    w = among("ann", "bob")
    w.join("bob", "phone")
    w.join("bob", mode=JoinMode.ADD_DEVICE)
    w.leave("bob", "laptop")
    assert w.devices("bob") == ["phone"]


def test_L4_leaving_from_another_device_than_the_one_that_is_in_is_ok() -> None:
    w = among("ann", "bob")
    w.join("bob", "phone")
    w.no_change(Leave(), "bob", "laptop")
    assert w.devices("bob") == ["phone"]


@pytest.mark.parametrize("device", ["", "phone"])
def test_L4_leaving_when_never_in_is_ok(device: str) -> None:
    w = among("ann", "bob")
    w.no_change(Leave(), "bob", device)


def test_L4_leaving_a_call_that_is_over_is_ok() -> None:
    w = talking("ann", "bob")
    w.leave("bob")
    assert w.state == "ENDED"
    for user in ("ann", "bob"):
        w.no_change(Leave(), user)
