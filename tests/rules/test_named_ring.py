from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from ringline_server.rules.commands import Cancel, Join, Reject
from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import JoinMode, Reason
from tests.rules.world import World, rung, talking
from tests.rules.world_extra import quiet

OPEN = Settings(end_when_empty=False)


def answered_and_left(w: World) -> None:
    w.join("bob", "phone")
    w.leave("bob")


def ended_while_ringing(w: World) -> None:
    w.end("ann")


OVER: Mapping[str, tuple[Callable[[World], object], dict[str, str]]] = {
    "rejected": (
        lambda w: w.reject("bob", "phone"),
        {"target_state": "REJECTED", "end_reason": "ALL_REJECTED", "device_id": "phone"},
    ),
    "missed": (lambda w: w.advance(30), {"target_state": "MISSED", "end_reason": "NO_ANSWER"}),
    "cancelled": (lambda w: w.cancel("ann"), {"target_state": "CANCELLED", "end_reason": "CANCELLED"}),
    "ended": (ended_while_ringing, {"target_state": "CANCELLED", "end_reason": "ENDED_BY_USER"}),
    "answered and left": (answered_and_left, {"target_state": "ACCEPTED", "accepted_by": "bob", "device_id": "phone"}),
}
"""How ann's ring may be over for bob, and what he is then told of it."""

REVIVABLE = [how for how in OVER if how != "ended"]


def over(how: str, settings: Settings | None = None) -> World:
    """Return a world where ann's only ring, of bob, is over in this way."""
    w = rung("ann", "bob", settings=settings)
    OVER[how][0](w)
    return w


# Joining.


def test_X6_a_join_that_names_the_ring_which_alerts_one_answers_it() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    assert (w.target("bob").state, w.users_in) == ("ACCEPTED", {"ann", "bob"})


@pytest.mark.parametrize("how", OVER)
def test_X6_a_join_that_names_a_ring_which_is_over_is_told_what_became_of_it(how: str) -> None:
    w = over(how)
    refusal = w.refused(Reason.RING_OVER, Join(w.ring_id), "bob", "phone")
    told = {key: str(value) for key, value in refusal.metadata.items() if value}
    assert (told["ring_id"], told["call_state"]) == (w.ring_id, w.state)
    for key, value in OVER[how][1].items():
        assert told[key] == value


def test_X6_who_answered_instead_is_told_to_who_was_too_late() -> None:
    w = rung("ann", "bob", "eve")
    w.join("eve")
    w.advance(30)
    refusal = w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    assert (refusal.metadata["accepted_by"], refusal.metadata["call_state"]) == ("eve", "ACTIVE")
    assert refusal.metadata["target_state"] == "MISSED"


def test_X6_who_was_too_late_can_join_without_naming_the_ring() -> None:
    w = rung("ann", "bob", "eve")
    w.join("eve")
    w.advance(30)
    w.join("bob")
    assert w.users_in == {"ann", "bob", "eve"}


@pytest.mark.parametrize("how", REVIVABLE)
def test_X6_a_late_tap_never_answers_another_ring(how: str) -> None:
    w = over(how)
    late = w.ring_id
    w.ring("ann", "bob")
    w.refused(Reason.RING_OVER, Join(late), "bob")
    assert (w.ringing, w.state) == ({"bob"}, "RINGING")


@pytest.mark.parametrize("how", REVIVABLE)
def test_X6_a_late_tap_never_starts_a_session(how: str) -> None:
    w = over(how, OPEN)
    w.refused(Reason.RING_OVER, Join(w.ring_id), "bob")
    assert (w.state, w.call.session) == ("IDLE", 1)


def test_X6_an_answer_by_the_right_id_leaves_the_old_ring_as_it_was() -> None:
    w = over("rejected")
    w.ring("ann", "bob")
    w.join("bob", ring_id=w.ring_id)
    assert (w.target("bob", 1).state, w.target("bob", 2).state) == ("REJECTED", "ACCEPTED")


@pytest.mark.parametrize("mode", list(JoinMode))
def test_X6_a_ring_that_is_over_adds_and_moves_no_device(mode: JoinMode) -> None:
    w = over("rejected")
    late = w.ring_id
    w.ring("ann", "bob")
    w.join("bob", "phone")
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(late, mode), "bob", "laptop")
    assert refusal.metadata["device_id"] == "phone"
    w.refused(Reason.RING_OVER, Join(late, mode), "bob", "phone")


