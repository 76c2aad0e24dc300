from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ringline_server.rules.commands import Command, Get, GetOrCreate, Join, RingMembers, Tick, UpdateMembers
from ringline_server.rules.settings import SECOND, Settings
from ringline_server.rules.terms import Reason
from tests.rules.world import LASTING, World, inputs, rung, talking

PATIENT = Settings(auto_cancel_timeout=60 * SECOND, incoming_call_timeout=60 * SECOND)


def created(*users: str, settings: Settings | None = None) -> World:
    """Return a world in which the first user has created the call with the others."""
    w = World(settings=settings)
    w.create(users[0], users)
    return w


def test_R1_by_default_all_members_but_the_ringer_are_rung() -> None:
    w = created("ann", "bob", "eve")
    w.ring("bob")
    assert w.ringing == {"ann", "eve"}
    assert w.asked("bob").skip_reason == "RINGER"
    assert w.asked("bob").target is None


def test_R1_only_the_asked_are_rung() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "eve")
    assert w.ringing == {"eve"}
    assert list(w.last_ring.targets) == ["eve"]


def test_R1_the_ringer_among_the_asked_is_skipped() -> None:
    w = created("ann", "bob")
    w.ring("ann", "ann", "bob")
    assert w.ringing == {"bob"}
    assert w.asked("ann").skip_reason == "RINGER"


def test_R1_the_joined_are_skipped() -> None:
    w = created("ann", "bob", "eve")
    w.join("bob")
    w.ring("ann")
    assert w.ringing == {"eve"}
    assert w.asked("bob").skip_reason == "JOINED"
    assert w.asked("eve").skip_reason is None


def test_R1_the_already_ringing_are_skipped() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.ring("ann", "bob", "eve")
    assert w.asked("bob").skip_reason == "RINGING"
    assert list(w.last_ring.targets) == ["eve"]


def test_R1_a_stranger_among_the_asked_is_refused_by_name_and_nobody_is_rung() -> None:
    w = created("ann", "bob")
    refusal = w.refused(Reason.NOT_A_MEMBER, RingMembers(("bob", "zoe")), "ann")
    assert refusal.metadata["user_id"] == "zoe"
    assert [path for path, _ in refusal.fields] == ["user_ids[1]"]
    assert w.ringing == set()


def test_R1_a_ring_knows_its_ringer_their_device_and_its_targets() -> None:
    w = rung("ann", "bob", "eve", device="laptop")
    ring = w.last_ring
    assert (ring.ringer_id, ring.ringer_device_id) == ("ann", "laptop")
    assert (ring.state, ring.started_at, ring.session) == ("RINGING", w.now, 1)
    assert [(one.user_id, one.state) for one in ring.targets.values()] == [("bob", "RINGING"), ("eve", "RINGING")]
    assert w.state == "RINGING"
    assert set(w.event("CALL_RING").subject_user_ids) == {"bob", "eve"}
    assert w.event("CALL_RING").ring_id == w.ring_id


def test_R2_repeating_a_ring_request_is_harmless() -> None:
    w = rung("ann", "bob", "eve")
    w.advance(5)
    for command in (
        RingMembers(),
        RingMembers(("bob",)),
        Get(ring=True),
        GetOrCreate(ring=True),
        GetOrCreate(inputs(["ann", "bob", "eve"]), ring=True),
        UpdateMembers(inputs(["bob"]), ring=True),
    ):
        decision = w.no_change(command, "ann")
        assert decision.answer.ring_id == w.ring_id
    assert w.target("bob").expires_at == w.at(25)


def test_R2_a_member_who_rings_gets_no_second_ring_from_somebody_else() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    first = w.ring_id
    decision = w.no_change(RingMembers(("bob",)), "eve")
    assert decision.answer.ring_id == first
    assert w.asked("bob").skip_reason == "RINGING"


def test_R2_a_member_who_rings_after_others_have_answered_gets_no_second_ring() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.no_change(RingMembers(("eve",)), "bob")
    assert w.ringing == {"eve"}


def test_R2_whose_last_ring_is_over_can_be_rung_again_under_a_new_id() -> None:
    w = rung("ann", "bob", "eve")
    first = w.ring_id
    w.reject("bob")
    answer = w.ring("ann", "bob").answer
    assert answer.ring_id == w.ring_id
    assert answer.ring_id != first
    assert w.target("bob").state == "RINGING"
    assert w.target("bob", 1).state == "REJECTED"
    assert w.viewer("bob").ring_id == answer.ring_id


