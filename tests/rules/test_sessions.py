from __future__ import annotations

import pytest

from ringline_server.rules.commands import Command, Get, GetOrCreate, Join, MemberInput, RingMembers, UpdateMembers
from ringline_server.rules.settings import Settings, SettingsOverride
from ringline_server.rules.terms import Reason
from tests.rules.world import World, inputs, rung, talking
from tests.rules.world_extra import idle_again, quiet, stopped

OPEN = Settings(end_when_empty=False)

RINGS: dict[str, Command] = {
    "GetOrCreateCall": GetOrCreate(inputs(["ann", "bob"]), ring=True),
    "GetCall": Get(ring=True),
    "RingCall": RingMembers(),
    "UpdateCallMembers": UpdateMembers(inputs(["bob"]), ring=True),
}
"""Every RPC that rings."""


def test_C10_a_call_is_created_in_its_first_session() -> None:
    w = quiet()
    assert w.call.session == 1
    w.ring("ann")
    w.join("bob")
    assert (w.call.session, w.last_ring.session) == (1, 1)


@pytest.mark.parametrize("how", RINGS)
def test_C10_a_ring_by_any_rpc_uses_a_stopped_call_again(how: str) -> None:
    w = stopped()
    uid = w.call.uid
    w.advance(60)
    w.ok(RINGS[how], "ann")
    assert (w.state, w.call.session, w.last_ring.session, w.ringing) == ("RINGING", 2, 2, {"bob"})
    assert (w.call.uid, w.answer.created) == (uid, False)
    w.join("bob")
    assert (w.state, w.users_in) == ("ACTIVE", {"ann", "bob"})


@pytest.mark.parametrize("how", RINGS)
def test_C10_a_ring_by_any_rpc_uses_an_idle_call_again(how: str) -> None:
    w = idle_again()
    assert (w.state, w.call.session) == ("IDLE", 1)
    w.ok(RINGS[how], "ann")
    assert (w.state, w.call.session) == ("RINGING", 2)


def test_C10_what_the_last_session_was_is_forgotten() -> None:
    w = stopped()
    assert None not in (w.call.started_at, w.call.ended_at, w.call.end_reason)
    w.ring("ann")
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason, w.call.ended_by_id) == (None, None, None, "")


def test_C10_members_custom_settings_and_revision_go_on() -> None:
    w = World()
    settings = SettingsOverride(auto_cancel_timeout=20_000_000)
    members = (MemberInput("ann"), MemberInput("bob", "host", b"of bob"))
    w.ok(GetOrCreate(members, b"of the call", settings, starts_at=5, ring=True), "ann")
    w.reject("bob")
    before = w.call
    w.ring("ann")
    assert (w.call.members, w.call.custom, w.call.settings) == (before.members, b"of the call", settings)
    assert (w.call.created_at, w.call.created_by_id, w.call.starts_at) == (before.created_at, "ann", 5)
    assert w.call.revision == before.revision + 1
    assert w.event("CALL_RING").seq == before.seq + 1
    assert w.event("CALL_RING").session == 2
    assert w.last_ring.expires_at == w.at(20)


def test_C10_a_new_ring_has_a_new_id() -> None:
    w = rung("ann", "bob")
    first = w.ring_id
    w.reject("bob")
    w.ring("ann")
    assert w.ring_id != first


def test_C10_the_session_starts_when_its_first_participant_comes_in() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(7)
    w.join("bob")
    first = w.now
    assert w.call.started_at == first
    w.advance(3)
    w.join("eve")
    assert w.call.started_at == first
    w.leave("eve")
    w.leave("bob")
    assert w.call.started_at == first
    w.ring("bob", "ann")
    w.advance(2)
    w.join("ann")
    assert w.call.started_at == w.now


def test_C10_a_session_in_which_nobody_was_yet_has_not_started() -> None:
    w = rung("ann", "bob")
    assert w.call.started_at is None
    w.reject("bob")
    assert w.call.started_at is None


def test_C10_who_leaves_and_comes_back_does_not_start_the_session_anew() -> None:
    w = talking("ann", "bob", "eve")
    first = w.call.started_at
    w.advance(5)
    w.leave("bob")
    w.join("bob")
    assert w.call.started_at == first


