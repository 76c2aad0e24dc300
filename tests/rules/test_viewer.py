"""The words of chapter 1 (states, directions, who waits), and what a watch is told when a call stops matching (W3)."""

from __future__ import annotations

import pytest

from ringline_server.rules.commands import Join
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import JoinMode, Reason
from tests.rules.world import LASTING, World, rung, talking


def four() -> World:
    """Return a world in which ann has created the call with bob, eve and dan."""
    w = World()
    w.create("ann", ["ann", "bob", "eve", "dan"])
    return w


def abandoned() -> World:
    """Return a world in which ann's ring of bob is unanswered, and ann has been in and gone; eve is in."""
    w = four()
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    return w


def crossed() -> World:
    """Return a world in which bob, who waits no more on his unanswered ring of dan, is rung by eve."""
    w = four()
    w.join("eve")
    w.join("ann")
    w.ring("bob", "dan")
    w.join("bob")
    w.leave("bob")
    w.ring("eve", "bob")
    return w


class TestWords:
    def test_1_a_call_is_known_by_type_and_id(self) -> None:
        w = rung("ann", "bob")
        assert (w.call.type, w.call.id, w.call.cid, w.call.uid) == ("default", "standup", "default:standup", "uid-1")

    def test_1_the_creator_is_always_a_member(self) -> None:
        w = World()
        w.create("ann", ["bob"])
        assert "ann" in w.call.members

    def test_1_a_call_is_idle_then_ringing_then_active_then_ended(self) -> None:
        w = World()
        w.create("ann", ["bob"])
        states = [w.state]
        w.ring("ann")
        states.append(w.state)
        w.join("bob")
        states.append(w.state)
        w.leave("bob")
        states.append(w.state)
        assert states == ["IDLE", "RINGING", "ACTIVE", "ENDED"]

    def test_1_a_call_is_active_while_anybody_is_in_also_while_somebody_rings(self) -> None:
        w = rung("ann", "bob", "eve")
        w.join("bob")
        assert w.ringing == {"eve"}
        assert w.state == "ACTIVE"

    def test_1_a_session_is_from_the_first_ring_or_join_until_nobody_is_in_and_nobody_rings(self) -> None:
        w = World(settings=LASTING)
        w.create("ann", ["bob"])
        w.ring("ann")
        w.join("bob")
        w.leave("bob")
        assert w.call.session == 1
        w.leave("ann")
        w.join("bob")
        assert w.call.session == 2

    def test_1_a_ring_is_open_while_a_target_rings_and_unanswered_while_ringing(self) -> None:
        w = rung("ann", "bob", "eve")
        assert (w.last_ring.open, w.last_ring.unanswered, w.last_ring.ended_at) == (True, True, None)
        w.join("bob")
        assert (w.last_ring.open, w.last_ring.unanswered, w.last_ring.ended_at) == (True, False, None)
        w.reject("eve")
        assert (w.last_ring.open, w.last_ring.unanswered, w.last_ring.ended_at) == (False, False, w.now)


class TestWhoWaits:
    def test_1_a_ringer_waits_while_their_ring_is_unanswered(self) -> None:
        w = rung("ann", "bob")
        assert w.waits("ann")
        w.join("bob")
        assert not w.waits("ann")

    @pytest.mark.parametrize("how", ["left", "lost"])
    def test_1_a_ringer_who_has_been_in_and_gone_waits_no_more(self, how: str) -> None:
        w = four()
        w.ring("ann", "bob")
        w.join("ann", "laptop")
        w.join("eve")
        assert w.waits("ann")
        if how == "left":
            w.leave("ann")
        else:
            w.lose("ann", "laptop")
        assert not w.waits("ann")
        assert w.last_ring.unanswered

    def test_1_a_ringer_who_was_in_and_gone_before_they_rang_waits(self) -> None:
        w = four()
        w.join("eve")
        w.join("dan")
        w.join("ann")
        w.leave("ann")
        w.ring("ann", "bob")
        assert w.waits("ann")
        w.join("bob")
        assert "ann" in w.users_in

    def test_1_a_ringer_who_leaves_on_one_of_two_devices_waits_on(self) -> None:
        w = four()
        w.join("eve")
        w.ring("ann", "bob")
        w.join("ann", "laptop")
        w.join("ann", "phone", mode=JoinMode.ADD_DEVICE)
        w.leave("ann", "phone")
        assert w.waits("ann")
        w.leave("ann", "laptop")
        assert not w.waits("ann")

    def test_1_a_ringer_who_is_gone_and_comes_back_waits_no_more_on_that_ring(self) -> None:
        w = abandoned()
        w.join("ann")
        w.leave("ann")
        w.join("bob")
        assert w.users_in == {"bob", "eve"}


