from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ringline_server.api.call_types import BUILT_IN
from ringline_server.rules.access import capabilities
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    MemberInput,
    Reject,
    RingMembers,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import Actor, CallType, GrantRole
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.settings import Settings, SettingsOverride
from ringline_server.rules.terms import Capability, Reason
from tests.rules.world import World, inputs, rung, talking
from tests.rules.world_extra import STATES

C = Capability

NOTHING: frozenset[Capability] = frozenset()
GUEST = frozenset({C.READ_CALL, C.JOIN_CALL})
MEMBER = GUEST | {C.RING_CALL}
EVERYTHING = MEMBER | {C.UPDATE_CALL, C.UPDATE_CALL_MEMBER, C.END_CALL}

TABLE: Mapping[str, Mapping[str, frozenset[Capability]]] = {
    "default": {"stranger": NOTHING, "member": MEMBER, "host": EVERYTHING, "admin": EVERYTHING},
    "development": {"stranger": NOTHING, "member": EVERYTHING, "host": EVERYTHING, "admin": EVERYTHING},
    "livestream": {"stranger": GUEST, "member": MEMBER, "host": EVERYTHING, "admin": EVERYTHING},
    "audio_room": {"stranger": GUEST, "member": MEMBER, "host": EVERYTHING, "admin": EVERYTHING},
}
"""What each role may do on a call of each built-in type, beside creating."""

WHO = {
    "a stranger": ("zoe", "stranger"),
    "a member": ("bob", "member"),
    "the creator": ("ann", "host"),
    "a host among the members": ("eve", "host"),
    "an admin who is no member": ("adam", "admin"),
    "an admin among the members": ("ada", "admin"),
    "a host by credentials who is no member": ("hugo", "stranger"),
    "a host by credentials among the members": ("hana", "host"),
}
"""Everybody who meets the call, and by which role of the table."""

NEEDS: dict[str, tuple[Command, Capability]] = {
    "GetCall": (Get(), C.READ_CALL),
    "GetOrCreateCall": (GetOrCreate(), C.READ_CALL),
    "JoinCall": (Join(), C.JOIN_CALL),
    "RingCall": (RingMembers(), C.RING_CALL),
    "GetCall with ring": (Get(ring=True), C.RING_CALL),
    "GetOrCreateCall with ring": (GetOrCreate(ring=True), C.RING_CALL),
    "GetCall with notify": (Get(notify=True), C.RING_CALL),
    "GetOrCreateCall with notify": (GetOrCreate(notify=True), C.RING_CALL),
    "UpdateCall": (Update(frozenset({"custom"}), b"new"), C.UPDATE_CALL),
    "UpdateCallMembers": (UpdateMembers(inputs(["new"])), C.UPDATE_CALL_MEMBER),
    "UpdateCallMembers to remove another": (UpdateMembers(remove=("bob", "ada")), C.UPDATE_CALL_MEMBER),
    "EndCall": (End(), C.END_CALL),
}
"""Which capability each request needs."""

ALL: Mapping[str, Command] = {
    **{name: command for name, (command, _) in NEEDS.items()},
    "RejectCall": Reject(),
    "CancelCall": Cancel(),
    "LeaveCall": Leave(),
    "JoinCall with a wrong ring": Join("no ring"),
    "UpdateCallMembers to remove oneself": UpdateMembers(remove=("zoe",)),
}
"""Every request for a call."""


def room(type: str) -> World:
    """Return a world with a call of ann's, on which everybody has the roles that WHO says."""
    w = World(type)
    w.type = BUILT_IN[type]
    for user, role in {"adam": "admin", "ada": "admin", "hugo": "host", "hana": "host"}.items():
        w.user(user, role="admin" if role == "admin" else "host")
    w.create("ann", ["bob", MemberInput("eve", "host"), "ada", "hana"])
    return w


