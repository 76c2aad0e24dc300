from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import pytest

from ringline_server.rules.commands import UpdateMembers
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import JoinMode
from tests.rules.world import World, rung, talking
from tests.rules.world_extra import Walk, rings

STAYING = Settings(drop_when_alone=False)
OPEN = Settings(end_when_empty=False)
SEEDS = range(25)


def among(*users: str, settings: Settings | None = None, type: str = "default") -> World:
    """Return a world in which the first user has created the call with the others, and nobody rang."""
    w = World(type, settings)
    w.create(users[0], users)
    return w


def over(w: World, reason: str) -> None:
    """Expect that the call has just stopped for this reason."""
    assert (w.users_in, w.ringing) == (set(), set())
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("ENDED", reason, w.now)
    assert w.event("CALL_ENDED").reason == reason.lower()


# E3: a single ring that is never answered.

WAYS: dict[str, Callable[[World, str], object]] = {
    "decline": lambda w, user: w.reject(user),
    "says why": lambda w, user: w.reject(user, reason="in a meeting"),
    "busy": lambda w, user: w.reject(user, reason="busy"),
    "phone's timeout": lambda w, user: w.reject(user, reason="timeout"),
    "removed": lambda w, user: w.remove("ann", user),
}
"""How a callee may stop ringing without an answer before the time is up."""


def outcome_of(ways: tuple[str, ...]) -> tuple[str, str]:
    """Return the state of a ring whose callees stopped ringing in these ways, and why the call then stops."""
    refusals = [way for way in ways if way not in ("silent", "removed")]
    if "silent" in ways:
        return "MISSED", "NO_ANSWER"
    if not refusals:
        return "CANCELLED", "CANCELLED"
    return "REJECTED", "BUSY" if set(refusals) == {"busy"} else "ALL_REJECTED"


@pytest.mark.parametrize("ways", list(product([*WAYS, "silent"], repeat=2)), ids=" + ".join)
def test_E3_the_reason_is_how_the_ring_closed(ways: tuple[str, str]) -> None:
    for order in permutations(zip(("bob", "eve"), ways, strict=True)):
        w = rung("ann", "bob", "eve")
        for user, way in order:
            assert w.state == "RINGING"
            if way != "silent":
                w.advance(1)
                WAYS[way](w, user)
        if "silent" in ways:
            w.jump(30)
            w.tick()
        state, reason = outcome_of(ways)
        assert w.last_ring.state == state
        over(w, reason)


@pytest.mark.parametrize("way", WAYS)
def test_E3_one_callee_alone_stops_the_call(way: str) -> None:
    w = rung("ann", "bob")
    WAYS[way](w, "bob")
    over(w, outcome_of((way,))[1])


@pytest.mark.parametrize("way", WAYS)
def test_E3_a_cancel_is_the_reason_whatever_others_said_before(way: str) -> None:
    w = rung("ann", "bob", "eve")
    WAYS[way](w, "bob")
    w.cancel("ann")
    over(w, "CANCELLED")


def test_E3_a_waiting_ringers_leave_is_a_cancel() -> None:
    w = rung("ann", "bob")
    w.leave("ann")
    over(w, "CANCELLED")


def test_E3_the_removal_of_a_waiting_ringer_is_a_cancel() -> None:
    w = among("ann", "bob", "eve")
    w.ring("bob", "eve")
    w.remove("ann", "bob")
    over(w, "CANCELLED")


def test_E3_no_answer_in_time_is_no_answer() -> None:
    w = rung("ann", "bob")
    w.jump(30)
    w.tick()
    over(w, "NO_ANSWER")


# E3: people were in.


def test_E3_the_last_one_who_leaves_ends_it() -> None:
    w = among("ann", "bob")
    w.join("ann")
    w.join("bob")
    w.leave("ann")
    assert w.state == "ACTIVE"
    w.leave("bob")
    over(w, "EVERYONE_LEFT")


def test_E3_the_last_one_who_is_lost_ends_it() -> None:
    w = among("ann", "bob")
    w.join("ann", "phone")
    w.lose("ann", "phone")
    over(w, "EVERYONE_LEFT")


