from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ringline_server.rules.commands import Join
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import JoinMode, Reason
from tests.rules.world import LASTING, World, rung, talking


def test_A1_a_join_by_a_ringing_target_is_the_answer() -> None:
    w = rung("ann", "bob")
    w.advance(3)
    answer = w.join("bob", "phone").answer
    target = w.target("bob")
    assert (target.state, target.device_id, target.updated_at) == ("ACCEPTED", "phone", w.now)
    assert answer.participant == w.participant("bob")
    assert (w.participant("bob").device_id, w.participant("bob").joined_at) == ("phone", w.now)
    assert w.state == "ACTIVE"
    assert w.cause == "CALL_ACCEPTED"
    assert w.event("CALL_ACCEPTED").subject_user_ids == ("bob",)
    assert w.event("CALL_ACCEPTED").ring_id == w.ring_id


def test_A1_naming_the_ring_answers_it_too() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    assert w.target("bob").state == "ACCEPTED"
    assert w.users_in == {"ann", "bob"}


def test_A2_first_accept_joins_the_ringer() -> None:
    w = rung("ann", "bob", device="laptop")
    before = w.call.revision
    w.advance(3)
    w.join("bob", "phone")
    assert w.call.revision == before + 1
    assert w.users_in == {"ann", "bob"}
    ring = w.last_ring
    assert (ring.state, ring.accepted_at, ring.accepted_by_id) == ("ACCEPTED", w.now, "bob")
    assert w.participant("ann").joined_at == w.now
    assert w.happened == ["CALL_ACCEPTED", "PARTICIPANT_JOINED"]
    assert w.event("PARTICIPANT_JOINED").subject_user_ids == ("ann",)


def test_A2_the_ringer_is_joined_once() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("ann")
    w.join("eve")
    assert w.users_in == {"bob", "eve"}
    assert w.last_ring.accepted_by_id == "bob"


def test_A2_a_ringer_who_joined_early_is_not_joined_again() -> None:
    w = rung("ann", "bob")
    w.join("ann", "laptop")
    w.join("bob", "phone")
    assert w.devices("ann") == ["laptop"]
    assert w.last_ring.state == "ACCEPTED"
    assert w.happened == ["CALL_ACCEPTED"]


def test_A2_a_ringer_who_waits_no_more_is_not_joined() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    assert w.last_ring.state == "RINGING"
    w.join("bob")
    assert w.last_ring.state == "ACCEPTED"
    assert w.users_in == {"bob", "eve"}


def test_A2_a_member_who_was_not_rung_answers_when_nobody_is_in() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.join("eve")
    assert (w.last_ring.state, w.last_ring.accepted_by_id) == ("ACCEPTED", "eve")
    assert w.users_in == {"ann", "eve"}
    assert w.ringing == {"bob"}
    assert w.cause == "CALL_ACCEPTED"


def test_A2_a_target_who_declined_and_then_joins_answers_when_nobody_is_in() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.join("bob")
    assert (w.last_ring.state, w.last_ring.accepted_by_id) == ("ACCEPTED", "bob")
    assert w.users_in == {"ann", "bob"}
    assert w.target("bob").state == "REJECTED"
    assert w.ringing == {"eve"}


def test_A2_a_member_who_was_not_rung_does_not_answer_when_somebody_is_in() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    assert w.last_ring.state == "RINGING"
    assert w.ringing == {"bob"}
    assert w.cause == "PARTICIPANT_JOINED"


def test_A2_somebody_who_is_no_member_does_not_answer() -> None:
    w = rung("ann", "bob", type="livestream")
    w.join("zoe")
    assert w.last_ring.state == "RINGING"
    assert w.users_in == {"zoe"}
    assert w.viewer("ann").calling_state == "RINGING"
    assert w.cause == "PARTICIPANT_JOINED"


def test_A2_one_join_into_an_empty_call_answers_every_waiting_ringer() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    w.join("bob")
    assert w.users_in == {"ann", "bob", "eve"}
    assert [ring.state for ring in w.call.rings] == ["ACCEPTED", "ACCEPTED"]
    assert w.ringing == {"dan"}


def test_A2_a_waiting_ringer_who_joins_an_empty_call_answers_the_others_ring_but_not_their_own() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    w.join("ann")
    assert w.users_in == {"ann", "eve"}
    assert [ring.state for ring in w.call.rings] == ["RINGING", "ACCEPTED"]