def test_R2_who_was_missed_in_a_running_call_can_be_rung_again() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.advance(30)
    assert w.ringing == set()
    w.ring("bob", "eve")
    assert w.ringing == {"eve"}
    assert w.target("eve", 1).state == "MISSED"


def test_R2_who_answered_and_left_can_be_rung_again() -> None:
    w = talking("ann", "bob", "eve")
    w.leave("eve")
    w.ring("ann", "eve")
    assert w.ringing == {"eve"}
    assert w.target("eve", 1).state == "ACCEPTED"


@pytest.mark.parametrize(("auto", "incoming"), [(20, 45), (45, 20), (30, 30)])
def test_R3_deadlines_are_told_for_the_ring_the_target_and_each_viewer(auto: int, incoming: int) -> None:
    w = World(settings=Settings(auto_cancel_timeout=auto * SECOND, incoming_call_timeout=incoming * SECOND))
    w.create("ann", ["ann", "bob", "eve", "dan"])
    w.ring("ann", "bob", "eve")
    assert w.last_ring.expires_at == w.at(auto)
    assert w.target("bob").expires_at == w.at(incoming)
    earlier = w.at(min(auto, incoming))
    assert w.viewer("bob").ring_expires_at == earlier
    assert w.viewer("eve").ring_expires_at == earlier
    assert w.viewer("ann").ring_expires_at == earlier
    assert w.viewer("dan").ring_expires_at is None
    assert w.next_deadline == earlier


def test_R3_after_the_answer_only_the_targets_own_deadline_counts() -> None:
    w = World(settings=Settings(auto_cancel_timeout=10 * SECOND, incoming_call_timeout=45 * SECOND))
    w.create("ann", ["ann", "bob", "eve"], ring=True)
    w.join("bob")
    assert w.viewer("eve").ring_expires_at == w.at(45)
    assert w.viewer("ann").ring_expires_at is None
    assert w.viewer("bob").ring_expires_at is None
    w.advance(44)
    assert w.ringing == {"eve"}
    w.advance(1)
    assert w.ringing == set()


def test_R3_a_target_whose_ring_is_over_has_no_deadline() -> None:
    w = rung("ann", "bob", "eve")
    w.reject("bob")
    assert w.viewer("bob").ring_expires_at is None
    assert w.viewer("eve").ring_expires_at is not None
    assert w.viewer("ann").ring_expires_at is not None


def test_R3_a_ringer_who_joined_early_still_sees_the_deadline() -> None:
    w = rung("ann", "bob")
    w.join("ann")
    assert w.viewer("ann").ring_expires_at == w.at(30)


def test_R3_a_ringer_who_waits_no_more_has_no_deadline() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("ann")
    w.join("eve")
    w.leave("ann")
    assert w.last_ring.state == "RINGING"
    assert w.viewer("ann").ring_expires_at is None


@pytest.mark.parametrize(
    "command",
    [RingMembers(), Get(ring=True), GetOrCreate(ring=True), UpdateMembers(inputs(["eve"]), ring=True)],
)
def test_R4_a_call_that_was_ended_for_everyone_cannot_ring(command: Command) -> None:
    w = rung("ann", "bob")
    w.advance(3)
    w.end("ann")
    refusal = w.refused(Reason.CALL_ENDED, command, "ann")
    assert refusal.metadata["end_reason"] == "ENDED_BY_USER"
    assert refusal.metadata["ended_at"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=w.now)


def test_R4_it_holds_also_for_a_call_that_had_stopped_by_itself_before_it_was_ended() -> None:
    w = rung("ann", "bob")
    w.reject("bob")
    w.end("ann")
    w.refused(Reason.CALL_ENDED, RingMembers(), "ann")


def test_R5_every_target_and_the_ringer_are_told() -> None:
    w = created("ann", "bob", "eve", "dan")
    decision = w.ring("ann", "bob", "eve")
    assert decision.touched is None or {"ann", "bob", "eve"} <= decision.touched
    decision = w.join("bob")
    assert decision.touched is None or {"ann", "bob"} <= decision.touched


def test_R5_a_target_tells_how_many_devices_could_be_told_at_once() -> None:
    w = created("ann", "bob", "eve")
    w.online = {"bob": 2}
    w.ring("ann")
    assert (w.target("bob").online_devices, w.target("eve").online_devices) == (2, 0)


def test_R6_any_member_may_ring_others_into_a_running_call() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.join("bob")
    w.ring("bob", "eve", device="phone")
    assert w.ringing == {"eve"}
    assert w.state == "ACTIVE"
    assert w.last_ring.ringer_id == "bob"
    w.join("eve")
    assert w.users_in == {"ann", "bob", "eve"}


