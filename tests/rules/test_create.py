from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ringline_server.rules.commands import (
    Command,
    Get,
    GetOrCreate,
    Join,
    MemberInput,
    Reject,
    RingMembers,
    UpdateMembers,
)
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.settings import NO_OVERRIDE, SECOND, Settings, SettingsOverride
from ringline_server.rules.terms import Reason
from tests.rules.world import LASTING, World, inputs, rung, talking


def test_C1_an_unknown_call_is_created_and_the_answer_says_so() -> None:
    w = World()
    decision = w.create("ann", ["bob"])
    assert decision.answer.created
    assert w.state == "IDLE"
    assert (w.call.type, w.call.id, w.call.cid) == ("default", "standup", "default:standup")
    assert (w.call.created_by_id, w.call.created_at) == ("ann", w.now)
    assert w.cause == "CALL_CREATED"
    assert w.happened == ["CALL_CREATED"]


def test_C1_a_known_call_is_returned_and_the_answer_says_so() -> None:
    w = World()
    w.create("ann", ["bob"])
    again = w.no_change(GetOrCreate(), "bob")
    assert not again.answer.created


def test_C1_of_two_who_create_at_the_same_moment_one_creates() -> None:
    w = World()
    first = w.create("ann", ["bob"])
    second = w.create("bob", ["ann"])
    assert [first.answer.created, second.answer.created] == [True, False]
    assert w.call.uid == first.call.uid
    assert w.call.created_by_id == "ann"


def test_C2_on_an_existing_call_data_changes_nothing() -> None:
    w = World()
    w.create("ann", ["bob"])
    everything = GetOrCreate(
        members=inputs(["eve", MemberInput("bob", role="host", custom=b"new")]),
        custom=b"new",
        settings=SettingsOverride(max_duration=SECOND),
        starts_at=w.at(60),
        team="",
        video=True,
    )
    w.no_change(everything, "ann")


def test_C2_with_ring_the_given_members_are_the_asked_targets() -> None:
    w = World()
    w.create("ann", ["bob", "eve", "dan"])
    w.create("ann", ["bob", "eve"], ring=True)
    assert w.ringing == {"bob", "eve"}
    assert [one.user_id for one in w.answer.targets] == ["bob", "eve"]


def test_C2_with_ring_the_given_members_stay_as_they_are() -> None:
    w = World()
    w.create("ann", [MemberInput("bob", custom=b"old")])
    before = w.call.members
    w.create("ann", [MemberInput("bob", role="host", custom=b"new")], ring=True)
    assert w.call.members == before


def test_C2_with_ring_and_without_members_all_are_asked() -> None:
    w = World()
    w.create("ann", ["bob", "eve"])
    w.create("ann", ring=True)
    assert w.ringing == {"bob", "eve"}


def test_C2_a_stranger_among_the_asked_is_named() -> None:
    w = World()
    w.create("ann", ["bob"])
    refusal = w.refused(Reason.NOT_A_MEMBER, GetOrCreate(inputs(["bob", "zoe", "zac"]), ring=True), "ann")
    assert refusal.metadata["user_id"] == "zoe"
    assert "zoe" in refusal.message
    assert [path for path, _ in refusal.fields] == ["data.members[1].user_id", "data.members[2].user_id"]


def test_C3_every_option_is_kept() -> None:
    w = World()
    w.user("ann", teams=["red"])
    w.ok(
        GetOrCreate(
            members=inputs(["ann", MemberInput("bob", role="host", custom=b"of bob")]),
            custom=b"of the call",
            settings=SettingsOverride(max_duration=90 * SECOND),
            starts_at=w.at(3600),
            team="red",
            ring=True,
            notify=True,
            video=True,
        ),
        "ann",
    )
    assert w.call.members["bob"].role == "host"
    assert w.call.members["bob"].custom == b"of bob"
    assert w.call.custom == b"of the call"
    assert w.call.settings == SettingsOverride(max_duration=90 * SECOND)
    assert w.call.starts_at == w.at(3600)
    assert w.call.team == "red"
    assert w.last_ring.video
    assert w.viewer("bob").video
    assert w.decision.notification is not None
    assert w.decision.notification.video


