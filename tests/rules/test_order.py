from __future__ import annotations

from collections.abc import Callable

import pytest

from ringline_server.rules.commands import GetOrCreate, MemberInput, UpdateMembers
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import JoinMode, Reason
from tests.rules.world import World, inputs, rung, talking
from tests.rules.world_extra import STATES, Walk, idle_again, quiet, stopped

STAYING = Settings(drop_when_alone=False)


def crowd() -> World:
    """Return a world with a call of five people in which nothing happened yet."""
    w = World()
    w.create("ann", ["ann", "bob", "eve", "fay", "gus"])
    return w


def created(*, ring: bool = False, notify: bool = False) -> Decision:
    return World().ok(GetOrCreate(inputs(["ann", "bob"]), ring=ring, notify=notify), "ann")


def crossing() -> Decision:
    """Bob, whom ann rings, rings eve: he is connected with ann (R8)."""
    w = crowd()
    w.ring("ann", "bob")
    return w.ring("bob", "ann", "eve")


def calling_back() -> Decision:
    """Eve, whom nobody rings, rings ann, who waits (R8)."""
    w = crowd()
    w.ring("ann", "bob")
    return w.ring("eve", "ann")


def last_target() -> Decision:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    return w.join("eve")


def passer_by() -> Decision:
    """Eve, whom nobody rings, joins while ann waits (A2)."""
    w = crowd()
    w.ring("ann", "bob")
    return w.join("eve")


def early(device: str = "") -> World:
    w = rung("ann", "bob")
    w.join("ann", device)
    return w


def twice_in(mode: JoinMode) -> Decision:
    w = quiet()
    w.join("bob", "phone")
    return w.join("bob", "laptop", mode=mode)


def claim() -> Decision:
    w = talking("ann", "bob")
    return w.join("ann", "phone")


def late_guest() -> Decision:
    w = talking("ann", "bob")
    w.add("ann", "eve")
    return w.join("eve")


def leave_two_rings() -> Decision:
    w = crowd()
    w.ring("ann", "bob")
    w.ring("ann", "eve")
    return w.leave("ann")


def last_out() -> Decision:
    w = rung("ann", "bob", "eve", settings=STAYING)
    w.join("bob")
    w.leave("ann")
    return w.leave("bob")


def lost() -> Decision:
    w = rung("ann", "bob")
    w.join("bob", "phone")
    return w.lose("bob", "phone")


def time_up(w: World, seconds: float = 30) -> Decision:
    w.jump(seconds)
    return w.tick()


def second_target_late() -> Decision:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    return time_up(w)


def too_long() -> Decision:
    w = rung("ann", "bob", "eve", settings=Settings(max_duration=10 * SECOND))
    w.join("bob")
    return time_up(w, 10)


def members(*upsert: MemberInput, remove: tuple[str, ...] = (), ring: bool = False) -> Decision:
    return crowd().ok(UpdateMembers(upsert, remove, ring=ring), "ann")


def removed_while(prepare: Callable[[World], object], user: str) -> Decision:
    w = crowd()
    prepare(w)
    return w.remove("ann", user)


NEW, CHANGED = MemberInput("hal"), MemberInput("bob", "host")