def test_X6_the_other_device_is_told_that_the_first_has_answered() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    refusal = w.refused(Reason.JOINED_ELSEWHERE, Join(w.ring_id), "bob", "laptop")
    assert refusal.metadata["device_id"] == "phone"


@pytest.mark.parametrize(
    ("mode", "devices"), [(JoinMode.ADD_DEVICE, ["laptop", "phone"]), (JoinMode.MOVE_DEVICE, ["laptop"])]
)
def test_X6_the_other_device_may_come_in_too_by_the_ring_that_brought_the_user_in(
    mode: JoinMode, devices: list[str]
) -> None:
    w = rung("ann", "bob", device="phone")
    w.join("bob", "phone", ring_id=w.ring_id)
    for user in ("ann", "bob"):
        w.join(user, "laptop", ring_id=w.ring_id, mode=mode)
        assert w.devices(user) == devices


def test_X6_who_moved_by_the_ring_may_name_it_again() -> None:
    w = rung("ann", "bob")
    w.join("bob", "phone", ring_id=w.ring_id)
    w.join("bob", "laptop", ring_id=w.ring_id, mode=JoinMode.MOVE_DEVICE)
    w.no_change(Join(w.ring_id), "bob", "laptop")


def test_X6_a_target_who_came_in_by_it_gets_the_same_participation_again() -> None:
    w = rung("ann", "bob")
    first = w.join("bob", "phone", ring_id=w.ring_id).answer.participant
    assert w.no_change(Join(w.ring_id), "bob", "phone").answer.participant == first


def test_X6_a_ringer_who_was_joined_by_it_gets_that_participation() -> None:
    w = rung("ann", "bob", device="phone")
    w.join("bob")
    w.advance(1)
    participant = w.no_change(Join(w.ring_id), "ann", "phone").answer.participant
    assert participant == w.participant("ann")


def test_X6_a_ringer_who_was_joined_without_a_device_claims_by_it() -> None:
    w = rung("ann", "bob")
    w.join("bob")
    w.join("ann", "phone", ring_id=w.ring_id)
    assert w.devices("ann") == ["phone"]
    assert w.answer.participant == w.participant("ann")


def test_X6_a_target_who_came_in_without_a_device_claims_by_it() -> None:
    w = rung("ann", "bob")
    w.join("bob", ring_id=w.ring_id)
    w.join("bob", "phone", ring_id=w.ring_id)
    assert w.devices("bob") == ["phone"]


def test_X6_while_they_are_in_it_holds_though_the_ring_is_closed() -> None:
    w = rung("ann", "bob", "eve", device="phone")
    w.join("bob", "phone")
    w.reject("eve")
    w.no_change(Join(w.ring_id), "ann", "phone")
    w.no_change(Join(w.ring_id), "bob", "phone")


def test_X6_a_ringer_may_join_early_by_their_ring() -> None:
    w = rung("ann", "bob")
    w.join("ann", "phone", ring_id=w.ring_id)
    assert (w.users_in, w.last_ring.state, w.ringing) == ({"ann"}, "RINGING", {"bob"})


def test_X6_a_ring_that_still_alerts_somebody_is_not_over_for_its_ringer() -> None:
    w = rung("ann", "bob", "eve")
    w.join("bob")
    w.leave("ann")
    w.join("ann", ring_id=w.ring_id)
    assert w.users_in == {"ann", "bob"}


@pytest.mark.parametrize("how", OVER)
def test_X6_a_ring_that_is_closed_is_over_for_its_ringer(how: str) -> None:
    w = over(how)
    w.refused(Reason.RING_OVER, Join(w.ring_id), "ann")


# Rejecting.


@pytest.mark.parametrize("how", OVER)
def test_X6_rejecting_a_ring_that_is_over_is_ok_and_changes_nothing(how: str) -> None:
    w = over(how)
    w.no_change(Reject(w.ring_id), "bob")


@pytest.mark.parametrize("how", REVIVABLE)
def test_X6_a_late_reject_never_kills_another_ring(how: str) -> None:
    w = over(how)
    late = w.ring_id
    w.ring("ann", "bob")
    w.no_change(Reject(late), "bob")
    assert w.ringing == {"bob"}


def test_X6_rejecting_what_one_has_accepted_is_refused() -> None:
    w = talking("ann", "bob")
    w.refused(Reason.ALREADY_ACCEPTED, Reject(w.ring_id), "bob")