# P1


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("who", WHO)
def test_P1_what_each_role_may_do(type: str, who: str) -> None:
    w = room(type)
    user, role = WHO[who]
    held = capabilities(w.call, w.actor(user), w.type)
    assert held - {C.CREATE_CALL} == TABLE[type][role]


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("request_", NEEDS)
def test_P1_each_request_needs_its_capability_and_no_other(type: str, who: str, request_: str) -> None:
    w = room(type)
    user, role = WHO[who]
    command, needed = NEEDS[request_]
    if needed in TABLE[type][role]:
        w.ok(command, user)
    else:
        refusal = w.refused(Reason.NOT_ALLOWED, command, user)
        told = refusal.metadata.get("capability")
        assert told == (needed if C.READ_CALL in TABLE[type][role] else None)


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("role", ["user", "host", "admin"])
def test_P1_any_user_creates_every_built_in_type(type: str, role: str) -> None:
    w = World(type)
    w.type = BUILT_IN[type]
    w.user("zoe", role="admin" if role == "admin" else "host" if role == "host" else "user")
    w.create("zoe", ["zoe", "bob"], ring=True)
    assert (w.call.created_by_id, w.ringing) == ("zoe", {"bob"})


@pytest.mark.parametrize("type", TABLE)
def test_P1_the_creator_is_a_host_whatever_the_request_says(type: str) -> None:
    w = World(type)
    w.create("ann", [MemberInput("ann", "call_member"), "bob"])
    assert w.call.members["ann"].role == "host"
    w.end("ann")


def test_P1_the_creator_is_a_member_who_was_not_listed() -> None:
    w = World()
    w.create("ann", ["bob"])
    assert set(w.call.members) == {"ann", "bob"}


def test_P1_a_members_role_is_call_member_by_default() -> None:
    w = World()
    w.create("ann", ["bob", MemberInput("eve", "host")])
    assert (w.call.members["bob"].role, w.call.members["eve"].role) == ("call_member", "host")


def test_P1_a_role_that_is_given_later_counts_at_once() -> None:
    w = talking("ann", "bob")
    w.refused(Reason.NOT_ALLOWED, End(), "bob")
    w.add("ann", MemberInput("bob", "host"))
    w.end("bob")


def test_P1_who_is_removed_has_no_role_any_more() -> None:
    w = room("default")
    w.remove("ann", "bob", "eve")
    for user in ("bob", "eve"):
        w.refused(Reason.NOT_ALLOWED, Get(), user)


def without_grants(w: World) -> None:
    """Take every capability from everybody."""
    none: Mapping[GrantRole, frozenset[Capability]] = {}
    w.type = replace(w.type, grants=none)


@pytest.mark.parametrize("type", TABLE)
def test_P1_a_target_needs_no_capability_to_reject(type: str) -> None:
    w = rung("ann", "bob", "eve", type=type)
    without_grants(w)
    w.reject("bob")
    assert w.target("bob").state == "REJECTED"


@pytest.mark.parametrize("type", TABLE)
def test_P1_a_ringer_needs_no_capability_to_cancel(type: str) -> None:
    w = rung("ann", "bob", type=type)
    without_grants(w)
    w.cancel("ann")
    assert w.last_ring.state == "CANCELLED"


@pytest.mark.parametrize("type", TABLE)
def test_P1_a_ringer_needs_no_capability_to_cancel_by_leaving(type: str) -> None:
    w = rung("ann", "bob", type=type)
    without_grants(w)
    w.leave("ann")
    assert w.last_ring.state == "CANCELLED"


@pytest.mark.parametrize("type", TABLE)
def test_P1_a_participant_needs_no_capability_to_leave(type: str) -> None:
    w = talking("ann", "bob", "eve", type=type)
    without_grants(w)
    w.leave("bob")
    assert w.users_in == {"ann", "eve"}


def test_P1_a_guest_of_a_room_may_leave_it() -> None:
    w = room("livestream")
    w.join("zoe")
    w.leave("zoe")
    assert w.users_in == set()