class TestCallingState:
    def test_1_joined_on_any_device(self) -> None:
        w = rung("ann", "bob")
        w.join("bob", "phone")
        assert w.viewer("bob").calling_state == "JOINED"
        assert w.viewer("ann").calling_state == "JOINED"

    def test_1_joined_comes_before_ringing(self) -> None:
        w = rung("ann", "bob")
        w.join("ann")
        assert w.viewer("ann").calling_state == "JOINED"

    def test_1_ringing_for_a_ringing_target_and_a_waiting_ringer(self) -> None:
        w = four()
        w.ring("ann", "bob")
        assert w.viewer("ann").calling_state == "RINGING"
        assert w.viewer("bob").calling_state == "RINGING"
        assert w.viewer("eve").calling_state == "IDLE"

    def test_1_left_for_a_target_who_declined_or_was_missed(self) -> None:
        w = rung("ann", "bob", "eve", "dan")
        w.join("dan")
        w.reject("bob")
        w.advance(30)
        assert w.viewer("bob").calling_state == "LEFT"
        assert w.viewer("eve").calling_state == "LEFT"

    def test_1_left_for_a_ringer_whose_ring_is_over(self) -> None:
        w = rung("ann", "bob")
        w.cancel("ann")
        assert w.viewer("ann").calling_state == "LEFT"
        assert w.viewer("bob").calling_state == "LEFT"

    def test_1_left_for_a_ringer_who_waits_no_more(self) -> None:
        w = abandoned()
        assert w.viewer("ann").calling_state == "LEFT"
        assert w.viewer("bob").calling_state == "RINGING"

    def test_1_left_for_a_participant_who_was_never_rung(self) -> None:
        w = four()
        w.join("eve")
        w.join("dan")
        w.leave("eve")
        assert w.viewer("eve").calling_state == "LEFT"
        assert w.viewer("bob").calling_state == "IDLE"

    def test_1_left_holds_until_the_next_session(self) -> None:
        w = rung("ann", "bob", "eve")
        w.cancel("ann")
        w.ring("ann", "bob")
        assert w.viewer("eve").calling_state == "IDLE"
        assert w.viewer("bob").calling_state == "RINGING"

    def test_1_whose_first_ring_is_over_but_who_is_rung_again_is_ringing(self) -> None:
        w = rung("ann", "bob", "eve")
        w.reject("bob")
        w.ring("ann", "bob")
        assert w.viewer("bob").calling_state == "RINGING"
        w.reject("bob")
        w.reject("eve")
        assert w.viewer("ann").calling_state == "LEFT"

    def test_1_left_holds_for_a_ringer_who_is_no_member_however_many_rings_follow(self) -> None:
        w = four()
        w.user("root", role="admin")
        w.join("eve")
        w.join("dan")
        w.ring("root", "bob")
        w.reject("bob")
        states = []
        for _ in range(12):
            w.ring("eve", "bob")
            decision = w.reject("bob")
            states.append(w.viewer("root").calling_state)
            assert decision.touched is not None
            assert "root" not in decision.touched
        assert set(states) == {"LEFT"}

    def test_1_left_holds_for_a_target_who_was_removed_however_many_rings_follow(self) -> None:
        w = World("livestream")
        w.create("ann", ["bob", "eve", "dan"])
        w.join("eve")
        w.join("dan")
        w.ring("ann", "bob")
        w.remove("ann", "bob")
        states = []
        for _ in range(12):
            w.ring("eve", "ann")
            w.reject("ann")
            states.append(w.viewer("bob").calling_state)
        assert set(states) == {"LEFT"}

    def test_1_a_ringer_waits_while_any_of_their_rings_is_unanswered(self) -> None:
        w = four()
        w.ring("ann", "bob")
        w.ring("ann", "eve")
        w.reject("eve")
        assert w.viewer("ann").calling_state == "RINGING"


