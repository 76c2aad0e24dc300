from __future__ import annotations

import pytest

from ringline_server.rules.commands import Cancel, Reject
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import Reason
from tests.rules.world import World, rung, talking

QUICK_TARGETS = Settings(auto_cancel_timeout=60 * SECOND, incoming_call_timeout=10 * SECOND)


def test_J1_a_ringing_target_who_rejects_is_rejected() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(3)
    w.reject("bob", "phone")
    target = w.target("bob")
    assert (target.state, target.reason, target.device_id) == ("REJECTED", "decline", "phone")
    assert target.updated_at == w.now
    assert w.cause == "CALL_REJECTED"
    assert w.event("CALL_REJECTED").subject_user_ids == ("bob",)
    assert w.event("CALL_REJECTED").reason == "decline"


@pytest.mark.parametrize("reason", ["busy", "timeout", "I am driving"])
def test_J1_a_reason_may_be_given(reason: str) -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", reason=reason)
    assert w.target("bob").reason == reason
    assert w.event("CALL_REJECTED").reason == reason


def test_J1_all_devices_of_the_user_stop() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", "phone")
    assert w.ringing == {"eve"}
    assert w.viewer("bob").calling_state == "LEFT"
    assert w.stopped("bob", "tablet") == "REJECTED_ELSEWHERE"
    assert w.stopped("bob", "phone") == "REJECTED"


def test_J1_naming_the_ring_rejects_it_too() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", ring_id=w.ring_id)
    assert w.target("bob").state == "REJECTED"


def test_J1_a_target_of_an_answered_ring_may_reject() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.reject("eve")
    assert w.target("eve").state == "REJECTED"
    assert w.users_in == {"ann", "bob"}
    assert w.last_ring.state == "ACCEPTED"


def test_J2_the_call_stops_when_every_callee_refuses() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    assert w.state == "RINGING"
    w.reject("eve")
    assert w.last_ring.state == "REJECTED"
    assert w.last_ring.ended_at == w.now
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("ENDED", "ALL_REJECTED", w.now)
    assert w.happened == ["CALL_REJECTED", "CALL_ENDED"]
    assert w.cause == "CALL_REJECTED"


def test_J2_a_ring_of_which_somebody_missed_it_is_missed() -> None:
    w = rung("ann", "bob", "eve", settings=QUICK_TARGETS)
    w.reject("bob")
    w.advance(10)
    assert w.target("eve").state == "MISSED"
    assert w.last_ring.state == "MISSED"
    assert (w.state, w.call.end_reason) == ("ENDED", "NO_ANSWER")


def test_J2_a_ring_that_was_rejected_and_cancelled_is_rejected() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.remove("ann", "eve")
    assert w.target("eve").state == "CANCELLED"
    assert w.last_ring.state == "REJECTED"
    assert w.call.end_reason == "ALL_REJECTED"


def test_J2_a_ring_of_which_all_were_removed_is_cancelled() -> None:
    w = rung("ann", "bob", "eve")
    w.remove("ann", "bob", "eve")
    assert w.last_ring.state == "CANCELLED"
    assert (w.state, w.call.end_reason) == ("ENDED", "CANCELLED")


@pytest.mark.parametrize("reason", ["busy", "timeout"])
def test_J2_that_a_rejection_counts_as_missed_plays_no_part(reason: str) -> None:
    w = rung("ann", "bob")
    w.reject("bob", reason=reason)
    assert w.target("bob").missed
    assert w.last_ring.state == "REJECTED"


def test_E3_a_call_is_busy_when_each_rejection_of_its_ring_says_so() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", reason="busy")
    w.reject("eve", reason="busy")
    assert w.call.end_reason == "BUSY"


def test_E3_a_call_is_all_rejected_when_only_some_say_busy() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", reason="busy")
    w.reject("eve")
    assert w.call.end_reason == "ALL_REJECTED"


def test_J2_a_ring_that_closes_does_not_stop_a_call_in_which_people_talk() -> None:
    w = talking("ann", "bob")
    w.add("ann", "eve", ring=True)
    w.reject("eve")
    assert w.last_ring.state == "REJECTED"
    assert w.users_in == {"ann", "bob"}
    assert w.state == "ACTIVE"


def test_J2_a_ring_that_closes_does_not_stop_another() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    w.reject("bob")
    assert w.ring_number(1).state == "REJECTED"
    assert w.ringing == {"dan"}
    assert w.state == "RINGING"


def test_J2_the_call_of_a_ringer_who_joined_early_stops_too() -> None:
    w = rung("ann", "bob", "eve")
    w.join("ann")
    w.reject("bob")
    w.reject("eve")
    assert (w.state, w.call.end_reason) == ("ENDED", "ALL_REJECTED")


def test_J3_one_refusal_in_a_group_ring_changes_nothing_for_the_others() -> None:
    w = rung("ann", "bob", "eve", "dan")
    before = [w.target("eve"), w.target("dan")]
    ring = w.last_ring
    w.advance(2)
    w.reject("bob")
    assert [w.target("eve"), w.target("dan")] == before
    assert (w.last_ring.state, w.last_ring.expires_at) == ("RINGING", ring.expires_at)
    assert w.viewer("ann").calling_state == "RINGING"