def test_E3_the_last_one_who_is_removed_ends_it() -> None:
    w = among("ann", "bob")
    w.join("bob")
    w.remove("ann", "bob")
    over(w, "EVERYONE_LEFT")


def test_E3_a_leave_that_cancels_rings_is_still_everyone_left() -> None:
    w = rung("ann", "bob", settings=STAYING)
    w.join("ann")
    w.leave("ann")
    assert w.last_ring.state == "CANCELLED"
    over(w, "EVERYONE_LEFT")


def test_E3_a_loss_that_cancels_rings_is_still_everyone_left() -> None:
    w = rung("ann", "bob", "eve", settings=STAYING)
    w.join("bob", "phone")
    w.leave("ann")
    w.lose("bob", "phone")
    assert w.target("eve").state == "CANCELLED"
    over(w, "EVERYONE_LEFT")


def test_E3_a_removal_that_cancels_rings_is_still_everyone_left() -> None:
    w = among("ann", "bob", "eve", settings=STAYING)
    w.join("bob")
    w.ring("bob", "eve")
    w.remove("ann", "bob")
    assert w.last_ring.state == "CANCELLED"
    over(w, "EVERYONE_LEFT")


def test_E3_the_removal_of_the_last_in_and_of_the_last_rung_is_everyone_left() -> None:
    w = among("ann", "bob", "eve", settings=STAYING)
    w.join("bob")
    w.ring("bob", "eve")
    w.remove("ann", "bob", "eve")
    over(w, "EVERYONE_LEFT")


def test_E3_only_the_step_that_ended_it_gives_the_reason() -> None:
    w = among("ann", "bob", "eve", settings=STAYING)
    w.join("eve")
    w.ring("ann", "bob")
    w.leave("eve")
    w.reject("bob")
    over(w, "ALL_REJECTED")


def test_E3_an_earlier_refusal_is_not_the_reason_when_everyone_leaves_later() -> None:
    w = rung("ann", "bob", "eve", settings=STAYING)
    w.reject("eve")
    w.join("bob")
    w.leave("ann")
    w.leave("bob")
    over(w, "EVERYONE_LEFT")


# E3: several rings.


def two_rings(*, cancelled_first: bool) -> World:
    """Return a world where the removal of bob and fay in one step closes two rings, one of each kind."""
    w = among("gus", "ann", "bob", "eve", "fay", "hal")
    w.ring(*(("bob", "ann") if cancelled_first else ("eve", "fay", "hal")))
    w.ring(*(("eve", "fay", "hal") if cancelled_first else ("bob", "ann")))
    w.reject("hal")
    w.remove("gus", "bob", "fay")
    return w


def test_E3_of_two_rings_closed_in_one_step_the_latest_counts_when_it_was_rejected() -> None:
    w = two_rings(cancelled_first=True)
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "REJECTED"]
    over(w, "ALL_REJECTED")


def test_E3_of_two_rings_closed_in_one_step_the_latest_counts_when_it_was_cancelled() -> None:
    w = two_rings(cancelled_first=False)
    assert [ring.state for ring in w.call.rings] == ["REJECTED", "CANCELLED"]
    over(w, "CANCELLED")


def test_E3_the_ring_that_closes_last_gives_the_reason() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.ring("ann", "bob")
    w.ring("eve", "fay")
    w.reject("fay", reason="busy")
    assert w.state == "RINGING"
    w.jump(30)
    w.tick()
    assert [ring.state for ring in w.call.rings] == ["MISSED", "REJECTED"]
    over(w, "NO_ANSWER")


def wait(w: World) -> None:
    """Let the earliest deadline pass."""
    assert w.next_deadline is not None
    w.now = w.next_deadline
    w.tick()


STOPS: dict[str, Callable[[World], object]] = {
    "a refusal": lambda w: w.reject("bob"),
    "being busy": lambda w: w.reject("bob", reason="busy"),
    "a cancel": lambda w: w.cancel("ann"),
    "a waiting ringer's leave": lambda w: w.leave("ann"),
    "a time-out": wait,
    "a callee's removal": lambda w: w.remove("gus", "bob"),
    "the ringer's removal": lambda w: w.remove("gus", "ann"),
}
"""How ann's ring of bob may close."""