def test_X6_rejecting_an_older_ring_than_the_accepted_is_ok() -> None:
    w = over("rejected", OPEN)
    late = w.ring_id
    w.ring("ann", "bob")
    w.join("bob")
    w.no_change(Reject(late), "bob")


def test_X6_rejecting_an_accepted_ring_while_a_newer_rings_is_ok() -> None:
    w = talking("ann", "bob", "eve")
    late = w.ring_id
    w.leave("bob")
    w.ring("ann", "bob")
    w.no_change(Reject(late), "bob")
    assert w.ringing == {"bob"}


# Cancelling.


def test_X6_a_cancel_that_names_a_ring_cancels_only_that() -> None:
    w = World()
    w.create("ann", ["ann", "bob", "eve"])
    w.ring("ann", "bob")
    first = w.ring_id
    w.ring("ann", "eve")
    w.cancel("ann", ring_id=first)
    assert [ring.state for ring in w.call.rings] == ["CANCELLED", "RINGING"]
    assert w.ringing == {"eve"}


@pytest.mark.parametrize("how", OVER)
def test_X6_cancelling_a_ring_of_a_call_that_is_over_is_ok_and_changes_nothing(how: str) -> None:
    w = over(how)
    w.no_change(Cancel(w.ring_id), "ann")


@pytest.mark.parametrize("how", REVIVABLE)
def test_X6_a_late_cancel_never_kills_another_ring(how: str) -> None:
    w = over(how)
    late = w.ring_id
    w.ring("ann", "bob")
    w.no_change(Cancel(late), "ann")
    assert w.ringing == {"bob"}


def test_X6_cancelling_what_was_answered_is_refused() -> None:
    w = talking("ann", "bob")
    refusal = w.refused(Reason.ALREADY_ACCEPTED, Cancel(w.ring_id), "ann")
    assert refusal.metadata["accepted_by"] == "bob"


def test_X6_cancelling_an_older_ring_than_the_answered_is_ok() -> None:
    w = over("rejected")
    late = w.ring_id
    w.ring("ann", "bob")
    w.join("bob")
    w.no_change(Cancel(late), "ann")


# Which rings were this call's.


def wrong_ids(w: World) -> list[str]:
    uid = w.call.uid
    return [
        f"{uid}.2",
        f"{uid}.0",
        f"{uid}.-1",
        f"{uid}.01",
        f"{uid}.+1",
        f"{uid}.1 ",
        f" {uid}.1",
        f"{uid}.١",
        f"{uid}.1.1",
        f"{uid}.",
        f"{uid}.1e0",
        f"{uid}.{'1' * 5000}",
        uid,
        f"{uid}1",
        "uid-9.1",
        ".1",
        "1",
        "nonsense",
    ]


def test_X6_a_ring_that_was_never_this_calls_is_refused_by_each_verb() -> None:
    w = rung("ann", "bob")
    for wrong in wrong_ids(w):
        for command, user in ((Join(wrong), "bob"), (Reject(wrong), "bob"), (Cancel(wrong), "ann")):
            refusal = w.refused(Reason.INVALID_FIELD, command, user)
            assert [path for path, _ in refusal.fields] == ["ring_id"]


def test_X6_a_call_that_never_rang_has_no_ring_to_name() -> None:
    w = quiet()
    w.refused(Reason.INVALID_FIELD, Join(f"{w.call.uid}.1"), "bob")


def test_X6_a_ring_of_the_same_id_before_it_was_created_anew_is_not_this_calls() -> None:
    old, new = rung("ann", "bob"), World()
    new._uids = 1
    new.create("ann", ["ann", "bob"], ring=True)
    assert old.call.cid == new.call.cid
    new.refused(Reason.INVALID_FIELD, Join(old.ring_id), "bob")


def test_X6_an_old_ring_is_known_after_its_rows_are_gone() -> None:
    w = rung("ann", "bob")
    first = w.ring_id
    for _ in range(40):
        w.reject("bob")
        w.ring("ann", "bob")
    assert w.call.ring(1) is None
    refusal = w.refused(Reason.RING_OVER, Join(first), "bob")
    assert refusal.metadata["ring_id"] == first
    w.no_change(Reject(first), "bob")
    w.no_change(Cancel(first), "ann")
    assert w.ringing == {"bob"}
