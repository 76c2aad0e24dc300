from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ringline_server.rules.call import Ring
from ringline_server.rules.commands import Cancel, Join, Reject, Tick
from ringline_server.rules.context import CLOCK
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import DAY, SECOND, Settings
from ringline_server.rules.terms import Reason
from tests.rules.world import BUILT_IN, World, rung, talking
from tests.rules.world_extra import STATES, Walk, quiet

MICROSECOND = 1 / SECOND
AUTO_FIRST = Settings(auto_cancel_timeout=20 * SECOND, incoming_call_timeout=60 * SECOND)
TARGETS_FIRST = Settings(auto_cancel_timeout=60 * SECOND, incoming_call_timeout=20 * SECOND)
SHORT = Settings(max_duration=100 * SECOND)
SHORT_ROOM = replace(SHORT, end_when_empty=False, drop_when_alone=False)


def unmoved_by_tick(w: World) -> None:
    """Expect that nothing is due."""
    before = w.call
    assert w.tick().events == ()
    assert w.call == before


# T1: the ring.


def test_T1_an_unanswered_ring_is_missed_when_its_time_is_up() -> None:
    w = rung("ann", "bob", "eve", settings=AUTO_FIRST)
    w.jump(20)
    w.tick()
    assert (w.last_ring.state, w.last_ring.end_reason, w.last_ring.ended_at) == ("MISSED", "NO_ANSWER", w.now)
    assert {w.target(user).state for user in ("bob", "eve")} == {"MISSED"}


def test_T1_then_the_call_stops() -> None:
    w = rung("ann", "bob", settings=AUTO_FIRST)
    w.advance(20)
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("ENDED", "NO_ANSWER", w.now)


def test_T1_then_a_call_in_which_people_talk_goes_on() -> None:
    w = talking("ann", "bob", settings=AUTO_FIRST)
    w.add("ann", "eve", "fay")
    w.ring("fay", "eve")
    w.advance(20)
    assert w.last_ring.state == "MISSED"
    assert (w.state, w.users_in) == ("ACTIVE", {"ann", "bob"})


def test_T1_not_a_moment_before() -> None:
    w = rung("ann", "bob", settings=AUTO_FIRST)
    w.jump(20 - MICROSECOND)
    unmoved_by_tick(w)
    w.jump(MICROSECOND)
    w.tick()
    assert w.last_ring.state == "MISSED"


def test_T1_who_had_refused_stays_so() -> None:
    w = rung("ann", "bob", "eve", settings=AUTO_FIRST)
    w.reject("bob")
    w.advance(20)
    assert (w.target("bob").state, w.target("eve").state) == ("REJECTED", "MISSED")
    assert w.last_ring.state == "MISSED"


def test_T1_it_is_void_once_the_ring_is_answered() -> None:
    w = rung("ann", "bob", "eve", settings=AUTO_FIRST)
    w.join("bob")
    w.advance(40)
    unmoved_by_tick(w)
    assert (w.last_ring.state, w.ringing, w.state) == ("ACCEPTED", {"eve"}, "ACTIVE")


def test_T1_a_ringer_who_joined_early_does_not_answer_it() -> None:
    w = rung("ann", "bob", settings=AUTO_FIRST)
    w.join("ann")
    w.advance(20)
    assert w.last_ring.state == "MISSED"


# T2: each target.


def test_T2_a_target_that_still_rings_by_then_is_missed() -> None:
    w = rung("ann", "bob", "eve", settings=TARGETS_FIRST)
    w.advance(20)
    assert {w.target(user).state for user in ("bob", "eve")} == {"MISSED"}


def test_T2_with_the_last_target_the_ring_closes_before_its_own_time() -> None:
    w = rung("ann", "bob", settings=TARGETS_FIRST)
    w.advance(20)
    assert (w.last_ring.state, w.last_ring.ended_at) == ("MISSED", w.now)
    assert (w.state, w.call.end_reason) == ("ENDED", "NO_ANSWER")


def test_T2_also_after_others_accepted() -> None:
    w = rung("ann", "bob", "eve", settings=AUTO_FIRST)
    w.join("bob")
    w.advance(60 - MICROSECOND)
    assert w.ringing == {"eve"}
    w.advance(MICROSECOND)
    assert (w.target("eve").state, w.target("bob").state) == ("MISSED", "ACCEPTED")
    assert (w.last_ring.state, w.state) == ("ACCEPTED", "ACTIVE")


def test_T2_each_target_has_its_own_time() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.advance(10)
    w.ring("ann", "eve")
    w.advance(20)
    assert (w.target("bob").state, w.target("eve").state) == ("MISSED", "RINGING")
    assert w.state == "RINGING"
    w.advance(10)
    assert w.target("eve").state == "MISSED"
    assert w.state == "ENDED"


# T3: how long.


