from __future__ import annotations

import pytest

from ringline_server.rules.commands import Join, MemberInput, UpdateMembers
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import JoinMode, Reason
from tests.rules.world import World, inputs, rung, talking
from tests.rules.world_extra import ended, quiet, stopped

STAYING = Settings(drop_when_alone=False)


def among(*users: str, settings: Settings | None = None) -> World:
    """Return a world in which the first user has created the call with the others, and nobody rang."""
    w = World(settings=settings)
    w.create(users[0], users)
    return w


# M1


def test_M1_members_can_be_added_later() -> None:
    w = quiet()
    w.advance(5)
    w.add("ann", "eve", MemberInput("fay", "host", b"custom"))
    eve, fay = w.call.members["eve"], w.call.members["fay"]
    assert (eve.role, eve.custom, eve.created_at, eve.updated_at) == ("call_member", b"", w.now, w.now)
    assert (fay.role, fay.custom) == ("host", b"custom")
    assert set(w.event("MEMBER_ADDED").subject_user_ids) == {"eve", "fay"}
    assert set(w.call.members) == {"ann", "bob", "eve", "fay"}


def test_M1_members_can_be_changed_later() -> None:
    w = quiet()
    before = w.call.members["bob"]
    w.advance(5)
    w.add("ann", MemberInput("bob", "host", b"custom"))
    bob = w.call.members["bob"]
    assert (bob.role, bob.custom) == ("host", b"custom")
    assert (bob.created_at, bob.updated_at) == (before.created_at, w.now)
    assert w.event("MEMBER_UPDATED").subject_user_ids == ("bob",)


def test_M1_members_can_be_removed_later() -> None:
    w = quiet()
    w.remove("ann", "bob")
    assert set(w.call.members) == {"ann"}
    assert w.event("MEMBER_REMOVED").subject_user_ids == ("bob",)


def test_M1_adding_changing_and_removing_go_in_one_step() -> None:
    w = among("ann", "bob", "eve")
    revision = w.call.revision
    w.ok(UpdateMembers((MemberInput("bob", "host"), MemberInput("fay")), ("eve",)), "ann")
    assert set(w.call.members) == {"ann", "bob", "fay"}
    assert set(w.happened) == {"MEMBER_ADDED", "MEMBER_UPDATED", "MEMBER_REMOVED"}
    assert w.call.revision == revision + 1


def test_M1_adding_a_member_rings_nobody() -> None:
    w = rung("ann", "bob")
    w.add("ann", "eve")
    assert w.ringing == {"bob"}


def test_M1_with_ring_the_added_are_rung_in_the_same_step() -> None:
    w = quiet()
    revision = w.call.revision
    w.add("ann", "eve", "fay", ring=True, device="phone")
    assert w.ringing == {"eve", "fay"}
    assert w.call.revision == revision + 1
    assert w.answer.ring_id == w.ring_id
    assert [one.user_id for one in w.answer.targets] == ["eve", "fay"]
    assert w.last_ring.ringer_device_id == "phone"


def test_M1_with_ring_the_changed_are_rung_too_and_nobody_else() -> None:
    w = among("ann", "bob", "eve")
    w.add("ann", MemberInput("bob", "host"), "fay", ring=True)
    assert w.ringing == {"bob", "fay"}


def test_M1_with_ring_who_needed_no_change_is_rung() -> None:
    w = quiet()
    w.add("ann", "bob", ring=True)
    assert w.ringing == {"bob"}
    assert w.happened == ["CALL_RING"]


def test_M1_with_ring_who_is_in_or_rings_already_is_skipped() -> None:
    w = talking("ann", "bob")
    w.add("ann", "eve", ring=True)
    w.add("ann", "bob", "eve", "fay", ring=True)
    assert [one.skip_reason for one in w.answer.targets] == ["JOINED", "RINGING", None]
    assert w.last_ring.target("eve") is None


def test_M1_nobody_is_added_when_the_ring_is_refused() -> None:
    w = ended()
    w.refused(Reason.CALL_ENDED, UpdateMembers(inputs(["eve"]), ring=True), "ann")
    assert "eve" not in w.call.members