def test_C10_a_join_never_revives_an_ended_call() -> None:
    w = stopped()
    refusal = w.refused(Reason.CALL_ENDED, Join(), "bob")
    assert (refusal.metadata["end_reason"], refusal.metadata["state"]) == ("LEFT_ALONE", "ENDED")


def test_C10_nothing_but_a_ring_revives_an_ended_call() -> None:
    w = stopped()
    w.no_change(GetOrCreate(inputs(["ann", "bob"])), "ann")
    w.get("ann", notify=True)
    w.update("ann", end_when_empty=False)
    w.add("ann", "eve")
    assert (w.state, w.call.session, w.call.end_reason) == ("ENDED", 1, "LEFT_ALONE")


def test_C10_a_ring_that_is_refused_starts_no_session() -> None:
    w = stopped()
    before = w.call
    w.refused(Reason.NOT_A_MEMBER, RingMembers(("zoe",)), "ann")
    w.refused(Reason.INVALID_FIELD, RingMembers(("ann",)), "ann")
    assert w.call == before


def test_C10_an_idle_call_tells_of_its_last_session_until_the_next() -> None:
    w = idle_again()
    started, over = w.call.started_at, w.now
    w.advance(50)
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (started, over, "LEFT_ALONE")
    assert w.call.session == 1
    w.ring("ann")
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (None, None, None)


def test_C10_a_join_starts_the_next_session_of_an_idle_call() -> None:
    w = idle_again()
    w.advance(50)
    w.join("bob")
    assert (w.state, w.call.session, w.users_in) == ("ACTIVE", 2, {"bob"})
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (w.now, None, None)


def test_C10_the_first_join_of_a_call_that_was_never_used_is_its_first_session() -> None:
    w = quiet()
    w.join("bob")
    assert (w.call.session, w.call.started_at) == (1, w.now)


def test_C10_how_many_were_in_counts_anew() -> None:
    w = stopped()
    w.ring("ann")
    w.join("ann")
    w.reject("bob")
    assert (w.state, w.call.end_reason) == ("ENDED", "ALL_REJECTED")


def test_C10_whether_anybody_rang_counts_anew() -> None:
    w = idle_again()
    w.join("ann")
    w.join("bob")
    w.leave("ann")
    assert w.users_in == {"bob"}


def test_C10_who_was_in_the_last_session_only_is_idle_in_the_next() -> None:
    w = rung("ann", "bob", "eve")
    w.join("eve")
    w.leave("ann")
    w.leave("eve")
    assert w.state == "ENDED"
    assert w.viewer("eve").calling_state == "LEFT"
    w.ring("ann", "bob")
    assert w.viewer("eve").calling_state == "IDLE"
    assert w.viewer("eve").direction is None


def test_C10_an_id_has_many_sessions() -> None:
    w = World()
    ends = {"reject": "ALL_REJECTED", "time out": "NO_ANSWER", "cancel": "CANCELLED", "talk": "LEFT_ALONE"}
    for session, (how, reason) in enumerate([*ends.items()] * 3, 1):
        w.create("ann", ["ann", "bob"], ring=True)
        assert (w.answer.created, w.call.session, w.ringing) == (session == 1, session, {"bob"})
        match how:
            case "reject":
                w.reject("bob")
            case "time out":
                w.advance(30)
            case "cancel":
                w.cancel("ann")
            case _:
                w.join("bob")
                w.leave("bob")
        assert (w.state, w.call.end_reason, w.call.ended_at) == ("ENDED", reason, w.now)
        w.advance(1)
    assert len({event.seq for event in w.history}) == len(w.history)


def test_C10_another_member_may_start_the_next_session() -> None:
    w = stopped()
    w.ring("bob", "ann")
    assert w.ringing == {"ann"}
    assert (w.viewer("bob").direction, w.viewer("ann").direction) == ("OUTGOING", "INCOMING")


@pytest.mark.parametrize("settings", [None, OPEN], ids=["ended", "idle"])
def test_C10_a_session_is_over_when_nobody_is_in_and_nobody_rings(settings: Settings | None) -> None:
    w = rung("ann", "bob", "eve", settings=settings)
    w.reject("bob")
    w.ring("ann")
    assert w.call.session == 1
    w.reject("bob")
    w.reject("eve")
    w.ring("ann")
    assert w.call.session == 2
