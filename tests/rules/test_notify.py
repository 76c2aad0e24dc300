from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, Get, GetOrCreate
from ringline_server.rules.terms import Reason
from tests.rules.world import World
from tests.rules.world_extra import STATES, ended


def created(*users: str, type: str = "default") -> World:
    """Return a world in which the first user has created the call with the others."""
    w = World(type)
    w.create(users[0], users)
    return w


def without_notes(call: Call) -> Call:
    """Return the call without what every step changes and what a notification may change."""
    return replace(
        call,
        revision=0,
        seq=0,
        updated_at=0,
        cause=Call("", "", "", "", 0, 0).cause,
        last_notified_at=None,
        last_notified_by_id="",
    )


@pytest.mark.parametrize(
    "command",
    [Get(notify=True, video=True), GetOrCreate(notify=True, video=True)],
    ids=["GetCall", "GetOrCreateCall"],
)
def test_N1_every_other_member_is_told(command: Command) -> None:
    w = created("ann", "bob", "eve")
    w.ok(command, "bob")
    assert w.happened == ["CALL_NOTIFICATION"]
    told = w.event("CALL_NOTIFICATION")
    assert (set(told.subject_user_ids), told.actor_user_id) == ({"ann", "eve"}, "bob")
    notification = w.decision.notification
    assert notification is not None
    assert (notification.actor_user_id, notification.video, notification.time) == ("bob", True, w.now)


def test_N1_members_are_told_of_a_call_that_the_request_creates() -> None:
    w = World()
    w.create("ann", ["bob", "eve"], notify=True)
    assert w.answer.created
    assert set(w.event("CALL_NOTIFICATION").subject_user_ids) == {"bob", "eve"}
    assert w.decision.notification is not None
    assert (w.call.last_notified_at, w.call.last_notified_by_id) == (w.now, "ann")


def test_N1_nobody_is_told_without_notify() -> None:
    w = created("ann", "bob")
    assert w.decision.notification is None
    w.ring("ann")
    assert w.decision.notification is None
    assert w.call.last_notified_at is None


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_N1_no_state_changes_but_when_and_by_whom(make: Callable[[], World]) -> None:
    w = make()
    before = w.call
    w.jump(2)
    w.get("bob", notify=True)
    assert without_notes(w.call) == without_notes(before)
    assert (w.call.last_notified_at, w.call.last_notified_by_id) == (w.now, "bob")


def test_N1_nobody_rings() -> None:
    w = created("ann", "bob")
    w.get("ann", notify=True)
    assert (w.ringing, w.state) == (set(), "IDLE")


def test_N1_it_may_be_repeated_and_tells_once_per_request() -> None:
    w = created("ann", "bob")
    for _ in range(3):
        w.advance(1)
        w.get("ann", notify=True)
        assert w.happened == ["CALL_NOTIFICATION"]
        assert w.call.last_notified_at == w.now
    assert sum(event.type == "CALL_NOTIFICATION" for event in w.history) == 3


def test_N1_ring_and_notify_do_both_in_one_step() -> None:
    w = created("ann", "bob")
    revision = w.call.revision
    w.get("ann", ring=True, notify=True)
    assert w.ringing == {"bob"}
    assert set(w.happened) == {"CALL_RING", "CALL_NOTIFICATION"}
    assert w.call.revision == revision + 1


def test_N1_a_notification_that_comes_with_a_ring_that_is_refused_tells_nobody() -> None:
    w = ended()
    w.refused(Reason.CALL_ENDED, Get(ring=True, notify=True), "ann")
    assert w.call.last_notified_at is None


def test_N1_a_service_may_notify_as_itself() -> None:
    w = created("ann", "bob")
    w.ok(Get(notify=True), service="billing")
    told = w.event("CALL_NOTIFICATION")
    assert set(told.subject_user_ids) == {"ann", "bob"}
    assert (told.actor_user_id, told.acting_service_id) == ("", "billing")


def test_N2_get_with_ring_rings_a_call_that_exists() -> None:
    w = created("ann", "bob", "eve")
    w.get("ann", "phone", ring=True)
    assert w.ringing == {"bob", "eve"}
    assert w.answer.ring_id == w.ring_id
    assert {one.user_id for one in w.answer.targets} == {"ann", "bob", "eve"}
    assert w.last_ring.ringer_device_id == "phone"


def test_N2_get_with_ring_creates_nothing() -> None:
    w = World()
    w.refused(Reason.NOT_ALLOWED, Get(ring=True), "ann")
    w.user("zoe", role="admin")
    w.refused(Reason.CALL_NOT_FOUND, Get(ring=True), "zoe")
    assert w.maybe is None


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_N2_a_plain_get_has_no_effect(make: Callable[[], World]) -> None:
    w = make()
    w.jump(60)
    for user in ("ann", "bob"):
        w.no_change(Get(), user, "phone")
    w.no_change(Get(), service="billing")