def test_C3_settings_override_the_types_field_by_field() -> None:
    w = World(settings=Settings(auto_cancel_timeout=50 * SECOND, incoming_call_timeout=40 * SECOND))
    w.create("ann", ["ann", "bob"], ring=True, settings=SettingsOverride(incoming_call_timeout=7 * SECOND))
    assert w.last_ring.expires_at == w.at(50)
    assert w.target("bob").expires_at == w.at(7)


def test_C3_a_setting_can_be_overridden_with_off() -> None:
    w = World()
    w.create("ann", ["ann", "bob"], ring=True, settings=SettingsOverride(end_when_empty=False))
    w.cancel("ann")
    assert w.state == "IDLE"


def test_C3_ring_and_notify_default_to_false() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"])), "ann")
    assert w.ringing == set()
    assert w.decision.notification is None
    assert w.call.last_notified_at is None


def test_C3_create_ring_and_notify_is_one_step() -> None:
    w = World()
    w.create("ann", ["ann", "bob"], ring=True, notify=True)
    assert w.happened == ["CALL_CREATED", "CALL_RING", "CALL_NOTIFICATION"]
    assert w.call.revision == 1


def test_X2_the_cause_of_a_ringing_creation_is_the_ring() -> None:
    w = rung("ann", "bob")
    assert w.cause == "CALL_RING"


def test_C4_a_ringing_creation_must_list_its_creator() -> None:
    w = World()
    refusal = w.refused(Reason.INVALID_FIELD, GetOrCreate(inputs(["bob"]), ring=True), "ann")
    assert [path for path, _ in refusal.fields] == ["data.members"]
    assert refusal.metadata["field"] == "data.members"
    assert w.maybe is None


def test_C4_without_ring_the_creator_need_not_be_listed_and_is_a_member_all_the_same() -> None:
    w = World()
    w.create("ann", ["bob"])
    assert set(w.call.members) == {"ann", "bob"}


def test_C4_on_an_existing_call_the_ringer_need_not_be_listed() -> None:
    w = World()
    w.create("ann", ["bob"])
    w.create("ann", ["bob"], ring=True)
    assert w.ringing == {"bob"}


def test_P1_the_creator_is_a_host_whatever_was_given() -> None:
    w = World()
    w.create("ann", [MemberInput("ann", role="call_member"), "bob"])
    assert w.call.members["ann"].role == "host"
    assert w.call.members["bob"].role == "call_member"


def test_C5_a_ringing_creation_without_another_member_is_refused() -> None:
    w = World()
    refusal = w.refused(Reason.INVALID_FIELD, GetOrCreate(inputs(["ann"]), ring=True), "ann")
    assert refusal.fields[0][0].startswith("data.members")
    assert w.maybe is None


@pytest.mark.parametrize("command", [Get(ring=True), RingMembers(), GetOrCreate(ring=True)])
def test_C5_a_ring_on_a_call_without_another_member_is_refused(command: Command) -> None:
    w = World()
    w.create("ann")
    w.refused(Reason.INVALID_FIELD, command, "ann")


def test_C5_to_ring_only_oneself_is_refused() -> None:
    w = World()
    w.create("ann", ["bob"])
    refusal = w.refused(Reason.INVALID_FIELD, RingMembers(("ann",)), "ann")
    assert refusal.fields[0][0].startswith("user_ids")