def test_J4_rejecting_again_is_ok_and_changes_nothing() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", "phone")
    w.no_change(Reject(reason="busy"), "bob", "tablet")
    w.no_change(Reject(w.ring_id), "bob", "tablet")
    assert w.target("bob").reason == "decline"


def test_J4_rejecting_what_was_missed_is_ok() -> None:
    w = rung("ann", "bob")
    w.advance(30)
    w.no_change(Reject(), "bob")
    w.no_change(Reject(w.ring_id), "bob")


def test_J4_rejecting_what_was_missed_in_a_running_call_is_ok() -> None:
    w = rung("ann", "bob", "eve")
    w.join("eve")
    w.advance(30)
    w.no_change(Reject(w.ring_id), "bob")
    assert w.target("bob").state == "MISSED"


def test_J4_rejecting_what_was_cancelled_is_ok() -> None:
    w = rung("ann", "bob")
    w.cancel("ann")
    decision = w.no_change(Reject(), "bob")
    assert decision.call.state == "ENDED"


def test_J4_rejecting_on_a_call_that_stopped_is_ok() -> None:
    w = rung("ann", "bob")
    w.end("ann")
    w.no_change(Reject(), "bob")


def test_J4_rejecting_by_a_member_who_was_never_rung_is_ok() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.no_change(Reject(), "eve")
    w.ring("ann", "bob")
    w.no_change(Reject(), "eve")
    w.no_change(Reject(), "ann")
    assert w.ringing == {"bob"}


def test_J4_rejecting_after_ones_own_accept_is_refused() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    for ring_id in ("", w.ring_id):
        refusal = w.refused(Reason.ALREADY_ACCEPTED, Reject(ring_id), "bob", "tablet")
        assert refusal.metadata["device_id"] == "phone"
        assert refusal.metadata["state"] == "ACTIVE"
        assert "LeaveCall" in refusal.message


def test_J4_rejecting_after_ones_own_accept_is_ok_once_the_call_is_over() -> None:
    w = talking("ann", "bob")
    w.leave("ann")
    assert w.state == "ENDED"
    w.no_change(Reject(), "bob")
    w.no_change(Reject(w.ring_id), "bob")


def test_J4_only_the_latest_ring_counts() -> None:
    w = talking("ann", "bob", "eve")
    first = w.ring_id
    w.leave("bob")
    w.ring("ann", "bob")
    w.reject("bob")
    assert w.target("bob").state == "REJECTED"
    w.no_change(Reject(), "bob")
    w.no_change(Reject(first), "bob")


def test_J4_only_the_present_session_counts() -> None:
    w = talking("ann", "bob", "eve")
    first = w.ring_id
    w.leave("ann")
    w.leave("bob")
    assert w.state == "ENDED"
    w.ring("ann", "eve")
    w.join("eve")
    assert w.state == "ACTIVE"
    w.no_change(Reject(), "bob")
    w.no_change(Reject(first), "bob")


def test_J5_the_server_never_says_busy_by_itself() -> None:
    one, other = talking("ann", "bob"), rung("eve", "bob")
    assert "bob" in one.users_in
    assert other.ringing == {"bob"}


def test_J5_a_device_that_is_busy_says_so() -> None:
    w = rung("ann", "bob")
    w.reject("bob", reason="busy")
    assert w.target("bob").reason == "busy"
    assert w.call.end_reason == "BUSY"


def test_X6_a_late_reject_does_not_kill_another_ring() -> None:
    w = rung("ann", "bob", "eve")
    old = w.ring_id
    w.reject("bob")
    w.ring("ann", "bob")
    w.no_change(Reject(old), "bob")
    assert w.target("bob").state == "RINGING"


def test_X6_naming_somebody_elses_ring_does_not_reject_ones_own() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("dan", "eve")
    w.no_change(Reject(w.call.ring_id(2)), "bob")
    assert w.ringing == {"bob", "eve"}


def test_X6_a_late_reject_of_an_earlier_session_does_not_kill_the_present_ring() -> None:
    w = rung("ann", "bob")
    old = w.ring_id
    w.cancel("ann")
    w.ring("ann")
    w.no_change(Reject(old), "bob")
    assert w.ringing == {"bob"}


@pytest.mark.parametrize("wrong", ["nonsense", "uid-1.0", "uid-1.2", "uid-2.1"])
def test_X6_to_reject_or_cancel_a_ring_that_was_never_this_calls_is_refused(wrong: str) -> None:
    w = rung("ann", "bob")
    refusal = w.refused(Reason.INVALID_FIELD, Reject(wrong), "bob")
    assert [path for path, _ in refusal.fields] == ["ring_id"]
    w.refused(Reason.INVALID_FIELD, Cancel(wrong), "ann")


def test_X6_a_late_reject_of_a_ring_whose_rows_are_gone_is_ok() -> None:
    w = rung("ann", "bob", settings=Settings(auto_cancel_timeout=5 * SECOND))
    first = w.ring_id
    for _ in range(30):
        w.advance(5)
        w.ring("ann")
    w.no_change(Reject(first), "bob")
    w.no_change(Cancel(first), "ann")
    assert w.ringing == {"bob"}