def test_M1_to_add_and_ring_only_oneself_is_refused() -> None:
    w = quiet()
    w.refused(Reason.INVALID_FIELD, UpdateMembers(inputs(["ann"]), ring=True), "ann")


def test_M1_removing_a_non_member_has_no_effect() -> None:
    w = quiet()
    w.no_change(UpdateMembers(remove=("zoe",)), "ann")
    w.remove("ann", "bob", "zoe")
    assert w.event("MEMBER_REMOVED").subject_user_ids == ("bob",)


def test_M1_members_may_change_while_the_call_is_over_and_it_stays_so() -> None:
    w = stopped()
    w.add("ann", "eve")
    w.remove("ann", "bob")
    assert set(w.call.members) == {"ann", "eve"}
    assert w.state == "ENDED"


def test_M1_the_creator_stays_a_host() -> None:
    w = quiet()
    w.add("ann", MemberInput("ann", "call_member", b"custom"))
    assert (w.call.members["ann"].role, w.call.members["ann"].custom) == ("host", b"custom")


def test_M1_a_call_has_no_more_than_five_hundred_members() -> None:
    w = quiet()
    people = [f"user {n}" for n in range(500)]
    for n in range(0, 400, 100):
        w.add("ann", *people[n : n + 100])
    w.refused(Reason.INVALID_FIELD, UpdateMembers(inputs(people[400:])), "ann")
    assert len(w.call.members) == 402
    w.add("ann", *people[400:498])
    assert len(w.call.members) == 500
    w.refused(Reason.INVALID_FIELD, UpdateMembers(inputs(["last"])), "ann")
    w.ok(UpdateMembers(inputs(["last"]), (people[0],)), "ann")
    assert len(w.call.members) == 500


# M2


def test_M2_the_removed_ringers_unanswered_rings_are_cancelled() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.ring("bob", "eve")
    w.ring("bob", "fay")
    w.remove("ann", "bob")
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "CANCELLED"]
    assert (w.ringing, w.state, w.call.end_reason) == (set(), "ENDED", "CANCELLED")


def test_M2_they_are_cancelled_also_while_others_are_in() -> None:
    w = talking("ann", "eve")
    w.add("ann", "bob", "fay")
    w.ring("bob", "fay")
    w.remove("ann", "bob")
    assert (w.last_ring.state, w.ringing) == ("CANCELLED", set())
    assert (w.state, w.users_in) == ("ACTIVE", {"ann", "eve"})


def test_M2_others_rings_go_on() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.ring("bob", "eve")
    w.ring("ann", "fay")
    w.remove("ann", "bob")
    assert w.ringing == {"fay"}
    assert w.state == "RINGING"


def test_M2_a_removed_target_is_cancelled_and_the_others_ring_on() -> None:
    w = rung("ann", "bob", "eve")
    w.remove("ann", "bob")
    assert (w.target("bob").state, w.ringing) == ("CANCELLED", {"eve"})
    assert (w.last_ring.state, w.state) == ("RINGING", "RINGING")


def test_M2_with_the_last_ringing_target_the_ring_closes() -> None:
    w = rung("ann", "bob")
    w.remove("ann", "bob")
    assert (w.last_ring.state, w.last_ring.ended_at) == ("CANCELLED", w.now)
    assert (w.state, w.call.end_reason) == ("ENDED", "CANCELLED")


def test_M2_a_ring_that_somebody_had_rejected_closes_as_rejected() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("eve")
    w.remove("ann", "bob")
    assert (w.last_ring.state, w.call.end_reason) == ("REJECTED", "ALL_REJECTED")


def test_M2_a_removed_target_cannot_answer() -> None:
    w = rung("ann", "bob", "eve")
    w.remove("ann", "bob")
    w.refused(Reason.NOT_ALLOWED, Join(), "bob")