def test_A2_all_rings_of_the_ringer_are_not_answered_by_the_target_of_one_while_somebody_is_in() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    w.join("ann")
    w.join("bob")
    assert [ring.state for ring in w.call.rings] == ["ACCEPTED", "RINGING"]
    assert w.ringing == {"eve"}


def test_A3_other_targets_go_on_ringing_until_they_answer() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    assert w.ringing == {"eve"}
    w.advance(5)
    w.join("eve", "phone")
    assert w.users_in == {"ann", "bob", "eve"}
    assert (w.target("eve").state, w.target("eve").device_id) == ("ACCEPTED", "phone")
    assert w.last_ring.accepted_by_id == "bob"
    assert w.cause == "CALL_ACCEPTED"


def test_A3_other_targets_go_on_ringing_until_their_time_is_up() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.advance(29)
    assert w.ringing == {"eve"}
    w.advance(1)
    assert w.target("eve").state == "MISSED"
    assert w.users_in == {"ann", "bob"}
    assert w.last_ring.state == "ACCEPTED"


def test_A3_other_targets_go_on_ringing_until_the_call_stops() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("bob")
    assert w.ringing == {"eve"}
    w.leave("ann")
    assert w.target("eve").state == "CANCELLED"
    assert w.state == "ENDED"


def test_A3_nobody_but_the_ringer_is_joined_by_somebody_elses_act() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob", "eve")
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


def test_A4_the_first_device_to_answer_wins() -> None:
    w = rung("ann", "bob")
    ring_id = w.ring_id
    w.join("bob", "phone", ring_id=ring_id)
    for named in (ring_id, ""):
        refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(named), "bob", "tablet")
        assert refusal.metadata["device_id"] == "phone"
    assert w.devices("bob") == ["phone"]
    assert w.target("bob").device_id == "phone"


def test_A4_the_other_devices_see_answered_elsewhere() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    assert w.stopped("bob", "tablet") == "ACCEPTED_ELSEWHERE"
    assert w.stopped("bob", "phone") == "ACCEPTED"


def test_A5_joining_again_from_the_same_device_returns_the_same_participation() -> None:
    w = rung("ann", "bob")
    ring_id = w.ring_id
    first = w.join("bob", "phone", ring_id=ring_id).answer.participant
    w.advance(60)
    for named in (ring_id, ""):
        again = w.no_change(Join(named), "bob", "phone")
        assert again.answer.participant == first


@pytest.mark.parametrize("mode", JoinMode)
def test_A5_it_holds_in_every_mode(mode: JoinMode) -> None:
    w = talking("ann", "bob")
    w.join("bob", "phone")
    again = w.no_change(Join(mode=mode), "bob", "phone")
    assert again.answer.participant == w.participant("bob")


def test_A6_a_member_who_was_not_rung_may_join() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.join("bob")
    w.join("eve")
    assert w.users_in == {"ann", "bob", "eve"}
    assert w.cause == "PARTICIPANT_JOINED"
    assert w.participant("eve").ring == 0


def test_A6_anyone_with_join_call_may_join_a_call_that_nobody_rang() -> None:
    w = World("livestream")
    w.create("ann")
    w.join("zoe")
    assert w.state == "ACTIVE"
    assert w.call.started_at == w.now


def test_A6_who_lacks_join_call_may_not_join() -> None:
    w = rung("ann", "bob")
    w.refused(Reason.NOT_ALLOWED, Join(), "zoe")


def test_A6_a_past_rejection_bars_no_join() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.join("eve")
    w.join("bob")
    assert w.users_in == {"ann", "bob", "eve"}
    assert w.target("bob").state == "REJECTED"


def test_A6_a_past_miss_bars_no_join() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.advance(30)
    assert w.target("eve").state == "MISSED"
    w.join("eve")
    assert w.users_in == {"ann", "bob", "eve"}
    assert w.target("eve").state == "MISSED"
    assert w.target("eve").missed


def test_A6_a_past_leave_bars_no_join() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob")
    w.join("bob")
    assert w.users_in == {"ann", "bob", "eve"}
    assert w.cause == "PARTICIPANT_JOINED"