@pytest.mark.parametrize("how", STOPS)
def test_E3_no_closing_ring_stops_a_call_in_which_people_talk(how: str) -> None:
    w = talking("gus", "fay")
    w.add("gus", "ann", "bob")
    w.ring("ann", "bob")
    STOPS[how](w)
    assert w.last_ring.state != "RINGING"
    assert (w.state, w.users_in, w.call.end_reason) == ("ACTIVE", {"gus", "fay"}, None)


@pytest.mark.parametrize("how", STOPS)
def test_E3_no_closing_ring_stops_another_ring(how: str) -> None:
    w = among("gus", "ann", "bob", "eve", "fay")
    w.ring("ann", "bob")
    w.advance(5)
    w.ring("eve", "fay")
    until = w.last_ring.expires_at
    STOPS[how](w)
    assert w.ring_number(1).state != "RINGING"
    assert (w.state, w.ringing, w.ring_number(2).state) == ("RINGING", {"fay"}, "RINGING")
    assert (w.ring_number(2).expires_at, w.call.end_reason) == (until, None)


# E3: when it does not hold, and IDLE instead of ENDED.


def test_E3_a_call_that_was_never_used_does_not_stop() -> None:
    w = among("ann", "bob")
    w.get("ann", notify=True)
    w.add("ann", "eve")
    w.remove("ann", "eve")
    w.advance(100_000)
    w.tick()
    assert (w.state, w.call.ended_at, w.call.end_reason) == ("IDLE", None, None)


def test_E3_it_goes_on_while_anybody_rings() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    assert w.state == "RINGING"


@pytest.mark.parametrize("type", ["default", "development"])
def test_E3_by_default_an_empty_call_is_ended(type: str) -> None:
    w = rung("ann", "bob", type=type)
    w.reject("bob")
    over(w, "ALL_REJECTED")


@pytest.mark.parametrize("type", ["livestream", "audio_room"])
def test_E3_an_empty_room_is_idle_again(type: str) -> None:
    w = rung("ann", "bob", type=type)
    w.reject("bob")
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("IDLE", "ALL_REJECTED", w.now)
    assert "CALL_ENDED" not in w.happened


@pytest.mark.parametrize("how", STOPS)
def test_E3_without_end_when_empty_the_call_is_idle_again_for_the_same_reason(how: str) -> None:
    reasons = []
    for settings in (Settings(), OPEN):
        w = among("gus", "ann", "bob", settings=settings)
        w.ring("ann", "bob")
        STOPS[how](w)
        assert w.state == ("ENDED" if settings.end_when_empty else "IDLE")
        reasons.append(w.call.end_reason)
    assert reasons[0] == reasons[1]


def test_E3_the_last_leave_of_a_room_makes_it_idle() -> None:
    w = among("ann", "bob", type="audio_room")
    w.join("ann")
    w.leave("ann")
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("IDLE", "EVERYONE_LEFT", w.now)


def test_E3_nobody_ended_a_call_that_stopped_by_itself() -> None:
    w = rung("ann", "bob")
    w.reject("bob")
    assert w.call.ended_by_id == ""


def test_E3_the_calls_own_setting_goes_before_its_types() -> None:
    w = rung("ann", "bob")
    w.update("ann", end_when_empty=False)
    w.reject("bob")
    assert w.state == "IDLE"


# L5: two or more were in at once.


def alone(w: World, *users: str) -> None:
    """Expect that exactly these users, each the only one, were put out in the latest step."""
    out = {
        user
        for event in w.decision.events
        if event.type == "PARTICIPANT_LEFT" and event.reason == "alone"
        for user in event.subject_user_ids
    }
    assert out == set(users)


@pytest.mark.parametrize(("leaver", "left"), [("ann", "bob"), ("bob", "ann")])
def test_L5_the_last_one_is_put_out(leaver: str, left: str) -> None:
    w = talking("ann", "bob")
    w.leave(leaver)
    alone(w, left)
    over(w, "LEFT_ALONE")


def test_L5_it_waits_until_only_one_is_in() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("bob")
    assert w.users_in == {"ann", "eve"}
    w.leave("ann")
    alone(w, "eve")
    over(w, "LEFT_ALONE")