def test_T3_both_times_are_thirty_seconds_by_default() -> None:
    w = rung("ann", "bob")
    assert (w.last_ring.expires_at, w.target("bob").expires_at) == (w.at(30), w.at(30))
    assert {known.settings.auto_cancel_timeout for known in BUILT_IN.values()} == {30 * SECOND}
    assert {known.settings.incoming_call_timeout for known in BUILT_IN.values()} == {30 * SECOND}


def test_T3_by_default_a_session_lasts_a_day_at_most() -> None:
    assert {known.settings.max_duration for known in BUILT_IN.values()} == {DAY}
    w = talking("ann", "bob")
    w.advance(24 * 3600 - MICROSECOND)
    assert w.state == "ACTIVE"
    w.advance(MICROSECOND)
    assert (w.state, w.call.end_reason) == ("ENDED", "MAX_DURATION")


def test_T3_max_duration_ends_the_session_for_all_who_are_in() -> None:
    w = talking("ann", "bob", "eve", settings=SHORT)
    w.advance(100)
    assert (w.state, w.call.end_reason, w.users_in) == ("ENDED", "MAX_DURATION", set())
    assert w.call.ended_at == w.now


def test_T3_max_duration_counts_from_when_the_first_came_in() -> None:
    w = rung("ann", "bob", settings=SHORT)
    w.advance(20)
    w.join("bob")
    assert w.call.started_at == w.now
    w.advance(100 - MICROSECOND)
    assert w.state == "ACTIVE"
    w.advance(MICROSECOND)
    assert w.call.end_reason == "MAX_DURATION"


def test_T3_who_comes_later_moves_nothing() -> None:
    w = talking("ann", "bob", settings=SHORT)
    w.advance(60)
    w.add("ann", "eve")
    w.join("eve")
    w.advance(40)
    assert w.call.end_reason == "MAX_DURATION"


def test_T3_max_duration_cancels_what_rings() -> None:
    w = talking("ann", "bob", settings=SHORT)
    w.advance(90)
    w.add("ann", "eve", ring=True)
    w.advance(10)
    assert (w.last_ring.state, w.target("eve").state) == ("CANCELLED", "CANCELLED")
    assert w.last_ring.end_reason == "MAX_DURATION"
    assert w.target("eve").missed


def test_T3_a_room_can_be_used_again_after_max_duration() -> None:
    w = talking("ann", "bob", settings=SHORT_ROOM)
    w.advance(100)
    assert (w.state, w.call.end_reason, w.users_in) == ("IDLE", "MAX_DURATION", set())
    w.join("bob")
    assert (w.call.session, w.state) == (2, "ACTIVE")
    w.advance(100 - MICROSECOND)
    assert w.state == "ACTIVE"
    w.advance(MICROSECOND)
    assert (w.state, w.call.end_reason) == ("IDLE", "MAX_DURATION")


def test_T3_a_call_that_max_duration_ended_is_not_ended_for_good() -> None:
    w = talking("ann", "bob", settings=SHORT)
    w.advance(100)
    w.ring("ann")
    assert (w.state, w.call.session) == ("RINGING", 2)


def test_T3_max_duration_does_not_count_while_a_call_only_rings() -> None:
    w = rung("ann", "bob", settings=replace(AUTO_FIRST, max_duration=10 * SECOND))
    w.advance(15)
    assert w.state == "RINGING"


@pytest.mark.parametrize("name", ["auto_cancel_timeout", "incoming_call_timeout"])
@pytest.mark.parametrize("seconds", [5, 300])
def test_T3_a_change_of_settings_moves_no_deadline_of_an_open_ring(name: str, seconds: int) -> None:
    w = rung("ann", "bob", "eve")
    ring, due = w.last_ring, w.next_deadline
    w.advance(3)
    w.update("ann", **{name: seconds * SECOND})
    assert (w.last_ring, w.next_deadline) == (ring, due)
    w.advance(27 - MICROSECOND)
    assert w.ringing == {"bob", "eve"}
    w.advance(MICROSECOND)
    assert w.last_ring.state == "MISSED"


def test_T3_a_change_of_settings_holds_for_the_next_ring() -> None:
    w = quiet()
    w.update("ann", auto_cancel_timeout=40 * SECOND, incoming_call_timeout=50 * SECOND)
    w.ring("ann")
    assert (w.last_ring.expires_at, w.target("bob").expires_at) == (w.at(40), w.at(50))


def test_T3_a_change_of_max_duration_holds_for_the_session_that_goes_on() -> None:
    w = talking("ann", "bob")
    w.advance(60)
    w.update("ann", max_duration=100 * SECOND)
    w.advance(40)
    assert w.call.end_reason == "MAX_DURATION"


# T4: the command decides.


def test_T4_an_accept_that_is_decided_before_the_time_out_wins() -> None:
    w = rung("ann", "bob")
    w.jump(31)
    w.join("bob")
    assert (w.target("bob").state, w.state) == ("ACCEPTED", "ACTIVE")
    unmoved_by_tick(w)
    assert "CALL_MISSED" not in [event.type for event in w.history]