def test_A6_a_waiting_ringer_who_joins_early_is_in_and_their_ring_stays_unanswered() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("ann", "laptop")
    assert w.users_in == {"ann"}
    assert w.last_ring.state == "RINGING"
    assert w.ringing == {"bob"}
    assert w.state == "ACTIVE"
    assert w.cause == "PARTICIPANT_JOINED"
    assert w.viewer("ann").calling_state == "JOINED"
    w.advance(30)
    assert w.last_ring.state == "MISSED"


def test_A6_a_waiting_ringer_may_join_early_by_naming_their_ring() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("ann", "laptop", ring_id=w.ring_id)
    assert w.users_in == {"ann"}
    assert w.last_ring.state == "RINGING"


def test_A7_a_user_may_be_in_several_calls_at_once() -> None:
    one, other = rung("ann", "bob"), rung("eve", "bob")
    one.join("bob")
    other.join("bob")
    assert "bob" in one.users_in
    assert "bob" in other.users_in


def test_A8_an_ended_call_cannot_be_joined() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(4)
    w.cancel("ann")
    ended = w.now
    w.advance(60)
    for user in ("ann", "bob"):
        refusal = w.refused(Reason.CALL_ENDED, Join(), user)
        assert refusal.metadata["end_reason"] == "CANCELLED"
        assert refusal.metadata["ended_at"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ended)


def test_A8_a_call_that_was_ended_for_everyone_cannot_be_joined() -> None:
    w = talking("ann", "bob")
    w.end("ann")
    refusal = w.refused(Reason.CALL_ENDED, Join(), "bob")
    assert refusal.metadata["end_reason"] == "ENDED_BY_USER"


def test_A9_the_ringer_who_is_joined_is_in_on_the_device_that_rang() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob")
    assert w.devices("ann") == ["laptop"]
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(), "ann", "phone")
    assert refusal.metadata["device_id"] == "laptop"


def test_A9_a_ringer_who_named_no_device_is_unclaimed_until_their_first_join_names_one() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    joined = w.participant("ann").joined_at
    w.advance(1)
    answer = w.join("ann", "laptop").answer
    assert w.devices("ann") == ["laptop"]
    assert answer.participant == w.participant("ann")
    assert w.participant("ann").joined_at == joined
    w.refused(Reason.JOINED_ELSEWHERE, Join(), "ann", "tablet")


def test_A9_a_target_who_answered_without_a_device_is_claimed_too() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    assert w.devices("bob") == ["phone"]


def test_A9_an_unclaimed_participation_is_claimed_however_it_arose() -> None:
    w = World(settings=LASTING)
    w.create("ann", ["bob"])
    w.join("bob")
    w.join("bob", "phone")
    assert w.devices("bob") == ["phone"]


@pytest.mark.parametrize("mode", JoinMode)
def test_A9_claiming_is_one_participation_in_every_mode(mode: JoinMode) -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob")
    w.join("bob", "phone", mode=mode)
    assert w.devices("bob") == ["phone"]
    assert w.state == "ACTIVE"


def test_A9_claiming_tells_the_viewer_the_device() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    w.join("ann", "laptop")
    w.join("bob", "phone")
    assert w.viewer("ann").device_id == "laptop"
    assert w.viewer("bob").device_id == "phone"
    assert w.stopped("bob", "tablet") == "ACCEPTED_ELSEWHERE"


def test_A9_requests_without_a_device_are_all_one_device() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    w.no_change(Join(), "bob")
    w.join("bob", "phone")
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(), "bob")
    assert refusal.metadata["device_id"] == "phone"
    w.join("bob", mode=JoinMode.ADD_DEVICE)
    assert w.devices("bob") == ["", "phone"]
    w.no_change(Join(), "bob")


def test_A10_a_second_device_is_refused_unless_it_says_how() -> None:
    w = talking("ann", "bob")
    w.join("bob", "phone")
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(), "bob", "tablet")
    assert refusal.metadata["device_id"] == "phone"
    assert "MOVE_DEVICE" in refusal.message
    assert "ADD_DEVICE" in refusal.message