def test_L5_who_was_lost_leaves_the_other_alone() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    w.lose("bob", "phone")
    alone(w, "ann")
    over(w, "LEFT_ALONE")


def test_L5_who_was_removed_leaves_the_other_alone() -> None:
    w = talking("ann", "bob")
    w.remove("ann", "bob")
    alone(w, "ann")
    over(w, "LEFT_ALONE")


def test_L5_one_user_on_two_devices_is_one_user() -> None:
    w = rung("ann", "bob", device="phone")
    w.join("bob")
    w.join("ann", "laptop", mode=JoinMode.ADD_DEVICE)
    w.leave("bob")
    alone(w, "ann")
    over(w, "LEFT_ALONE")


def test_L5_two_users_who_each_lose_one_of_two_devices_go_on() -> None:
    w = rung("ann", "bob", device="phone")
    w.join("bob", "phone")
    w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE)
    w.leave("bob", "phone")
    assert w.users_in == {"ann", "bob"}


STILLED: dict[str, Callable[[World], object]] = {
    "a refusal": lambda w: w.reject("eve"),
    "being busy": lambda w: w.reject("eve", reason="busy"),
    "a time-out": lambda w: w.advance(30),
    "a removal": lambda w: w.remove("ann", "eve"),
}
"""How eve may stop ringing in a call that was answered."""


@pytest.mark.parametrize("how", STILLED)
@pytest.mark.parametrize("left", ["ann", "bob"])
def test_L5_one_who_is_alone_stays_while_somebody_rings_and_then_is_put_out(how: str, left: str) -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("bob" if left == "ann" else "ann")
    assert (w.users_in, w.ringing) == ({left}, {"eve"})
    STILLED[how](w)
    over(w, "LEFT_ALONE")


def test_L5_a_new_ring_of_who_is_alone_keeps_them_in_until_it_is_over() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("eve")
    w.ring("ann", "eve")
    w.leave("bob")
    assert w.users_in == {"ann"}
    w.cancel("ann")
    alone(w, "ann")
    over(w, "LEFT_ALONE")


def test_L5_who_is_alone_and_gets_company_goes_on() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("bob")
    w.join("eve")
    assert (w.state, w.users_in) == ("ACTIVE", {"ann", "eve"})


def test_L5_it_holds_though_the_ring_came_after_the_joins() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.join("bob")
    w.ring("ann", "eve")
    w.reject("eve")
    assert w.users_in == {"ann", "bob"}
    w.leave("ann")
    over(w, "LEFT_ALONE")


def test_L5_who_was_left_alone_before_a_ring_is_put_out_when_the_ring_is_over() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.join("bob")
    w.leave("bob")
    assert w.state == "ACTIVE"
    w.ring("eve", "bob")
    w.reject("bob")
    alone(w, "ann")
    over(w, "LEFT_ALONE")


# L5: never two at once.

CLOSINGS: dict[str, tuple[Callable[[World], object], str]] = {
    "a refusal": (lambda w: w.reject("bob"), "ALL_REJECTED"),
    "being busy": (lambda w: w.reject("bob", reason="busy"), "BUSY"),
    "a time-out": (lambda w: w.advance(30), "NO_ANSWER"),
    "their own cancel": (lambda w: w.cancel("ann"), "CANCELLED"),
    "the callee's removal": (lambda w: w.remove("ann", "bob"), "CANCELLED"),
}
"""How ann's ring of bob may close, and why the call then stops."""


@pytest.mark.parametrize("how", CLOSINGS)
def test_L5_a_ringer_who_joined_early_is_put_out_for_the_reason_of_their_ring(how: str) -> None:
    w = rung("ann", "bob")
    w.join("ann")
    close, reason = CLOSINGS[how]
    close(w)
    alone(w, "ann")
    over(w, reason)


@pytest.mark.parametrize("how", CLOSINGS)
def test_L5_without_drop_when_alone_a_ringer_who_joined_early_stays(how: str) -> None:
    w = rung("ann", "bob", settings=STAYING)
    w.join("ann")
    CLOSINGS[how][0](w)
    assert (w.state, w.users_in, w.call.end_reason) == ("ACTIVE", {"ann"}, None)