def test_C5_one_new_target_is_enough_and_the_answer_lists_every_asked_member() -> None:
    w = World(settings=LASTING)
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob")
    w.join("dan")
    w.ring("eve", "ann", "bob", "dan", "eve")  # ann is in by A2
    assert [one.user_id for one in w.answer.targets] == ["ann", "bob", "dan", "eve"]
    w.leave("dan")
    answer = w.ring("eve", "bob", "dan", "eve").answer
    assert w.asked("bob").skip_reason == "RINGING"
    assert w.asked("dan").skip_reason is None
    assert w.asked("dan").target == w.target("dan")
    assert w.asked("dan").ring_id == answer.ring_id == w.ring_id
    assert w.asked("eve").skip_reason == "RINGER"


def test_C5_somebody_who_rings_already_is_enough() -> None:
    w = rung("ann", "bob", "eve")
    ring_id = w.ring_id
    decision = w.no_change(RingMembers(("bob",)), "ann")
    assert decision.answer.ring_id == ring_id
    assert w.asked("bob").skip_reason == "RINGING"
    assert w.asked("bob").target == w.target("bob")
    assert w.asked("bob").ring_id == ring_id


def test_C5_it_is_harmless_that_ones_own_ring_has_brought_all_of_them_in() -> None:
    w = talking("ann", "bob", "eve")
    decision = w.no_change(RingMembers(("bob", "eve")), "ann")
    assert decision.answer.ring_id == w.ring_id
    assert w.asked("bob").skip_reason == "JOINED"
    w.no_change(GetOrCreate(inputs(["ann", "bob", "eve"]), ring=True), "ann")


def test_C5_nobody_can_be_rung_when_all_came_in_otherwise() -> None:
    w = World(settings=LASTING)
    w.create("ann", ["bob"])
    w.join("bob")
    w.refused(Reason.NOBODY_TO_RING, RingMembers(), "ann")


def test_C5_nobody_can_be_rung_when_somebody_elses_ring_brought_them_in() -> None:
    w = talking("ann", "bob", "eve")
    w.refused(Reason.NOBODY_TO_RING, RingMembers(("bob",)), "eve")


def test_C5_nobody_can_be_rung_when_ones_own_ring_brought_only_some_of_them_in() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    w.join("bob")
    w.join("eve")
    w.refused(Reason.NOBODY_TO_RING, RingMembers(("bob", "eve")), "ann")


def test_C5_a_refused_creation_creates_nothing_and_a_refused_ring_starts_no_session() -> None:
    w = World()
    w.create("ann", ["bob"])
    before = w.call
    w.refused(Reason.NOT_A_MEMBER, RingMembers(("zoe",)), "ann")
    assert w.call == before


def test_C5_the_answers_ring_is_the_new_one_before_the_one_that_alerts_already() -> None:
    w = World()
    w.create("ann", ["bob", "eve"])
    first = w.ring("ann", "bob").answer.ring_id
    second = w.ring("ann", "bob", "eve").answer.ring_id
    assert second != first
    assert second == w.viewer("eve").ring_id
    assert w.asked("bob").ring_id == first
    assert w.viewer("bob").ring_id == first


def test_C6_a_call_has_at_most_500_members_its_creator_included() -> None:
    many = [f"user {i}" for i in range(499)]
    w = World()
    refusal = w.refused(Reason.INVALID_FIELD, GetOrCreate(inputs([*many, "one more"])), "ann")
    assert [path for path, _ in refusal.fields] == ["data.members"]
    w.create("ann", many)
    assert len(w.call.members) == 500
    w.refused(Reason.INVALID_FIELD, UpdateMembers(inputs(["one more"])), "ann")
    w.ok(UpdateMembers(inputs(["one more"]), remove=("user 1",)), "ann")
    assert len(w.call.members) == 500


def huge_members(count: int) -> tuple[MemberInput, ...]:
    return tuple(MemberInput(f"{i:3}" + "\U0001f600" * 252, custom=b"x" * 1024) for i in range(count))


def is_refused(w: World, command: Command) -> bool:
    """Whether a command too big to be shown in a failure is refused as INVALID_FIELD."""
    outcome = w.decide(command, w.actor("ann"))
    return isinstance(outcome, Refusal) and outcome.reason is Reason.INVALID_FIELD