def test_M2_a_removed_participant_leaves_on_all_devices() -> None:
    w = talking("ann", "eve")
    w.add("ann", "bob")
    w.join("bob", "phone")
    w.join("bob", "laptop", mode=JoinMode.ADD_DEVICE)
    w.remove("ann", "bob")
    assert w.users_in == {"ann", "eve"}
    left = [event for event in w.decision.events if event.type == "PARTICIPANT_LEFT"]
    assert sorted(event.device_id for event in left) == ["laptop", "phone"]
    assert {event.subject_user_ids for event in left} == {("bob",)}


def test_M2_a_removed_ringer_who_was_answered_leaves_and_the_rest_rings_on() -> None:
    w = among("ann", "bob", "eve", "fay")
    w.ring("bob", "eve", "fay")
    w.join("eve")
    w.remove("ann", "bob")
    assert (w.users_in, w.ringing, w.last_ring.state) == ({"eve"}, {"fay"}, "ACCEPTED")


def test_M2_what_still_rings_is_cancelled_when_the_last_one_in_is_removed() -> None:
    w = among("ann", "bob", "eve", "fay", settings=STAYING)
    w.ring("bob", "eve", "fay")
    w.join("eve")
    w.leave("eve")
    w.remove("ann", "bob")
    assert w.target("fay").state == "CANCELLED"
    assert (w.state, w.call.end_reason) == ("ENDED", "EVERYONE_LEFT")


def test_M2_who_is_left_alone_is_put_out() -> None:
    w = talking("ann", "bob")
    w.remove("ann", "bob")
    assert (w.users_in, w.state, w.call.end_reason) == (set(), "ENDED", "LEFT_ALONE")


def test_M2_removing_the_creator_is_refused() -> None:
    w = among("ann", "bob", "eve")
    w.add("ann", MemberInput("eve", "host"))
    for user in ("ann", "eve"):
        refusal = w.refused(Reason.INVALID_FIELD, UpdateMembers(remove=("bob", "ann")), user)
        assert [path for path, _ in refusal.fields] == ["remove_user_ids[1]"]
    assert set(w.call.members) == {"ann", "bob", "eve"}


def test_M2_who_was_removed_can_be_added_again_and_rung() -> None:
    w = rung("ann", "bob", "eve")
    w.remove("ann", "bob")
    w.add("ann", "bob", ring=True)
    assert w.ringing == {"bob", "eve"}
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


# M3


def test_M3_a_member_may_remove_themselves() -> None:
    w = among("ann", "bob", "eve")
    w.remove("bob", "bob")
    assert set(w.call.members) == {"ann", "eve"}


def test_M3_while_they_ring_or_are_in_it_is_as_any_removal() -> None:
    w = rung("ann", "bob", "eve", "fay")
    w.join("fay")
    w.remove("bob", "bob")
    w.remove("fay", "fay")
    assert (w.target("bob").state, w.users_in, w.ringing) == ("CANCELLED", {"ann"}, {"eve"})


def test_M3_the_creator_may_not_remove_themselves() -> None:
    w = quiet()
    w.refused(Reason.INVALID_FIELD, UpdateMembers(remove=("ann",)), "ann")


@pytest.mark.parametrize(
    "command",
    [
        UpdateMembers(remove=("eve",)),
        UpdateMembers(remove=("bob", "eve")),
        UpdateMembers(inputs(["fay"]), ("bob",)),
        UpdateMembers(inputs(["bob"])),
    ],
    ids=["another", "themselves and another", "themselves for another", "nobody"],
)
def test_M3_a_member_may_do_no_more_than_remove_themselves(command: UpdateMembers) -> None:
    w = among("ann", "bob", "eve")
    w.refused(Reason.NOT_ALLOWED, command, "bob")


def test_M1_with_ring_and_nobody_upserted_there_is_nobody_to_ring() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "cy"])
    refusal = w.refused(Reason.INVALID_FIELD, UpdateMembers(remove=("cy",), ring=True), "ann")
    assert [path for path, _ in refusal.fields] == ["upsert_members"]
    assert "cy" in w.call.members