class TestDirection:
    def test_1_for_a_ring_at_creation_it_is_created_by_me_or_not(self) -> None:
        w = rung("ann", "bob", "eve")
        assert (w.viewer("ann").direction, w.viewer("ann").created_by_me) == ("OUTGOING", True)
        for user in ("bob", "eve"):
            assert (w.viewer(user).direction, w.viewer(user).created_by_me) == ("INCOMING", False)
        w.join("bob")
        w.reject("eve")
        assert w.viewer("ann").direction == "OUTGOING"
        assert w.viewer("bob").direction == "INCOMING"
        assert w.viewer("eve").direction == "INCOMING"

    def test_1_it_is_unspecified_without_a_ring_in_the_session(self) -> None:
        w = four()
        assert w.viewer("ann").direction is None
        w.ring("ann", "bob")
        assert w.viewer("eve").direction is None
        w.cancel("ann")
        w.ring("eve", "dan")
        assert w.viewer("ann").direction is None
        assert w.viewer("bob").direction is None

    def test_1_the_creator_is_rung_too(self) -> None:
        w = four()
        w.ring("bob", "ann")
        assert w.viewer("ann").direction == "INCOMING"
        assert w.viewer("ann").created_by_me
        assert w.viewer("bob").direction == "OUTGOING"

    def test_1_incoming_comes_before_ones_own_unanswered_ring(self) -> None:
        w = crossed()
        assert w.viewer("bob").direction == "INCOMING"
        assert w.viewer("bob").calling_state == "RINGING"
        assert w.viewer("bob").ring_id == w.ring_id

    def test_1_ones_own_unanswered_ring_comes_before_the_latest(self) -> None:
        w = crossed()
        w.reject("bob")
        assert w.viewer("bob").direction == "OUTGOING"
        assert w.viewer("bob").ring_id == w.call.ring_id(1)

    def test_1_else_it_is_that_of_the_latest_ring(self) -> None:
        w = four()
        w.ring("ann", "bob")
        w.join("bob")
        w.ring("bob", "eve")
        w.reject("eve")
        assert w.viewer("bob").direction == "OUTGOING"
        assert w.viewer("ann").direction == "OUTGOING"


class TestViewer:
    def test_R3_the_viewer_of_a_target_is_told_all_that_a_ringing_screen_needs(self) -> None:
        w = World()
        w.create("ann", ["ann", "bob"], ring=True, video=True, device="laptop")
        viewer = w.viewer("bob")
        assert (viewer.ring_id, viewer.ringer_id, viewer.video) == (w.ring_id, "ann", True)
        assert viewer.target_state == "RINGING"
        assert viewer.ring_expires_at == w.at(30)

    def test_A9_the_viewer_is_told_the_device_that_acted(self) -> None:
        w = rung("ann", "bob", device="laptop")
        w.join("bob", "phone")
        assert w.viewer("ann").device_id == "laptop"
        assert w.viewer("bob").device_id == "phone"
        assert w.viewer("bob").target_state == "ACCEPTED"

    def test_1_the_relation_says_the_same_as_the_viewer(self) -> None:
        w = crossed()
        for user in ("ann", "bob", "eve", "dan", "zoe"):
            relation, viewer = w.relation(user), w.viewer(user)
            assert relation.calling_state == viewer.calling_state
            assert relation.direction == viewer.direction


