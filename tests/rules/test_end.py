from __future__ import annotations

from collections.abc import Callable

import pytest

from ringline_server.rules.commands import End, GetOrCreate, Join, MemberInput, RingMembers, UpdateMembers
from ringline_server.rules.terms import Reason
from tests.rules.world import World, inputs, rung, talking
from tests.rules.world_extra import STATES, idle_again, quiet, stopped

BEFORE = {name: make for name, make in STATES.items() if name != "ended"}


def test_E1_a_member_without_end_call_may_not_end() -> None:
    w = talking("ann", "bob")
    w.refused(Reason.NOT_ALLOWED, End(), "bob")


def test_E1_the_creator_a_host_and_an_admin_may_end() -> None:
    for user in ("ann", "eve", "zoe"):
        w = World()
        w.user("zoe", role="admin")
        w.create("ann", ["ann", "bob", MemberInput("eve", role="host")], ring=True)
        w.end(user)
        assert w.state == "ENDED"
        assert w.call.ended_by_id == user


@pytest.mark.parametrize("make", BEFORE.values(), ids=BEFORE)
def test_E1_it_ends_the_call_whatever_its_state(make: Callable[[], World]) -> None:
    w = make()
    w.advance(3)
    w.end("ann", reason="that is all")
    assert (w.state, w.call.end_reason, w.call.ended_by_id) == ("ENDED", "ENDED_BY_USER", "ann")
    assert w.call.ended_at is not None
    assert w.event("CALL_ENDED").reason == "that is all"
    assert (w.ringing, w.users_in) == (set(), set())


def test_E1_rings_are_cancelled() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("eve")
    w.end("ann")
    assert (w.last_ring.state, w.last_ring.end_reason) == ("CANCELLED", "ENDED_BY_USER")
    assert (w.target("bob").state, w.target("eve").state) == ("CANCELLED", "REJECTED")


def test_E1_everybodys_rings_are_cancelled() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve", "fay"])
    w.ring("ann", "bob")
    w.ring("eve", "fay")
    w.end("ann")
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "CANCELLED"]


def test_E1_participants_are_put_out_while_others_still_ring() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.end("ann")
    assert w.users_in == set()
    left = [event.subject_user_ids for event in w.decision.events if event.type == "PARTICIPANT_LEFT"]
    assert sorted(left) == [("ann",), ("bob",)]
    assert w.target("eve").state == "CANCELLED"
    assert w.target("bob").state == "ACCEPTED"


def test_E1_it_is_ended_though_the_call_would_stay_open_when_empty() -> None:
    w = talking("ann", "bob", type="livestream")
    w.end("ann")
    assert (w.state, w.call.end_reason) == ("ENDED", "ENDED_BY_USER")


@pytest.mark.parametrize("make", BEFORE.values(), ids=BEFORE)
def test_E1_it_is_for_good(make: Callable[[], World]) -> None:
    w = make()
    w.end("ann")
    w.advance(10)
    for command in (
        RingMembers(),
        GetOrCreate(inputs(["ann", "bob"]), ring=True),
        UpdateMembers(inputs(["eve"]), ring=True),
        Join(),
    ):
        refusal = w.refused(Reason.CALL_ENDED, command, "ann")
        assert refusal.metadata["end_reason"] == "ENDED_BY_USER"


def test_E1_when_it_had_stopped_by_itself_the_time_of_that_stays() -> None:
    w = stopped()
    before = w.now
    w.advance(5)
    w.end("ann")
    assert (w.call.end_reason, w.call.ended_at) == ("ENDED_BY_USER", before)
    w.refused(Reason.CALL_ENDED, RingMembers(), "ann")


def test_E1_the_time_of_an_idle_call_is_set_anew() -> None:
    w = idle_again()
    assert w.state == "IDLE"
    assert w.call.ended_at == w.now
    w.advance(5)
    w.end("ann")
    assert w.call.ended_at == w.now


def test_E1_a_call_that_was_never_used_ends_now() -> None:
    w = quiet()
    w.advance(5)
    w.end("ann")
    assert (w.call.ended_at, w.call.started_at) == (w.now, None)


def test_E1_ending_again_changes_nothing_and_is_ok() -> None:
    w = talking("ann", "bob")
    w.end("ann", reason="done")
    w.advance(5)
    w.no_change(End("again"), "ann")


def test_E1_another_hosts_second_end_changes_nothing_either() -> None:
    w = World()
    w.create("ann", ["ann", MemberInput("eve", role="host")])
    w.end("ann")
    w.no_change(End(), "eve")
    assert w.call.ended_by_id == "ann"


def test_E1_ending_again_still_needs_the_capability() -> None:
    w = talking("ann", "bob")
    w.end("ann")
    w.refused(Reason.NOT_ALLOWED, End(), "bob")


def test_E1_everybodys_side_of_an_ended_call_is_left() -> None:
    w = rung("ann", "bob", "eve", "fay")
    w.join("bob")
    w.reject("fay")
    w.end("ann")
    assert {w.viewer(user).calling_state for user in ("ann", "bob", "eve", "fay")} == {"LEFT"}