def test_R6_a_member_who_is_not_in_may_ring_too() -> None:
    w = created("ann", "bob", "eve", "dan")
    w.ring("ann", "bob")
    w.join("bob")
    w.ring("dan", "eve")
    assert w.viewer("dan").calling_state == "RINGING"
    w.join("eve")
    assert w.users_in == {"ann", "bob", "dan", "eve"}


def test_R6_without_ring_call_nobody_rings() -> None:
    w = World("livestream")
    w.create("ann", ["bob"])
    w.join("zoe")
    refusal = w.refused(Reason.NOT_ALLOWED, RingMembers(("bob",)), "zoe")
    assert refusal.metadata["capability"] == "RING_CALL"


def test_R6_at_most_20_rings_of_a_call_are_open() -> None:
    users = [f"user {i}" for i in range(22)]
    w = created("ann", *users, settings=PATIENT)
    for user in users[:20]:
        w.ring("ann", user)
    refusal = w.refused(Reason.TOO_MANY_RINGS, RingMembers((users[20],)), "ann")
    assert refusal.metadata["limit"] == 20
    assert refusal.retry_after == 60 * SECOND
    w.refused(Reason.TOO_MANY_RINGS, RingMembers((users[20],)), "user 21")
    w.no_change(RingMembers((users[3],)), "ann")
    w.reject(users[3])
    w.ring("ann", users[20])
    assert len(w.ringing) == 20


def test_R6_a_ring_that_was_answered_counts_while_a_target_of_it_rings() -> None:
    users = [f"user {i}" for i in range(23)]
    w = created("ann", *users, settings=PATIENT)
    w.ring("ann", users[0], users[1])
    w.join(users[0])
    for user in users[2:21]:
        w.ring("ann", user)
    w.refused(Reason.TOO_MANY_RINGS, RingMembers((users[21],)), "ann")
    w.reject(users[1])
    w.ring("ann", users[21])


@pytest.mark.parametrize("how", ["cancelled", "rejected", "missed"])
def test_R7_a_ring_that_is_over_never_rings_again_whatever_comes_late(how: str) -> None:
    w = rung("ann", "bob")
    ring_id = w.ring_id
    if how == "cancelled":
        w.cancel("ann")
    elif how == "rejected":
        w.reject("bob")
    else:
        w.advance(30)
    over = w.last_ring
    w.refused(Reason.RING_OVER, Join(ring_id), "bob")
    w.refused(Reason.CALL_ENDED, Join(), "bob")
    w.reject("bob", ring_id=ring_id)
    w.cancel("ann", ring_id=ring_id)
    w.no_change(Tick())
    assert w.last_ring == over
    assert w.ringing == set()


def test_R7_a_ring_that_is_over_stays_over_in_the_next_session() -> None:
    w = rung("ann", "bob")
    w.cancel("ann")
    over = w.last_ring
    w.ring("ann")
    w.join("bob")
    assert w.ring_number(1) == over


def test_R8_a_ringing_target_who_rings_has_joined() -> None:
    w = rung("ann", "bob", device="laptop")
    answer = w.ring("bob", device="phone").answer
    assert w.users_in == {"ann", "bob"}
    assert w.last_ring.number == 1
    assert (w.last_ring.state, w.last_ring.accepted_by_id) == ("ACCEPTED", "bob")
    assert w.target("bob").state == "ACCEPTED"
    assert (w.devices("ann"), w.devices("bob")) == (["laptop"], ["phone"])
    assert answer.ring_id == w.ring_id
    assert w.asked("ann").skip_reason == "JOINED"
    assert w.cause == "CALL_ACCEPTED"


def test_R8_two_who_press_call_at_once_are_connected() -> None:
    w = World()
    w.create("ann", ["ann", "bob"], ring=True)
    decision = w.create("bob", ["bob", "ann"], ring=True)
    assert not decision.answer.created
    assert w.users_in == {"ann", "bob"}
    assert w.state == "ACTIVE"
    assert w.ringing == set()
    assert decision.call.revision == 2


def test_R8_only_the_rest_of_the_targets_are_rung() -> None:
    w = created("ann", "bob", "eve", "dan")
    w.ring("ann", "bob", "eve")
    w.ring("bob")
    assert w.users_in == {"ann", "bob"}
    assert w.ringing == {"eve", "dan"}
    assert list(w.last_ring.targets) == ["dan"]
    assert w.last_ring.ringer_id == "bob"
    assert w.answer.ring_id == w.ring_id
    assert {one.user_id: one.skip_reason for one in w.answer.targets} == {
        "ann": "JOINED",
        "bob": "RINGER",
        "eve": "RINGING",
        "dan": None,
    }
    assert w.cause == "CALL_ACCEPTED"