def test_A10_with_ADD_DEVICE_both_are_in() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob", "phone")
    answer = w.join("bob", "tablet", mode=JoinMode.ADD_DEVICE).answer
    assert w.devices("bob") == ["phone", "tablet"]
    assert answer.participant is not None
    assert answer.participant.device_id == "tablet"
    assert w.users_in == {"ann", "bob"}
    assert w.cause == "PARTICIPANT_JOINED"
    w.no_change(Join(), "bob", "phone")
    w.no_change(Join(), "bob", "tablet")


def test_A10_with_MOVE_DEVICE_all_others_leave_in_the_same_step() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob", "phone")
    w.join("bob", "tablet", mode=JoinMode.ADD_DEVICE)
    before = w.call.revision
    answer = w.join("bob", "watch", mode=JoinMode.MOVE_DEVICE).answer
    assert w.devices("bob") == ["watch"]
    assert w.call.revision == before + 1
    assert answer.participant == w.participant("bob")
    assert w.happened == ["PARTICIPANT_JOINED", "PARTICIPANT_LEFT", "PARTICIPANT_LEFT"]
    assert w.cause == "PARTICIPANT_JOINED"
    assert {event.device_id for event in w.decision.events} == {"watch", "phone", "tablet"}


def test_A10_with_MOVE_DEVICE_the_others_leave_also_when_one_is_in_here_already() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob", "phone")
    w.join("bob", "tablet", mode=JoinMode.ADD_DEVICE)
    joined = w.call.participants[-1]
    answer = w.join("bob", "tablet", mode=JoinMode.MOVE_DEVICE).answer
    assert w.call.participants[-1] == joined == answer.participant
    assert w.devices("bob") == ["tablet"]


def test_A10_who_moves_has_not_gone() -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("ann", "laptop")
    w.join("ann", "phone", mode=JoinMode.MOVE_DEVICE)
    assert w.last_ring.state == "RINGING"
    assert w.viewer("ann").calling_state == "JOINED"
    assert w.stopped("ann", "laptop", watches_joined=True) is None
    assert w.viewer("ann").ring_expires_at is not None
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


def test_A10_the_only_one_in_may_move() -> None:
    w = World()
    w.create("ann", ["bob"])
    w.join("bob", "phone")
    w.join("bob", "tablet", mode=JoinMode.MOVE_DEVICE)
    assert w.state == "ACTIVE"
    assert w.devices("bob") == ["tablet"]


@pytest.mark.parametrize("mode", [JoinMode.ADD_DEVICE, JoinMode.MOVE_DEVICE])
def test_A10_a_device_may_be_added_or_moved_to_by_naming_the_ring_that_brought_the_user_in(mode: JoinMode) -> None:
    w = rung("ann", "bob", device="laptop")
    w.join("bob", "phone", ring_id=w.ring_id)
    w.join("bob", "tablet", ring_id=w.ring_id, mode=mode)
    assert "tablet" in w.devices("bob")
    w.join("ann", "watch", ring_id=w.ring_id, mode=mode)
    assert "watch" in w.devices("ann")


@pytest.mark.parametrize("mode", JoinMode)
def test_A10_a_mode_does_not_matter_to_who_is_not_in(mode: JoinMode) -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", mode=mode)
    assert w.devices("bob") == ["phone"]
    assert w.target("bob").state == "ACCEPTED"


def test_X6_a_join_that_names_a_ring_which_is_over_answers_nothing() -> None:
    w = rung("ann", "bob", "eve")
    old = w.ring_id
    w.reject("bob", "phone")
    w.ring("ann", "bob")
    refusal = w.refused(Reason.RING_OVER, Join(old), "bob")
    assert refusal.metadata["ring_id"] == old
    assert refusal.metadata["target_state"] == "REJECTED"
    assert refusal.metadata["call_state"] == "RINGING"
    assert refusal.metadata["device_id"] == "phone"
    assert w.target("bob").state == "RINGING"
    w.join("bob", ring_id=w.ring_id)
    assert w.target("bob").state == "ACCEPTED"


def test_X6_RING_OVER_tells_what_became_of_the_ring_and_the_call() -> None:
    w = rung("ann", "bob", "eve")
    w.join("eve")
    w.advance(30)
    refusal = w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    assert refusal.metadata["target_state"] == "MISSED"
    assert refusal.metadata["call_state"] == "ACTIVE"
    assert refusal.metadata["accepted_by"] == "eve"