def test_C6_a_call_of_more_than_a_mebibyte_is_not_created() -> None:
    w = World()
    refused = is_refused(w, GetOrCreate(huge_members(499), custom=b"x" * 16384))
    assert refused


def test_C6_a_call_cannot_grow_to_more_than_a_mebibyte() -> None:
    w = World()
    w.create("ann", huge_members(200))
    refused = is_refused(w, UpdateMembers(huge_members(499)))
    assert refused
    assert len(w.call.members) == 201


def test_C7_a_ring_that_was_asked_for_does_not_wait_for_starts_at() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"]), starts_at=w.at(3600), ring=True), "ann")
    assert w.ringing == {"bob"}
    assert w.last_ring.started_at == w.now
    assert w.call.starts_at == w.at(3600)


def test_C7_starts_at_rings_nobody_by_itself() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"]), starts_at=w.at(60)), "ann")
    assert w.next_deadline is None
    w.advance(3600)
    assert w.state == "IDLE"


def test_C8_the_team_must_be_one_of_the_creators() -> None:
    w = World()
    w.user("ann", teams=["red"])
    refusal = w.refused(Reason.INVALID_FIELD, GetOrCreate(team="blue"), "ann")
    assert [path for path, _ in refusal.fields] == ["data.team"]
    w.create("ann", team="red")
    assert w.call.team == "red"


def test_C8_a_service_may_name_any_team() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"]), team="blue"), "ann", service="backend")
    assert w.call.team == "blue"


@pytest.mark.parametrize("command", [Get(), Join(), Reject(), GetOrCreate(), RingMembers()])
def test_C8_who_lacks_the_team_can_neither_see_nor_answer_member_or_not(command: Command) -> None:
    w = World()
    w.user("ann", teams=["red"])
    w.user("bob", teams=["blue"])
    w.create("ann", ["ann", "bob"], ring=True, team="red")
    w.refused(Reason.NOT_ALLOWED, command, "bob")
    w.user("bob", teams=["blue", "red"])
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


def test_C8_call_ids_are_one_name_space_across_teams() -> None:
    w = World()
    w.user("ann", teams=["red"])
    w.user("eve", teams=["blue"])
    w.create("ann", team="red")
    w.refused(Reason.NOT_ALLOWED, GetOrCreate(team="blue"), "eve")
    assert w.call.team == "red"


def test_C9_ids_are_compared_byte_for_byte() -> None:
    w = rung("ann", "my friend", "My friend", "my  friend")
    w.join("my friend")
    assert w.users_in == {"ann", "my friend"}
    assert w.ringing == {"My friend", "my  friend"}


def again_by_create(w: World) -> None:
    w.create("ann", ["ann", "bob"], ring=True)


def again_by_get(w: World) -> None:
    w.get("ann", ring=True)


def again_by_ring(w: World) -> None:
    w.ring("bob", "ann")


def again_by_members(w: World) -> None:
    w.add("ann", "bob", "eve", ring=True)


def stopped(settings: Settings | None = None) -> World:
    """Return a call that has stopped by itself."""
    w = World(settings=settings)
    w.create("ann", ["ann", MemberInput("bob", custom=b"of bob")], ring=True)
    w.advance(1)
    w.join("bob")
    w.advance(10)
    w.leave("ann")
    w.leave("bob")
    w.advance(100)
    return w


@pytest.mark.parametrize("again", [again_by_create, again_by_get, again_by_ring, again_by_members])
def test_C10_a_call_that_stopped_by_itself_can_ring_again(again: Callable[[World], None]) -> None:
    w = stopped()
    assert w.state == "ENDED"
    before = w.call
    again(w)
    assert w.state == "RINGING"
    assert w.call.session == before.session + 1
    assert w.call.uid == before.uid
    assert w.call.revision == before.revision + 1
    assert w.call.members["bob"] == before.members["bob"]
    assert (w.call.custom, w.call.settings) == (before.custom, before.settings)
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (None, None, None)
    assert not w.answer.created