def own_type(**grants: frozenset[Capability]) -> CallType:
    """Return an operator's own call type."""
    known: dict[GrantRole, frozenset[Capability]] = {
        role: grants.get(role, NOTHING) for role in ("user", "call_member", "host", "admin")
    }
    return CallType("own", Settings(), known)


@pytest.mark.parametrize(
    ("role", "user"), [("user", "zoe"), ("call_member", "bob"), ("host", "eve"), ("admin", "adam")]
)
@pytest.mark.parametrize("request_", NEEDS)
def test_P1_an_operators_own_grants_hold(role: str, user: str, request_: str) -> None:
    w = room("default")
    command, needed = NEEDS[request_]
    w.type = own_type(**{role: frozenset({C.READ_CALL, needed})})
    w.ok(command, user)
    w = room("default")
    w.type = own_type(**{role: (EVERYTHING - {needed}) | {C.READ_CALL}})
    if needed is not C.READ_CALL:
        w.refused(Reason.NOT_ALLOWED, command, user)


def test_P1_an_operators_own_type_may_keep_users_from_creating() -> None:
    w = World()
    w.type = own_type(admin=EVERYTHING | {C.CREATE_CALL}, call_member=MEMBER | {C.CREATE_CALL})
    refusal = w.refused(Reason.NOT_ALLOWED, GetOrCreate(), "zoe")
    assert refusal.metadata["capability"] == "CREATE_CALL"
    w.user("adam", role="admin")
    w.create("adam")


# P2


def words(refusal: object) -> tuple[object, ...]:
    assert isinstance(refusal, Refusal)
    return refusal.reason, refusal.message, dict(refusal.metadata), refusal.fields, refusal.retry_after


@pytest.mark.parametrize("type", ["default", "development"])
@pytest.mark.parametrize("request_", [name for name, one in ALL.items() if not isinstance(one, GetOrCreate)])
def test_P2_what_one_may_not_read_answers_the_same_whether_or_not_it_exists(type: str, request_: str) -> None:
    command = ALL[request_]
    missing = words(World(type).refused(Reason.NOT_ALLOWED, command, "zoe"))
    for w in (rung("ann", "bob", type=type), talking("ann", "bob", type=type)):
        assert words(w.refused(Reason.NOT_ALLOWED, command, "zoe")) == missing
        w.end("ann")
        assert words(w.refused(Reason.NOT_ALLOWED, command, "zoe")) == missing


def test_P2_the_message_says_both() -> None:
    message = rung("ann", "bob").refused(Reason.NOT_ALLOWED, Get(), "zoe").message
    assert "does not exist" in message
    assert "may not read" in message


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", ALL.values(), ids=ALL)
def test_P2_it_comes_before_any_other_rule(state: str, command: Command) -> None:
    w = STATES[state]()
    w.refused(Reason.NOT_ALLOWED, command, "zoe")


def test_P2_a_taken_id_gives_nothing_away_but_that() -> None:
    w = rung("ann", "bob")
    before = w.call
    for command in (GetOrCreate(), GetOrCreate(inputs(["zoe", "bob"]), ring=True), GetOrCreate(team="red")):
        refusal = w.refused(Reason.NOT_ALLOWED, command, "zoe")
        assert refusal.metadata == {}
    assert w.call == before


@pytest.mark.parametrize(("type", "user"), [("default", "adam"), ("livestream", "zoe"), ("audio_room", "zoe")])
def test_P2_who_could_read_it_is_told_that_it_does_not_exist(type: str, user: str) -> None:
    w = World(type)
    w.user("adam", role="admin")
    for command in (Get(), Join(), Reject(), Cancel(), Leave(), End(), RingMembers()):
        w.refused(Reason.CALL_NOT_FOUND, command, user)


