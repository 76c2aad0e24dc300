from __future__ import annotations

import pytest

from ringline_server.rules.commands import Cancel, Join
from ringline_server.rules.terms import Reason
from tests.rules.world import World, rung, talking


def two_rings() -> World:
    """Return a world in which ann rings bob and, by another ring, eve."""
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    return w


def test_K1_a_ringer_who_cancels_closes_the_ring_and_its_targets() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(3)
    w.cancel("ann")
    assert (w.last_ring.state, w.last_ring.reason, w.last_ring.ended_at) == ("CANCELLED", "cancel", w.now)
    assert [w.target(user).state for user in ("bob", "eve")] == ["CANCELLED", "CANCELLED"]
    assert w.cause == "CALL_CANCELLED"
    assert w.event("CALL_CANCELLED").reason == "cancel"
    assert w.event("CALL_CANCELLED").ring_id == w.ring_id
    assert (w.state, w.call.end_reason) == ("ENDED", "CANCELLED")


def test_K1_a_reason_may_be_given() -> None:
    w = rung("ann", "bob")
    w.cancel("ann", reason="wrong number")
    assert w.last_ring.reason == "wrong number"
    assert w.event("CALL_CANCELLED").reason == "wrong number"


def test_K1_all_unanswered_rings_of_the_ringer_are_closed() -> None:
    w = two_rings()
    w.cancel("ann")
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "CANCELLED"]
    assert w.state == "ENDED"


def test_K1_a_named_ring_is_closed_alone() -> None:
    w = two_rings()
    w.cancel("ann", ring_id=w.call.ring_id(1))
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "RINGING"]
    assert w.ringing == {"eve"}
    assert w.state == "RINGING"


def test_K1_targets_who_were_done_keep_their_state() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.cancel("ann")
    assert w.target("bob").state == "REJECTED"
    assert w.target("eve").state == "CANCELLED"
    assert w.last_ring.state == "CANCELLED"
    assert w.call.end_reason == "CANCELLED"


def test_K1_any_device_of_the_ringer_may_cancel() -> None:
    w = rung("ann", "bob", device="laptop")
    w.cancel("ann", "phone")
    assert w.last_ring.state == "CANCELLED"


def test_K1_another_ringers_ring_goes_on() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    w.cancel("ann")
    assert w.ringing == {"dan"}
    assert w.state == "RINGING"


def test_K1_a_cancel_does_not_stop_a_call_in_which_people_talk() -> None:
    w = talking("ann", "bob")
    w.add("ann", "eve", ring=True)
    w.cancel("ann")
    assert w.last_ring.state == "CANCELLED"
    assert w.target("eve").state == "CANCELLED"
    assert w.users_in == {"ann", "bob"}


def test_K1_an_answered_ring_is_not_closed_with_the_unanswered() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob", "eve")
    w.join("bob")
    w.ring("ann", "dan")
    w.cancel("ann")
    assert w.ringing == {"eve"}
    assert [ring.state for ring in w.call.rings] == ["ACCEPTED", "CANCELLED"]


def test_K1_a_ringer_who_joined_early_may_cancel() -> None:
    w = rung("ann", "bob")
    w.join("ann")
    w.cancel("ann")
    assert w.last_ring.state == "CANCELLED"
    assert (w.state, w.call.end_reason) == ("ENDED", "CANCELLED")


def test_K1_a_ringer_who_is_gone_may_still_cancel() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.join("eve")
    w.join("dan")
    w.ring("ann", "bob")
    w.join("ann")
    w.leave("ann")
    assert w.ringing == {"bob"}
    w.cancel("ann")
    assert w.ringing == set()
    assert w.users_in == {"eve", "dan"}


def test_K2_a_ring_that_was_answered_cannot_be_cancelled() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    for ring_id in ("", w.ring_id):
        refusal = w.refused(Reason.ALREADY_ACCEPTED, Cancel(ring_id), "ann")
        assert refusal.metadata["accepted_by"] == "bob"
        assert "LeaveCall" in refusal.message
    assert w.ringing == {"eve"}


def test_K2_while_another_ring_is_unanswered_that_one_is_cancelled() -> None:
    w = talking("ann", "bob")
    w.add("ann", "eve", ring=True)
    w.cancel("ann")
    assert w.last_ring.state == "CANCELLED"