def test_C10_started_at_is_when_the_first_participant_of_the_session_came_in() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(5)
    w.join("bob")
    first = w.now
    w.advance(5)
    w.join("eve")
    assert w.call.started_at == first
    w.leave("bob")
    w.leave("eve")
    assert w.state == "ENDED"
    assert w.call.started_at == first


def test_C10_a_session_in_which_nobody_came_in_yet_has_not_started() -> None:
    w = rung("ann", "bob")
    assert w.call.started_at is None


def test_C10_the_next_session_starts_when_its_first_participant_comes_in() -> None:
    w = talking("ann", "bob")
    w.leave("bob")
    w.ring("ann")
    unstarted = w.call
    assert unstarted.started_at is None
    w.advance(5)
    w.join("ann")
    assert w.call.started_at == w.now


def test_C10_started_at_does_not_move_when_the_first_participant_is_the_waiting_ringer() -> None:
    w = rung("ann", "bob")
    w.advance(2)
    w.join("ann")
    first = w.now
    w.advance(2)
    w.join("bob")
    assert w.call.started_at == first


def test_C10_the_users_sample_runs_as_often_as_they_like() -> None:
    w = World()
    uids = set()
    for session in range(1, 15):
        w.create("myself", ["myself", "my friend"], ring=True)
        assert (w.call.session, w.state) == (session, "RINGING")
        uids.add(w.call.uid)
        if session % 2:
            w.join("my friend")
            w.leave("myself")
        else:
            w.advance(60)
        assert w.state == "ENDED"
    assert len(uids) == 1


def test_C10_a_join_never_revives_an_ended_call() -> None:
    w = stopped()
    w.refused(Reason.CALL_ENDED, Join(), "bob")


def test_C10_without_ring_an_ended_call_stays_as_it_is() -> None:
    w = stopped()
    w.no_change(GetOrCreate(inputs(["ann", "bob"])), "ann")
    assert w.state == "ENDED"


def test_C10_a_call_that_is_idle_again_tells_of_its_last_session() -> None:
    w = stopped(LASTING)
    assert w.state == "IDLE"
    assert w.call.end_reason == "EVERYONE_LEFT"
    assert w.call.started_at is not None
    assert w.call.ended_at == w.at(-100)


def test_C10_the_next_ring_of_an_idle_call_starts_the_next_session() -> None:
    w = stopped(LASTING)
    w.ring("ann")
    assert w.call.session == 2
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (None, None, None)


def test_C10_the_next_join_of_an_idle_call_starts_the_next_session() -> None:
    w = stopped(LASTING)
    w.join("bob")
    assert w.call.session == 2
    assert (w.call.started_at, w.call.ended_at, w.call.end_reason) == (w.now, None, None)
    assert w.users_in == {"bob"}
    assert w.viewer("ann").calling_state == "IDLE"


def test_C10_a_call_is_created_in_its_first_session() -> None:
    w = World()
    w.create("ann", ["bob"])
    assert w.call.session == 1
    w.ring("ann")
    assert w.call.session == 1
    w.join("bob")
    assert w.call.session == 1


def test_C10_settings_of_the_call_hold_in_its_next_session() -> None:
    w = World()
    w.create("ann", ["ann", "bob"], ring=True, settings=replace(NO_OVERRIDE, auto_cancel_timeout=5 * SECOND))
    w.advance(5)
    assert w.state == "ENDED"
    w.create("ann", ["ann", "bob"], ring=True)
    assert w.last_ring.expires_at == w.at(5)


def test_R4_a_call_that_was_ended_for_everyone_is_not_created_again_by_a_ring() -> None:
    w = rung("ann", "bob")
    w.end("ann")
    w.refused(Reason.CALL_ENDED, GetOrCreate(inputs(["ann", "bob"]), ring=True), "ann")
    again = w.no_change(GetOrCreate(), "ann")
    assert again.call.state == "ENDED"
