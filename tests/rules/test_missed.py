from __future__ import annotations

from collections.abc import Callable

import pytest

from ringline_server.rules.commands import RingMembers, UpdateMembers
from ringline_server.rules.settings import SECOND, Settings
from tests.rules.world import World, rung, talking
from tests.rules.world_extra import PEOPLE, Walk

SHORT = Settings(max_duration=20 * SECOND)


def called(settings: Settings | None = None) -> World:
    """Return a world in which ann rings bob, on gus' call."""
    w = World(settings=settings)
    w.create("gus", ["gus", "ann", "bob", "eve"])
    w.ring("ann", "bob")
    return w


def in_company(w: World) -> None:
    w.join("ann")
    w.join("eve")


def by_max_duration(w: World) -> None:
    in_company(w)
    w.advance(20)


def by_the_last_leave(w: World) -> None:
    in_company(w)
    w.leave("ann")
    w.leave("eve")


OUTCOMES: dict[str, tuple[Callable[[World], object], str, bool]] = {
    "time out": (lambda w: w.advance(30), "MISSED", True),
    "cancel": (lambda w: w.cancel("ann"), "CANCELLED", True),
    "the ringer's leave": (lambda w: w.leave("ann"), "CANCELLED", True),
    "the ringer's removal": (lambda w: w.remove("gus", "ann"), "CANCELLED", True),
    "end for everyone": (lambda w: w.end("gus"), "CANCELLED", True),
    "max_duration": (by_max_duration, "CANCELLED", True),
    "nobody is in any more": (by_the_last_leave, "CANCELLED", True),
    "own removal": (lambda w: w.remove("gus", "bob"), "CANCELLED", False),
    "removing oneself": (lambda w: w.remove("bob", "bob"), "CANCELLED", False),
    "decline": (lambda w: w.reject("bob"), "REJECTED", False),
    "decline, said": (lambda w: w.reject("bob", reason="decline"), "REJECTED", False),
    "in one's own words": (lambda w: w.reject("bob", reason="in a meeting"), "REJECTED", False),
    "words like busy": (lambda w: w.reject("bob", reason="busy now"), "REJECTED", False),
    "busy": (lambda w: w.reject("bob", reason="busy"), "REJECTED", True),
    "timeout": (lambda w: w.reject("bob", reason="timeout"), "REJECTED", True),
    "accept": (lambda w: w.join("bob"), "ACCEPTED", False),
}


@pytest.mark.parametrize("how", OUTCOMES)
def test_T8_which_ends_of_a_ring_are_missed(how: str) -> None:
    w = called(SHORT)
    act, state, missed = OUTCOMES[how]
    act(w)
    assert (w.target("bob").state, w.target("bob").missed) == (state, missed)


@pytest.mark.parametrize("how", [how for how, (_, _, missed) in OUTCOMES.items() if missed])
def test_T8_it_raises_CALL_MISSED_once(how: str) -> None:
    w = called(SHORT)
    OUTCOMES[how][0](w)
    w.advance(100)
    w.add("gus", "fay")
    missed = [event for event in w.history if event.type == "CALL_MISSED"]
    assert [(event.ring_id, event.subject_user_ids) for event in missed] == [(w.call.ring_id(1), ("bob",))]


@pytest.mark.parametrize("how", [how for how, (_, _, missed) in OUTCOMES.items() if not missed])
def test_T8_no_other_end_raises_CALL_MISSED(how: str) -> None:
    w = called(SHORT)
    OUTCOMES[how][0](w)
    w.advance(15)
    assert [event for event in w.history if event.type == "CALL_MISSED"] == []


@pytest.mark.parametrize("how", OUTCOMES)
def test_T8_the_list_of_missed_calls_finds_it(how: str) -> None:
    w = called(SHORT)
    OUTCOMES[how][0](w)
    assert w.relation("bob").missed == OUTCOMES[how][2]
    assert not w.relation("ann").missed


def test_T8_a_target_that_rings_is_not_missed() -> None:
    w = called()
    assert not w.target("bob").missed
    assert not w.relation("bob").missed


def test_T8_each_target_is_missed_or_not_for_itself() -> None:
    w = rung("ann", "bob", "eve", "fay", "gus")
    w.reject("bob")
    w.reject("eve", reason="busy")
    w.join("fay")
    w.advance(30)
    assert [w.target(user).missed for user in ("bob", "eve", "fay", "gus")] == [False, True, False, True]


def test_T8_answered_elsewhere_is_never_missed() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob", "phone")
    w.advance(30)
    assert not w.target("bob").missed
    assert w.viewer("bob").device_id == "phone"


def test_T8_declined_elsewhere_is_never_missed() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", "phone")
    w.advance(30)
    assert not w.target("bob").missed


def test_T8_who_was_answered_without_them_has_still_missed_it() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("bob")
    w.leave("ann")
    assert (w.target("eve").state, w.target("eve").missed) == ("CANCELLED", True)


def test_T8_all_who_miss_a_ring_in_one_step_are_told_of_together() -> None:
    w = rung("ann", "bob", "eve", "fay")
    w.jump(30)
    w.tick()
    assert set(w.event("CALL_MISSED").subject_user_ids) == {"bob", "eve", "fay"}


def test_T8_who_missed_it_before_the_others_is_not_told_of_again() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", reason="busy")
    assert w.event("CALL_MISSED").subject_user_ids == ("bob",)
    w.cancel("ann")
    assert w.event("CALL_MISSED").subject_user_ids == ("eve",)


def test_T8_missed_plays_no_part_in_how_the_ring_closes() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob", reason="busy")
    w.reject("eve", reason="timeout")
    assert (w.last_ring.state, w.call.end_reason) == ("REJECTED", "ALL_REJECTED")


def test_T8_the_latest_ring_tells_whether_the_call_is_in_the_list() -> None:
    w = talking("ann", "eve")
    w.add("ann", "bob", ring=True)
    w.reject("bob", reason="busy")
    assert w.relation("bob").missed
    w.ring("ann", "bob")
    assert not w.relation("bob").missed
    w.join("bob")
    assert not w.relation("bob").missed
    assert w.target("bob", 2).missed


def test_T8_what_was_missed_in_an_earlier_session_stays_missed() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(30)
    w.ring("ann", "eve")
    w.join("eve")
    assert (w.relation("bob").missed, w.relation("bob").last_ring) == (True, 1)


def test_T8_who_calls_back_has_missed_nothing_any_more() -> None:
    w = rung("ann", "bob")
    w.advance(30)
    w.ring("bob")
    assert not w.relation("bob").missed


@pytest.mark.parametrize("seed", range(25))
def test_T8_CALL_MISSED_comes_exactly_once_for_each_missed_target(seed: int) -> None:
    walk = Walk(seed)
    missed = {
        (step.after.ring_id(ring.number), target.user_id)
        for step in walk.steps
        for ring in step.after.rings
        for target in ring.targets.values()
        if target.missed
    }
    assert set(walk.missed) == missed
    assert set(walk.missed.values()) <= {1}
    assert {user for _, user in missed} <= set(PEOPLE)


def test_T8_a_target_removed_together_with_the_ringer_did_not_miss_the_call() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "cy"])
    w.ok(RingMembers(("cy",)), "bob")
    w.ok(UpdateMembers(remove=("bob", "cy")), "ann")
    assert [target.missed for target in w.call.rings[0].targets.values()] == [False]
    assert "CALL_MISSED" not in {event.type for event in w.history}