def test_X6_RING_OVER_tells_why_the_call_ended() -> None:
    w = rung("ann", "bob")
    w.advance(30)
    refusal = w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    assert refusal.metadata["target_state"] == "MISSED"
    assert refusal.metadata["call_state"] == "ENDED"
    assert refusal.metadata["end_reason"] == "NO_ANSWER"


def test_X6_a_ring_that_is_over_does_not_answer_another_calls_session() -> None:
    w = rung("ann", "bob")
    old = w.ring_id
    w.cancel("ann")
    w.ring("ann")
    w.refused(Reason.RING_OVER, Join(old), "bob")
    assert w.ringing == {"bob"}


def test_X6_naming_somebody_elses_ring_does_not_answer_ones_own() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.ring("dan", "eve")
    w.refused(Reason.RING_OVER, Join(w.call.ring_id(2)), "bob")
    assert w.ringing == {"bob", "eve"}


def test_X6_who_came_in_by_another_ring_is_told_RING_OVER_on_the_same_device() -> None:
    w = rung("ann", "bob", "eve")
    old = w.ring_id
    w.reject("bob", "phone")
    w.ring("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    w.refused(Reason.RING_OVER, Join(old), "bob", "phone")


def test_X6_who_is_in_on_another_device_is_told_so() -> None:
    w = rung("ann", "bob", "eve")
    old = w.ring_id
    w.reject("bob", "phone")
    w.ring("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(old), "bob", "tablet")
    assert refusal.metadata["device_id"] == "phone"


def test_X6_who_answered_and_left_cannot_come_back_by_the_old_ring() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob")
    w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    w.join("bob")
    assert "bob" in w.users_in


def test_X6_naming_the_ring_that_brought_one_in_as_ringer_claims_that_participation() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    w.join("ann", "laptop", ring_id=w.ring_id)
    assert w.devices("ann") == ["laptop"]
    w.no_change(Join(w.ring_id), "ann", "laptop")


def test_X6_naming_the_ring_that_brought_one_in_as_target_claims_that_participation() -> None:
    w = rung("ann", "bob")
    w.join("bob", ring_id=w.ring_id)
    w.join("bob", "phone", ring_id=w.ring_id)
    assert w.devices("bob") == ["phone"]


def test_X6_naming_the_ring_that_connected_two_who_called_at_once_returns_the_participation() -> None:
    w = rung("ann", "bob", device="laptop")
    ring_id = w.create("bob", ["ann", "bob"], ring=True, device="phone").answer.ring_id
    w.no_change(Join(ring_id), "bob", "phone")
    w.no_change(Join(ring_id), "ann", "laptop")


def test_X6_a_ring_is_over_for_its_ringer_only_when_it_is_closed() -> None:
    w = rung("ann", "bob")
    w.reject("bob")
    w.refused(Reason.RING_OVER, Join(w.ring_id), "ann")


@pytest.mark.parametrize(
    "wrong", ["nonsense", "uid-1", "uid-1.", "uid-1.0", "uid-1.01", "uid-1.2", "uid-1.\u0661", "uid-2.1"]
)
def test_X6_a_ring_that_was_never_this_calls_is_refused(wrong: str) -> None:
    w = rung("ann", "bob")
    assert w.ring_id == "uid-1.1"
    refusal = w.refused(Reason.INVALID_FIELD, Join(wrong), "bob")
    assert [path for path, _ in refusal.fields] == ["ring_id"]


def test_X6_an_old_ring_is_known_after_its_rows_are_gone() -> None:
    w = rung("ann", "bob", settings=Settings(auto_cancel_timeout=5 * SECOND))
    first = w.ring_id
    for _ in range(30):
        w.advance(5)
        w.ring("ann")
    assert w.call.ring(1) is None
    w.refused(Reason.RING_OVER, Join(first), "bob")
    assert w.ringing == {"bob"}


def test_A10_moving_to_a_device_that_is_in_already_puts_the_others_out_and_is_a_join() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    w.join("bob", "tablet", mode=JoinMode.ADD_DEVICE)
    decision = w.join("bob", "phone", mode=JoinMode.MOVE_DEVICE)
    assert decision.call.cause.type == "PARTICIPANT_JOINED"
    assert [one.device_id for one in w.call.participants if one.user_id == "bob"] == ["phone"]