CAUSES: dict[str, tuple[Callable[[], Decision], str]] = {
    "create": (created, "CALL_CREATED"),
    "create and notify": (lambda: created(notify=True), "CALL_CREATED"),
    "create and ring": (lambda: created(ring=True), "CALL_RING"),
    "create, ring and notify": (lambda: created(ring=True, notify=True), "CALL_RING"),
    "ring": (lambda: quiet().ring("ann"), "CALL_RING"),
    "ring through GetCall": (lambda: quiet().get("ann", ring=True), "CALL_RING"),
    "ring through GetOrCreateCall": (lambda: quiet().ok(GetOrCreate(ring=True), "ann"), "CALL_RING"),
    "ring and notify": (lambda: quiet().get("ann", ring=True, notify=True), "CALL_RING"),
    "ring a call that stopped": (lambda: stopped().ring("ann"), "CALL_RING"),
    "add and ring": (lambda: members(NEW, ring=True), "CALL_RING"),
    "add, change, remove and ring": (lambda: members(NEW, CHANGED, remove=("gus",), ring=True), "CALL_RING"),
    "notify": (lambda: quiet().get("ann", notify=True), "CALL_NOTIFICATION"),
    "notify by who rings already": (lambda: rung("ann", "bob").get("ann", ring=True, notify=True), "CALL_NOTIFICATION"),
    "first answer": (lambda: rung("ann", "bob", "eve").join("bob"), "CALL_ACCEPTED"),
    "later answer": (last_target, "CALL_ACCEPTED"),
    "answer to a ringer who is in": (lambda: early().join("bob"), "CALL_ACCEPTED"),
    "answer by a member whom nobody rang": (passer_by, "CALL_ACCEPTED"),
    "target who rings": (crossing, "CALL_ACCEPTED"),
    "ring of a waiting ringer": (calling_back, "CALL_ACCEPTED"),
    "join": (lambda: quiet().join("bob"), "PARTICIPANT_JOINED"),
    "join of a running call": (late_guest, "PARTICIPANT_JOINED"),
    "early join": (lambda: rung("ann", "bob").join("ann"), "PARTICIPANT_JOINED"),
    "join of an idle call": (lambda: idle_again().join("bob"), "PARTICIPANT_JOINED"),
    "join on a second device": (lambda: twice_in(JoinMode.ADD_DEVICE), "PARTICIPANT_JOINED"),
    "move to another device": (lambda: twice_in(JoinMode.MOVE_DEVICE), "PARTICIPANT_JOINED"),
    "claim": (claim, "PARTICIPANT_JOINED"),
    "reject": (lambda: rung("ann", "bob", "eve").reject("bob"), "CALL_REJECTED"),
    "reject by the last": (lambda: rung("ann", "bob").reject("bob"), "CALL_REJECTED"),
    "busy": (lambda: rung("ann", "bob").reject("bob", reason="busy"), "CALL_REJECTED"),
    "reject that leaves one alone": (lambda: early().reject("bob"), "CALL_REJECTED"),
    "cancel": (lambda: rung("ann", "bob").cancel("ann"), "CALL_CANCELLED"),
    "cancel by who is in": (lambda: early().cancel("ann"), "CALL_CANCELLED"),
    "leave that cancels": (lambda: rung("ann", "bob").leave("ann"), "CALL_CANCELLED"),
    "leave that cancels two rings": (leave_two_rings, "CALL_CANCELLED"),
    "leave": (lambda: talking("ann", "bob", "eve").leave("bob"), "PARTICIPANT_LEFT"),
    "leave that leaves one alone": (lambda: talking("ann", "bob").leave("bob"), "PARTICIPANT_LEFT"),
    "last leave": (lambda: early().leave("ann"), "PARTICIPANT_LEFT"),
    "last leave of an answered ring": (last_out, "PARTICIPANT_LEFT"),
    "loss": (lost, "PARTICIPANT_LEFT"),
    "time-out": (lambda: time_up(rung("ann", "bob")), "CALL_MISSED"),
    "time-out of one who is in": (lambda: time_up(early()), "CALL_MISSED"),
    "time-out of a second target": (second_target_late, "CALL_MISSED"),
    "max_duration": (too_long, "CALL_ENDED"),
    "end": (lambda: quiet().end("ann"), "CALL_ENDED"),
    "end while it rings": (lambda: rung("ann", "bob").end("ann"), "CALL_ENDED"),
    "end while people talk": (lambda: talking("ann", "bob").end("ann"), "CALL_ENDED"),
    "end of a call that stopped": (lambda: stopped().end("ann"), "CALL_ENDED"),
    "update": (lambda: quiet().update("ann", max_duration=100 * SECOND), "CALL_UPDATED"),
    "remove": (lambda: members(remove=("bob",)), "MEMBER_REMOVED"),
    "remove, add and change": (lambda: members(NEW, CHANGED, remove=("gus",)), "MEMBER_REMOVED"),
    "add": (lambda: members(NEW), "MEMBER_ADDED"),
    "add and change": (lambda: members(CHANGED, NEW), "MEMBER_ADDED"),
    "change": (lambda: members(CHANGED), "MEMBER_UPDATED"),
    "remove a ringer": (lambda: removed_while(lambda w: w.ring("bob", "eve"), "bob"), "MEMBER_REMOVED"),
    "remove a target": (lambda: removed_while(lambda w: w.ring("ann", "bob"), "bob"), "MEMBER_REMOVED"),
    "remove a participant": (lambda: removed_while(lambda w: w.join("bob"), "bob"), "MEMBER_REMOVED"),
}