def test_P2_a_removed_member_may_not_read() -> None:
    w = rung("ann", "bob", "eve")
    w.remove("ann", "bob")
    for command in (Get(), Join(w.ring_id), Reject(w.ring_id)):
        w.refused(Reason.NOT_ALLOWED, command, "bob")


# P4

AS_A_USER: dict[str, Command] = {
    "ring": RingMembers(),
    "ring through GetCall": Get(ring=True),
    "ring through GetOrCreateCall": GetOrCreate(ring=True),
    "ring through UpdateCallMembers": UpdateMembers(inputs(["bob"]), ring=True),
    "join": Join(),
    "reject": Reject(),
    "cancel": Cancel(),
    "leave": Leave(),
}
"""What a service does only as a user it names."""

AS_ITSELF: dict[str, Command] = {
    "read": Get(),
    "read through GetOrCreateCall": GetOrCreate(),
    "update": Update(frozenset({"custom"}), b"new"),
    "update settings": Update(frozenset({"max_duration"}), settings=SettingsOverride(max_duration=5_000_000)),
    "add members": UpdateMembers(inputs(["new"])),
    "remove members": UpdateMembers(remove=("bob",)),
    "notify": Get(notify=True),
    "notify through GetOrCreateCall": GetOrCreate(notify=True),
    "end": End(),
}
"""What a service may do as itself."""


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("verb", AS_A_USER)
def test_P4_a_service_rings_joins_rejects_cancels_and_leaves_only_as_a_user(type: str, verb: str) -> None:
    w = room(type)
    w.ring("ann", "bob")
    refusal = w.refused(Reason.NOT_ALLOWED, AS_A_USER[verb], service="billing")
    assert "x-user-id" in refusal.message


def test_P4_a_service_creates_only_as_a_user() -> None:
    w = World()
    for command in (GetOrCreate(), GetOrCreate(inputs(["ann", "bob"]), ring=True), GetOrCreate(notify=True)):
        refusal = w.refused(Reason.NOT_ALLOWED, command, service="billing")
        assert "x-user-id" in refusal.message
    w.ok(GetOrCreate(inputs(["ann", "bob"]), ring=True), "ann", service="billing")
    assert (w.call.created_by_id, w.ringing) == ("ann", {"bob"})


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("verb", AS_ITSELF)
def test_P4_as_itself_it_may_read_update_notify_and_end(type: str, verb: str) -> None:
    w = room(type)
    w.ring("ann", "bob")
    w.ok(AS_ITSELF[verb], service="billing")


def test_P4_as_itself_it_is_told_that_a_call_does_not_exist() -> None:
    World().refused(Reason.CALL_NOT_FOUND, Get(), service="billing")


@pytest.mark.parametrize("type", TABLE)
@pytest.mark.parametrize("who", WHO)
def test_P4_as_a_user_it_has_that_users_rights(type: str, who: str) -> None:
    user, role = WHO[who]
    for command, needed in NEEDS.values():
        w = room(type)
        if needed in TABLE[type][role]:
            w.ok(command, user, service="billing")
        else:
            w.refused(Reason.NOT_ALLOWED, command, user, service="billing")


def test_P4_events_keep_both_names() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"]), ring=True), "ann", service="billing")
    w.ok(Join(), "bob", service="desk")
    names = {(event.actor_user_id, event.acting_service_id) for event in w.history}
    assert names == {("ann", "billing"), ("bob", "desk")}
    w.ok(End(), service="billing")
    assert {(event.actor_user_id, event.acting_service_id) for event in w.decision.events} == {("", "billing")}


def test_P4_what_a_user_does_themselves_names_no_service() -> None:
    w = rung("ann", "bob")
    assert {event.acting_service_id for event in w.decision.events} == {""}


# C8


def red_call(*members: str | MemberInput) -> World:
    """Return a world in which ann rings the members on a call of the red team; bob is of it, eve is not."""
    w = World()
    w.user("ann", teams=["red", "blue"])
    w.user("bob", teams=["red"])
    w.user("eve", teams=["blue"])
    w.create("ann", ["ann", *(members or ("bob", "eve"))], team="red", ring=True)
    return w