class TestStopReason:
    def test_W3_accepted_on_this_device_or_elsewhere(self) -> None:
        w = rung("ann", "bob")
        w.join("bob", "phone")
        assert w.stopped("bob", "phone") == "ACCEPTED"
        assert w.stopped("bob", "tablet") == "ACCEPTED_ELSEWHERE"

    def test_W3_accepted_on_all_while_the_participation_is_unclaimed(self) -> None:
        w = rung("ann", "bob")
        w.join("bob")
        for user in ("ann", "bob"):
            assert w.stopped(user, "phone") == "ACCEPTED"
            assert w.stopped(user, "tablet") == "ACCEPTED"

    def test_W3_the_ringers_other_devices_see_accepted_elsewhere(self) -> None:
        w = rung("ann", "bob", device="laptop")
        w.join("bob")
        assert w.stopped("ann", "laptop") == "ACCEPTED"
        assert w.stopped("ann", "phone") == "ACCEPTED_ELSEWHERE"

    def test_W3_rejected_on_this_device_or_elsewhere(self) -> None:
        w = rung("ann", "bob", "eve")
        w.reject("bob", "phone")
        assert w.stopped("bob", "phone") == "REJECTED"
        assert w.stopped("bob", "tablet") == "REJECTED_ELSEWHERE"

    def test_W3_for_the_ringer_it_is_always_rejected(self) -> None:
        w = rung("ann", "bob", device="laptop")
        w.reject("bob", "phone")
        assert w.stopped("ann", "laptop") == "REJECTED"
        assert w.stopped("ann", "tablet") == "REJECTED"

    def test_W3_a_stream_without_a_device_is_never_told_elsewhere(self) -> None:
        w = rung("ann", "bob", "eve", device="laptop")
        w.reject("eve", "phone")
        w.join("bob", "phone")
        assert w.stopped("bob") == "ACCEPTED"
        assert w.stopped("ann") == "ACCEPTED"
        assert w.stopped("eve") == "REJECTED"

    def test_W3_an_act_without_a_device_is_not_elsewhere(self) -> None:
        w = rung("ann", "bob", "eve")
        w.reject("bob")
        assert w.stopped("bob", "phone") == "REJECTED"

    def test_W3_missed_for_the_target_and_the_ringer(self) -> None:
        w = rung("ann", "bob")
        w.advance(30)
        assert w.stopped("bob", "phone") == "MISSED"
        assert w.stopped("ann", "phone") == "MISSED"

    def test_W3_missed_for_a_target_whose_time_is_up_after_others_answered(self) -> None:
        w = rung("ann", "bob", "eve")
        w.join("bob")
        w.advance(30)
        assert w.stopped("eve") == "MISSED"

    def test_W3_cancelled_by_the_ringer(self) -> None:
        w = rung("ann", "bob")
        w.cancel("ann")
        assert w.stopped("bob", "phone") == "CANCELLED"
        assert w.stopped("ann", "phone") == "CANCELLED"

    def test_W3_cancelled_when_the_last_participant_leaves(self) -> None:
        w = rung("ann", "bob", "eve")
        w.join("bob")
        w.leave("bob")
        w.leave("ann")
        assert w.stopped("eve") == "CANCELLED"

    def test_W3_what_EndCall_cancels_is_ended(self) -> None:
        w = rung("ann", "bob")
        w.end("ann")
        assert w.stopped("bob") == "ENDED"
        assert w.stopped("ann") == "ENDED"

    def test_W3_what_max_duration_cancels_is_ended(self) -> None:
        w = World(settings=Settings(max_duration=5 * SECOND))
        w.create("ann", ["ann", "bob", "eve"], ring=True)
        w.join("bob")
        w.advance(5)
        assert w.state == "ENDED"
        assert w.stopped("eve") == "ENDED"

    def test_W3_a_watch_that_includes_JOINED_is_told_who_left_and_who_was_put_out(self) -> None:
        w = talking("ann", "bob")
        w.leave("bob")
        assert w.stopped("bob", watches_joined=True) == "LEFT"
        assert w.stopped("ann", watches_joined=True) == "ENDED"

    @pytest.mark.parametrize("how", ["lost", "removed"])
    def test_W3_who_was_lost_or_removed_left(self, how: str) -> None:
        w = rung("ann", "bob", "eve", type="livestream")
        w.join("bob", "phone")
        if how == "lost":
            w.lose("bob", "phone")
        else:
            w.remove("ann", "bob")
        assert w.stopped("bob", watches_joined=True) == "LEFT"

    def test_W3_EndCall_puts_everybody_out(self) -> None:
        w = talking("ann", "bob")
        w.end("ann")
        assert w.stopped("ann", watches_joined=True) == "ENDED"
        assert w.stopped("bob", watches_joined=True) == "ENDED"

    def test_W3_a_watch_that_includes_JOINED_is_told_of_the_ring_by_who_was_never_in(self) -> None:
        w = rung("ann", "bob")
        w.reject("bob", "phone")
        assert w.stopped("bob", "tablet", watches_joined=True) == "REJECTED_ELSEWHERE"

    def test_W3_a_watch_without_JOINED_is_told_of_the_ring_also_by_who_left(self) -> None:
        w = talking("ann", "bob")
        w.leave("bob")
        assert w.stopped("bob") == "ACCEPTED"

    def test_W3_the_latest_ring_counts(self) -> None:
        w = rung("ann", "bob", "eve")
        w.reject("bob")
        w.ring("ann", "bob")
        w.join("bob")
        assert w.stopped("bob") == "ACCEPTED"

    def test_W3_it_is_unspecified_for_who_has_no_ring(self) -> None:
        w = four()
        w.ring("ann", "bob")
        assert w.stopped("eve") is None
        w.cancel("ann")
        assert w.stopped("eve") is None

    def test_W3_it_is_unspecified_for_a_ringer_who_joined_early(self) -> None:
        w = rung("ann", "bob")
        w.join("ann")
        assert w.stopped("ann") is None


def test_1_a_viewer_who_has_nothing_to_do_with_the_call_is_idle() -> None:
    w = rung("ann", "bob")
    w.refused(Reason.NOT_ALLOWED, Join(), "zoe")
    viewer = w.viewer("zoe")
    assert (viewer.calling_state, viewer.direction, viewer.ring_id) == ("IDLE", None, "")