@pytest.mark.parametrize("step", CAUSES)
def test_X2_the_cause_is_the_steps_main_event(step: str) -> None:
    decision = CAUSES[step][0]()
    assert decision.call.cause.type == CAUSES[step][1]
    assert decision.call.cause.type in [event.type for event in decision.events]


@pytest.mark.parametrize("step", CAUSES)
def test_X2_one_command_makes_one_revision_and_its_events_are_numbered_on(step: str) -> None:
    decision = CAUSES[step][0]()
    call, events = decision.call, decision.events
    assert {event.revision for event in events} == {call.revision}
    assert [event.seq for event in events] == list(range(call.seq - len(events) + 1, call.seq + 1))
    assert {(event.cid, event.uid, event.time) for event in events} == {(call.cid, call.uid, call.updated_at)}


@pytest.mark.parametrize("step", CAUSES)
def test_X2_the_cause_says_who_did_it(step: str) -> None:
    decision = CAUSES[step][0]()
    (actor,) = {event.actor_user_id for event in decision.events}
    assert decision.call.cause.actor_user_id == actor
    by_the_clock = step.startswith(("time-out", "loss", "max_duration"))
    assert bool(actor) != by_the_clock


def test_X2_the_cause_says_why() -> None:
    assert rung("ann", "bob").reject("bob", reason="busy").call.cause.reason == "busy"
    assert rung("ann", "bob").cancel("ann", reason="wrong number").call.cause.reason == "wrong number"
    assert talking("ann", "bob", "eve").leave("bob", reason="bye").call.cause.reason == "bye"
    assert talking("ann", "bob").end("ann", reason="done").call.cause.reason == "done"


def test_X2_revisions_count_from_one_by_one() -> None:
    w = World()
    revisions = [
        w.create("ann", ["ann", "bob"], ring=True).call.revision,
        w.join("bob").call.revision,
        w.update("ann", drop_when_alone=False).call.revision,
        w.leave("bob").call.revision,
        w.leave("ann").call.revision,
        w.ring("ann").call.revision,
    ]
    assert revisions == [1, 2, 3, 4, 5, 6]
    assert [event.seq for event in w.history] == list(range(1, len(w.history) + 1))


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_X2_a_command_that_is_refused_or_changes_nothing_makes_no_revision(make: Callable[[], World]) -> None:
    w = make()
    revision = w.call.revision
    w.get("ann")
    w.refused(Reason.NOT_ALLOWED, UpdateMembers(remove=("ann",)), "bob")
    assert w.call.revision == revision


SELF_ENDED: dict[str, tuple[Callable[[], Decision], str]] = {
    "reject": (lambda: rung("ann", "bob").reject("bob"), "all_rejected"),
    "busy": (lambda: rung("ann", "bob").reject("bob", reason="busy"), "busy"),
    "cancel": (lambda: rung("ann", "bob").cancel("ann"), "cancelled"),
    "time-out": (lambda: time_up(rung("ann", "bob")), "no_answer"),
    "last leave": (lambda: early().leave("ann"), "everyone_left"),
    "left alone": (lambda: talking("ann", "bob").leave("bob"), "left_alone"),
    "max_duration": (too_long, "max_duration"),
}


@pytest.mark.parametrize("step", SELF_ENDED)
def test_X2_a_call_that_ends_by_itself_says_so_once_with_the_reason(step: str) -> None:
    decision = SELF_ENDED[step][0]()
    assert decision.call.state == "ENDED"
    ends = [event for event in decision.events if event.type == "CALL_ENDED"]
    assert [event.reason for event in ends] == [SELF_ENDED[step][1]]


@pytest.mark.parametrize("seed", range(25))
def test_X2_every_step_of_a_long_life_is_one_revision(seed: int) -> None:
    revision = seq = 0
    for step in Walk(seed).steps:
        events = step.decision.events
        revision += bool(events)
        assert step.after.revision == revision
        assert [event.seq for event in events] == list(range(seq + 1, seq + 1 + len(events)))
        assert {event.revision for event in events} <= {revision}
        seq += len(events)
        assert step.after.seq == seq
        if not events:
            assert step.after == step.before