@pytest.mark.parametrize("how", CLOSINGS)
def test_L5_a_ringer_who_joined_before_they_rang_is_put_out_too(how: str) -> None:
    w = among("ann", "bob")
    w.join("ann")
    w.ring("ann", "bob")
    CLOSINGS[how][0](w)
    over(w, CLOSINGS[how][1])


@pytest.mark.parametrize("how", CLOSINGS)
def test_L5_who_is_alone_and_rang_nobody_stays_when_anothers_ring_closes(how: str) -> None:
    w = among("ann", "bob", "eve")
    w.join("eve")
    w.ring("ann", "bob")
    CLOSINGS[how][0](w)
    assert (w.state, w.users_in, w.call.end_reason) == ("ACTIVE", {"eve"}, None)


def test_L5_the_removal_of_another_ringer_puts_nobody_out_who_rang_nobody() -> None:
    w = among("gus", "ann", "bob", "eve")
    w.join("eve")
    w.ring("ann", "bob")
    w.remove("gus", "ann")
    assert (w.state, w.users_in) == ("ACTIVE", {"eve"})


def test_L5_people_who_were_in_one_after_the_other_were_not_in_at_once() -> None:
    w = among("ann", "bob", "eve")
    w.join("eve")
    w.ring("ann", "bob")
    w.leave("eve")
    w.join("ann")
    w.reject("bob")
    over(w, "ALL_REJECTED")


def test_L5_their_latest_ring_counts() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    w.reject("bob")
    assert w.state == "ACTIVE"
    w.reject("eve", reason="busy")
    over(w, "BUSY")


def test_L5_their_latest_ring_counts_though_an_earlier_one_closes_last() -> None:
    w = among("ann", "bob", "eve")
    w.join("ann")
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    w.reject("eve", reason="busy")
    assert w.state == "ACTIVE"
    w.reject("bob")
    over(w, "BUSY")


def test_L5_their_own_ring_counts_though_anothers_closes_last() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.join("ann")
    w.ring("ann", "bob")
    w.ring("eve", "fay")
    w.reject("bob", reason="busy")
    assert (w.state, w.ringing) == ("ACTIVE", {"fay"})
    w.advance(30)
    assert (w.state, w.call.end_reason) == ("ENDED", "BUSY")


def test_L5_a_ring_of_an_earlier_session_does_not_count() -> None:
    w = rung("ann", "bob", settings=OPEN)
    w.add("ann", "eve", "fay")
    w.reject("bob")
    assert w.state == "IDLE"
    w.join("ann")
    w.ring("eve", "fay")
    w.reject("fay")
    assert (w.state, w.users_in) == ("ACTIVE", {"ann"})


# L5: when it does not hold.


def test_L5_a_session_without_a_ring_drops_nobody() -> None:
    w = among("ann", "bob")
    w.join("ann")
    w.join("bob")
    w.leave("bob")
    assert (w.state, w.users_in) == ("ACTIVE", {"ann"})


def test_L5_a_session_without_a_ring_drops_nobody_though_an_earlier_one_rang() -> None:
    w = talking("ann", "bob", settings=OPEN)
    w.leave("bob")
    w.join("ann")
    w.join("bob")
    w.leave("ann")
    assert (w.state, w.users_in) == ("ACTIVE", {"bob"})


@pytest.mark.parametrize(
    ("type", "drops"), [("default", True), ("development", True), ("livestream", False), ("audio_room", False)]
)
def test_L5_the_default_of_each_built_in_type(type: str, drops: bool) -> None:
    w = talking("ann", "bob", type=type)
    w.leave("bob")
    assert w.users_in == (set() if drops else {"ann"})


def test_L5_without_drop_when_alone_the_last_one_stays() -> None:
    w = talking("ann", "bob", settings=STAYING)
    w.leave("bob")
    assert (w.state, w.users_in) == ("ACTIVE", {"ann"})
    w.leave("ann")
    over(w, "EVERYONE_LEFT")


def test_L5_it_holds_after_every_step_also_one_that_switches_it_on() -> None:
    w = talking("ann", "bob", settings=STAYING)
    w.leave("bob")
    w.update("ann", drop_when_alone=True)
    alone(w, "ann")
    over(w, "LEFT_ALONE")