def test_R8_a_ringing_target_has_joined_whomever_they_ring() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.ring("bob", "eve")
    assert w.users_in == {"ann", "bob"}
    assert w.ringing == {"eve"}


def test_R8_who_rings_the_waiting_ringer_has_joined() -> None:
    w = created("ann", "bob", "eve")
    w.ring("ann", "bob")
    w.ring("eve", "ann", device="phone")
    assert w.users_in == {"ann", "eve"}
    assert w.last_ring.number == 1
    assert (w.last_ring.state, w.last_ring.accepted_by_id) == ("ACCEPTED", "eve")
    assert w.ringing == {"bob"}
    assert w.asked("ann").skip_reason == "JOINED"
    assert w.answer.ring_id == w.ring_id
    assert w.devices("eve") == ["phone"]
    assert w.cause == "CALL_ACCEPTED"


def test_R8_who_rings_the_waiting_ringer_and_others_rings_the_others() -> None:
    w = created("ann", "bob", "eve", "dan")
    w.ring("ann", "bob")
    w.ring("eve", "ann", "dan")
    assert w.users_in == {"ann", "eve"}
    assert w.ringing == {"bob", "dan"}
    assert w.last_ring.ringer_id == "eve"


def test_R8_who_rings_others_than_the_waiting_ringer_joins_nobody() -> None:
    w = created("ann", "bob", "eve", "dan")
    w.ring("ann", "bob")
    w.ring("eve", "dan")
    assert w.users_in == set()
    assert w.ringing == {"bob", "dan"}


def test_R8_who_is_in_and_rings_the_waiting_ringer_is_connected_with_them() -> None:
    w = created("ann", "bob", "eve", settings=LASTING)
    w.join("eve")
    w.ring("ann", "bob")
    assert w.users_in == {"eve"}
    answer = w.ring("eve", "ann").answer
    assert w.users_in == {"ann", "eve"}
    assert w.last_ring.state == "ACCEPTED"
    assert answer.ring_id == w.ring_id
    assert w.ringing == {"bob"}


def test_R8_to_ring_a_ringer_who_joined_early_joins_nobody() -> None:
    w = created("ann", "bob", "eve", "dan")
    w.ring("ann", "bob")
    w.join("ann")
    w.refused(Reason.NOBODY_TO_RING, RingMembers(("ann",)), "eve")
    w.ring("eve", "ann", "dan")
    assert w.users_in == {"ann"}
    assert w.asked("ann").skip_reason == "JOINED"
    assert w.ring_number(1).state == "RINGING"


def test_R8_a_target_of_a_ringer_who_joined_early_has_joined_too() -> None:
    w = rung("ann", "bob")
    w.join("ann")
    w.ring("bob", "ann")
    assert w.users_in == {"ann", "bob"}
    assert w.last_ring.state == "ACCEPTED"


def test_R8_a_target_of_an_answered_ring_who_rings_has_joined() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.ring("eve", "bob")
    assert w.users_in == {"ann", "bob", "eve"}
    assert w.target("eve").state == "ACCEPTED"


def test_R8_a_ringer_who_repeats_their_own_ring_joins_nobody() -> None:
    w = rung("ann", "bob")
    w.no_change(RingMembers(), "ann")
    assert w.users_in == set()


def test_R8_holds_for_every_request_that_rings() -> None:
    for command in (
        Get(ring=True),
        GetOrCreate(inputs(["ann", "bob"]), ring=True),
        RingMembers(("ann",)),
    ):
        w = rung("ann", "bob")
        w.ok(command, "bob")
        assert w.users_in == {"ann", "bob"}


def test_R8_a_host_who_is_rung_and_rings_with_new_members_has_joined() -> None:
    w = World("development")
    w.create("ann", ["ann", "bob"], ring=True)
    w.add("bob", "eve", ring=True)
    assert w.users_in == {"ann", "bob"}
    assert w.ringing == {"eve"}


def test_R9_two_who_ring_each_other_on_two_calls_have_two_calls() -> None:
    one = rung("ann", "bob")
    other = rung("bob", "ann")
    assert (one.ringing, other.ringing) == ({"bob"}, {"ann"})
    one.join("bob")
    assert one.users_in == {"ann", "bob"}
    assert other.ringing == {"ann"}
    assert other.users_in == set()