@pytest.mark.parametrize("command", [Reject(), Cancel()], ids=["reject", "cancel"])
def test_T4_so_does_any_other_end_of_the_ring(command: Reject | Cancel) -> None:
    w = rung("ann", "bob")
    w.jump(31)
    w.ok(command, "bob" if isinstance(command, Reject) else "ann")
    state = w.target("bob").state
    assert state in ("REJECTED", "CANCELLED")
    w.tick()
    assert w.target("bob").state == state


def test_T4_an_accept_that_is_decided_after_the_time_out_loses() -> None:
    w = rung("ann", "bob")
    ring_id = w.ring_id
    w.jump(30)
    w.tick()
    w.refused(Reason.CALL_ENDED, Join(), "bob")
    w.refused(Reason.RING_OVER, Join(ring_id), "bob")
    assert (w.target("bob").state, w.users_in) == ("MISSED", set())


def test_T4_overdue_time_outs_fire_once() -> None:
    w = rung("ann", "bob", "eve")
    w.jump(100_000)
    w.tick()
    assert w.last_ring.state == "MISSED"
    unmoved_by_tick(w)
    w.jump(100_000)
    unmoved_by_tick(w)


def test_T4_everything_overdue_is_one_step() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "fay"])
    w.ring("ann", "bob")
    w.advance(10)
    w.ring("eve", "fay")
    revision = w.call.revision
    w.jump(1000)
    w.tick()
    assert [ring.state for ring in w.call.rings] == ["MISSED", "MISSED"]
    assert (w.state, w.call.end_reason, w.call.revision) == ("ENDED", "NO_ANSWER", revision + 1)


def test_T4_an_overdue_max_duration_fires_too() -> None:
    w = talking("ann", "bob", settings=SHORT)
    w.jump(100_000)
    w.tick()
    assert (w.state, w.call.end_reason) == ("ENDED", "MAX_DURATION")
    unmoved_by_tick(w)


def test_T4_at_one_instant_the_rings_time_and_its_targets_are_one_step() -> None:
    w = rung("ann", "bob", "eve")
    revision = w.call.revision
    w.jump(30)
    w.tick()
    assert w.call.revision == revision + 1
    assert w.happened.count("CALL_MISSED") == 1
    assert w.happened.count("CALL_ENDED") == 1
    assert {event.revision for event in w.decision.events} == {w.call.revision}


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_T4_a_time_out_before_its_time_changes_nothing(make: Callable[[], World]) -> None:
    unmoved_by_tick(make())


@pytest.mark.parametrize("state", ["never used", "stopped", "idle again", "ended"])
def test_T4_a_call_in_which_nothing_goes_on_has_no_timer(state: str) -> None:
    assert STATES[state]().next_deadline is None


def test_T4_the_next_timer_is_the_earliest() -> None:
    w = rung("ann", "bob", "eve", settings=replace(AUTO_FIRST, max_duration=50 * SECOND))
    begin = w.now
    assert w.next_deadline == begin + 20 * SECOND
    w.advance(15)
    w.join("bob")
    assert w.next_deadline == begin + 60 * SECOND
    w.reject("eve")
    assert w.next_deadline == begin + 65 * SECOND


@pytest.mark.parametrize("seed", range(25))
def test_T4_after_a_time_out_nothing_else_is_due(seed: int) -> None:
    walk = Walk(seed)
    for step in walk.steps:
        if isinstance(step.command, Tick) and step.decision.events:
            now = step.after.updated_at
            w = World(settings=walk.settings)
            w.maybe, w.now = step.after, now
            again = w.decide(Tick(), CLOCK)
            assert isinstance(again, Decision)
            assert again.events == ()
            assert w.next_deadline is None or w.next_deadline > now


# T5: one final outcome.


@pytest.mark.parametrize("seed", range(25))
def test_T5_each_target_has_exactly_one_final_outcome_per_ring(seed: int) -> None:
    final: dict[tuple[str, int, str], object] = {}
    for step in Walk(seed).steps:
        for ring in step.after.rings:
            for target in ring.targets.values():
                key = (step.after.uid, ring.number, target.user_id)
                if target.state != "RINGING":
                    outcome = (target.state, target.reason, target.missed, target.updated_at)
                    assert final.setdefault(key, outcome) == outcome


@pytest.mark.parametrize("seed", range(25))
def test_T5_a_ring_that_is_no_longer_unanswered_never_is_again(seed: int) -> None:
    known: dict[int, Ring] = {}
    for step in Walk(seed).steps:
        for ring in step.after.rings:
            before = known.get(ring.number)
            if before is not None and before.state != "RINGING":
                assert ring.state == before.state
                assert (ring.accepted_by_id, ring.accepted_at) == (before.accepted_by_id, before.accepted_at)
            if before is not None and not before.open:
                assert not ring.open
            known[ring.number] = ring