def test_L5_with_end_when_empty_off_the_last_one_is_put_out_and_the_call_is_idle() -> None:
    w = talking("ann", "bob", settings=OPEN)
    w.leave("bob")
    alone(w, "ann")
    assert (w.state, w.users_in, w.call.end_reason) == ("IDLE", set(), "LEFT_ALONE")
    assert w.call.ended_at == w.now
    assert "CALL_ENDED" not in w.happened


@pytest.mark.parametrize(("drop", "rang", "two", "own", "still"), list(product((True, False), repeat=5)))
def test_L5_in_every_combination(drop: bool, rang: bool, two: bool, own: bool, still: bool) -> None:
    """ann ends up alone; ``two``: bob was in with her; ``own``: she rang, else eve; ``still``: somebody rings on."""
    w = among("ann", "bob", "eve", "fay", "gus", settings=Settings(drop_when_alone=drop))
    w.join("ann")
    if two:
        w.join("bob")
    if rang:
        w.ring("ann" if own else "eve", "fay", *(["gus"] if still else []))
        w.reject("fay")
    if two:
        w.leave("bob")
    if drop and rang and not still and (two or own):
        over(w, "LEFT_ALONE" if two else "ALL_REJECTED")
    else:
        assert (w.state, w.users_in) == ("ACTIVE", {"ann"})


# Always, whatever happens.


@pytest.mark.parametrize("seed", SEEDS)
def test_E3_no_step_leaves_a_session_open_in_which_nobody_is(seed: int) -> None:
    for step in Walk(seed).steps:
        call = step.after
        used = call.session_rang or call.session_joined
        empty = not call.participants and not rings(call)
        assert call.session_over == (used and empty) or call.ended_for_good
        assert not (call.state == "ENDED" and not empty)
        if call.session_over:
            assert call.end_reason is not None
            assert call.ended_at is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_L3_no_step_leaves_a_ring_open_that_nobody_waits_for(seed: int) -> None:
    for step in Walk(seed).steps:
        for ring in step.after.rings:
            if ring.open:
                assert ring.waited_for or step.after.participants


@pytest.mark.parametrize("seed", SEEDS)
def test_L5_no_step_leaves_one_alone_who_should_be_put_out(seed: int) -> None:
    walk = Walk(seed)
    base = walk.settings
    peak = session = 0
    rang = False
    for step in walk.steps:
        call = step.after
        if call.session != session:
            session, peak, rang = call.session, 0, False
        joined = {
            user
            for event in step.decision.events
            if event.type in ("PARTICIPANT_JOINED", "CALL_ACCEPTED")
            for user in event.subject_user_ids
        }
        rang = rang or any(event.type == "CALL_RING" for event in step.decision.events)
        were_in = step.before.users_in if step.before and step.before.session == session else set()
        peak = max(peak, len(were_in | joined))
        if not call.settings.over(base).drop_when_alone or not rang or len(call.users_in) != 1 or rings(call):
            continue
        (user,) = call.users_in
        own = [ring for ring in call.rings if ring.ringer_id == user and ring.session == session]
        assert peak < 2
        assert not own or own[-1].state == "ACCEPTED"


def test_E3_members_may_be_removed_from_a_call_that_is_over() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    w.reject("eve")
    ended_at = w.call.ended_at
    w.advance(2)
    w.ok(UpdateMembers(remove=("bob",)), "ann")
    assert (w.state, w.call.end_reason, w.call.ended_at) == ("ENDED", "ALL_REJECTED", ended_at)


def test_E3_max_duration_first_puts_out_who_is_in_and_cancels_what_rings() -> None:
    w = rung("ann", "bob", "eve", settings=Settings(max_duration=20 * SECOND))
    w.join("bob")
    w.jump(20)
    w.tick()
    assert w.target("eve").state == "CANCELLED"
    assert w.users_in == set()
    over(w, "MAX_DURATION")


def test_E3_max_duration_makes_a_room_idle() -> None:
    w = talking("ann", "bob", settings=Settings(max_duration=20 * SECOND, end_when_empty=False, drop_when_alone=False))
    w.jump(20)
    w.tick()
    assert (w.state, w.users_in, w.call.end_reason) == ("IDLE", set(), "MAX_DURATION")