def test_C8_the_team_must_be_one_of_the_creators() -> None:
    w = World()
    w.user("ann", teams=["blue"])
    refusal = w.refused(Reason.INVALID_FIELD, GetOrCreate(team="red"), "ann")
    assert [path for path, _ in refusal.fields] == ["data.team"]
    w.refused(Reason.INVALID_FIELD, GetOrCreate(team="blue"), "bob")
    w.create("ann", team="blue")
    assert w.call.team == "blue"


def test_C8_a_service_may_name_any_team() -> None:
    w = World()
    w.ok(GetOrCreate(inputs(["ann", "bob"]), team="red", ring=True), "ann", service="billing")
    assert (w.call.team, w.ringing) == ("red", {"bob"})


def test_C8_a_call_without_a_team_is_everybodys() -> None:
    w = World()
    w.user("ann", teams=["red"])
    w.user("bob", teams=["blue"])
    w.create("ann", ["ann", "bob"], ring=True)
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


def test_C8_who_has_the_team_sees_and_answers() -> None:
    w = red_call()
    w.get("bob")
    w.join("bob")
    assert w.users_in == {"ann", "bob"}


@pytest.mark.parametrize("command", ALL.values(), ids=ALL)
def test_C8_a_member_without_the_team_neither_sees_nor_answers(command: Command) -> None:
    w = red_call()
    assert words(w.refused(Reason.NOT_ALLOWED, command, "eve")) == words(w.refused(Reason.NOT_ALLOWED, Get(), "eve"))
    assert w.target("eve").state == "RINGING"


def out_of_the_team(user: str) -> dict[str, Actor]:
    return {
        "nobody's": Actor(user),
        "another's": Actor(user, teams=frozenset({"blue"})),
        "nearly": Actor(user, teams=frozenset({"Red", "re", "redd", ""})),
        "host": Actor(user, role="host"),
        "admin": Actor(user, role="admin"),
    }


@pytest.mark.parametrize("user", ["ann", "bob", "fay", "zoe"])
def test_C8_no_role_makes_up_for_the_team(user: str) -> None:
    w = red_call("bob", MemberInput("fay", "host"))
    for actor in out_of_the_team(user).values():
        assert capabilities(w.call, actor, w.type) == NOTHING
        for command in (Get(), Join(), End()):
            outcome = w.decide(command, actor)
            assert isinstance(outcome, Refusal)
            assert outcome.reason is Reason.NOT_ALLOWED


def test_C8_an_admin_of_the_team_may_do_everything() -> None:
    w = red_call()
    w.user("adam", role="admin", teams=["red"])
    w.get("adam")
    w.end("adam")


def test_C8_the_credentials_of_the_moment_count() -> None:
    w = red_call()
    w.user("bob", teams=[])
    w.refused(Reason.NOT_ALLOWED, Join(), "bob")
    w.user("bob", teams=["blue", "red"])
    w.join("bob")


def test_C8_ids_are_one_name_space_across_teams() -> None:
    w = red_call()
    w.user("zoe", teams=["blue"])
    before = w.call
    w.refused(Reason.NOT_ALLOWED, GetOrCreate(inputs(["zoe", "bob"]), team="blue", ring=True), "zoe")
    assert w.call == before


def test_C8_a_room_that_anybody_reads_is_its_teams_only() -> None:
    w = World("livestream")
    w.user("ann", teams=["red"])
    w.create("ann", team="red")
    w.refused(Reason.NOT_ALLOWED, Get(), "zoe")
    w.user("zoe", teams=["red"])
    w.join("zoe")


def test_C8_a_service_reads_the_calls_of_every_team() -> None:
    w = red_call()
    w.ok(Get(), service="billing")