def test_K2_only_the_latest_ring_counts() -> None:
    w = talking("ann", "bob")
    first = w.ring_id
    w.add("ann", "eve", ring=True)
    w.reject("eve")
    w.no_change(Cancel(), "ann")
    w.no_change(Cancel(first), "ann")


def test_K2_it_counts_only_while_the_call_is_active() -> None:
    w = talking("ann", "bob")
    w.leave("bob")
    assert w.state == "ENDED"
    w.no_change(Cancel(), "ann")
    w.no_change(Cancel(w.ring_id), "ann")


def test_K2_it_counts_only_in_the_present_session() -> None:
    w = talking("ann", "bob")
    w.leave("bob")
    w.add("ann", "eve")
    w.ring("bob", "eve")
    w.join("eve")
    assert w.state == "ACTIVE"
    w.no_change(Cancel(), "ann")


def test_K3_an_accept_after_the_cancel_gets_the_final_state() -> None:
    w = rung("ann", "bob")
    w.cancel("ann")
    refusal = w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    assert refusal.metadata["target_state"] == "CANCELLED"
    assert refusal.metadata["call_state"] == "ENDED"
    refusal = w.refused(Reason.CALL_ENDED, Join(), "bob")
    assert refusal.metadata["end_reason"] == "CANCELLED"


def test_K3_a_cancel_after_the_accept_gets_the_final_state() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    refusal = w.refused(Reason.ALREADY_ACCEPTED, Cancel(w.ring_id), "ann")
    assert refusal.metadata["state"] == "ACTIVE"
    assert w.users_in == {"ann", "bob"}


@pytest.mark.parametrize("how", ["rejected", "missed", "cancelled", "ended"])
def test_K4_cancelling_what_is_over_otherwise_is_ok(how: str) -> None:
    w = rung("ann", "bob")
    if how == "rejected":
        w.reject("bob")
    elif how == "missed":
        w.advance(30)
    elif how == "cancelled":
        w.cancel("ann", reason="first")
    else:
        w.end("ann")
    decision = w.no_change(Cancel(), "ann")
    assert decision.call.state == "ENDED"
    w.no_change(Cancel(w.ring_id, "again"), "ann")


def test_K4_who_rang_in_an_earlier_session_may_cancel_without_effect() -> None:
    w = rung("ann", "bob")
    w.reject("bob")
    w.add("ann", "eve")
    w.ring("eve", "bob")
    w.no_change(Cancel(), "ann")
    assert w.ringing == {"bob"}


def test_K4_a_ringer_who_is_no_member_may_cancel_without_effect_however_many_rings_followed() -> None:
    w = talking("ann", "bob", "eve")
    w.user("root", role="admin")
    w.add("ann", "dan")
    w.ring("root", "dan")
    w.reject("dan")
    for _ in range(12):
        w.ring("ann", "dan")
        w.reject("dan")
    w.no_change(Cancel(), "root")


def test_K4_who_never_rang_may_not_cancel() -> None:
    w = rung("ann", "bob", "eve")
    w.refused(Reason.NOT_ALLOWED, Cancel(), "bob")
    w.refused(Reason.NOT_ALLOWED, Cancel(w.ring_id), "bob")
    w.join("bob")
    w.refused(Reason.NOT_ALLOWED, Cancel(), "bob")


def test_K4_who_never_rang_may_not_cancel_a_call_that_was_never_rung() -> None:
    w = World()
    w.create("ann", ["bob"])
    w.refused(Reason.NOT_ALLOWED, Cancel(), "ann")


def test_K1_nobody_cancels_somebody_elses_ring_by_naming_it() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    w.refused(Reason.NOT_ALLOWED, Cancel(w.call.ring_id(1)), "eve")
    assert w.ringing == {"bob", "dan"}


def test_X6_a_late_cancel_does_not_kill_another_ring() -> None:
    w = rung("ann", "bob")
    old = w.ring_id
    w.reject("bob")
    w.ring("ann")
    w.no_change(Cancel(old), "ann")
    assert w.ringing == {"bob"}


def test_X6_a_late_cancel_of_an_answered_ring_does_not_kill_the_unanswered() -> None:
    w = talking("ann", "bob")
    first = w.ring_id
    w.add("ann", "eve", ring=True)
    w.no_change(Cancel(first), "ann")
    assert w.ringing == {"eve"}
