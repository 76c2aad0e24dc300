from __future__ import annotations

from ringline_server.hub.filter import Filter
from ringline_server.rules.call import Call
from ringline_server.rules.commands import End, Reject
from ringline_server.rules.context import Actor
from ringline_server.rules.terms import CallingState, CallState, Direction
from tests.rules.world import BUILT_IN, World


def matches(call: Call, user: str, filter_: Filter | None = None) -> bool:
    return (filter_ or Filter.of()).matches(call, Actor(user), BUILT_IN[call.type])


def service_matches(call: Call, filter_: Filter | None = None) -> bool:
    return (filter_ or Filter.of()).matches(call, Actor(service_id="backend"), BUILT_IN[call.type])


def rung(type_: str = "default") -> World:
    world = World(type_)
    world.create("ann", ["ann", "bob", "cy"], ring=True)
    return world


def only(*states: CallingState) -> Filter:
    return Filter.of(calling_states=frozenset(states))


def present(world: World) -> Call:
    assert world.maybe is not None
    return world.maybe


def test_W1_a_ringing_call_matches_for_ringer_and_target_alike() -> None:
    call = present(rung())
    assert matches(call, "ann")
    assert matches(call, "bob")


def test_W1_a_stranger_sees_nothing() -> None:
    assert not matches(present(rung()), "eve")


def test_W1_directions_part_incoming_from_outgoing() -> None:
    call = present(rung())
    incoming = Filter.of(directions=frozenset({Direction.INCOMING}))
    outgoing = Filter.of(directions=frozenset({Direction.OUTGOING}))
    assert [matches(call, user, incoming) for user in ("ann", "bob")] == [False, True]
    assert [matches(call, user, outgoing) for user in ("ann", "bob")] == [True, False]


def test_W1_an_answered_call_matches_only_a_filter_with_joined() -> None:
    world = rung()
    world.join("bob", "phone")
    call = present(world)
    assert not matches(call, "bob")
    assert matches(call, "bob", only(CallingState.JOINED))


def test_W1_types_keep_out_other_types() -> None:
    call = present(rung())
    assert not matches(call, "bob", Filter.of(types=frozenset({"livestream"})))
    assert matches(call, "bob", Filter.of(types=frozenset({"default"})))


def test_W1_named_calls_match_in_all_states_unless_given() -> None:
    world = rung()
    world.ok(Reject(), "bob")
    call = present(world)
    named = frozenset({call.cid})
    assert matches(call, "bob", Filter.of(cids=named))
    assert not matches(call, "bob", Filter.of(cids=named, calling_states=frozenset({CallingState.RINGING})))


def test_W1_a_named_call_that_may_not_be_read_does_not_match() -> None:
    call = present(rung())
    assert not matches(call, "eve", Filter.of(cids=frozenset({call.cid})))


def test_W1_anybody_who_may_read_a_named_call_watches_it() -> None:
    call = present(rung("livestream"))
    assert matches(call, "eve", Filter.of(cids=frozenset({call.cid})))


def test_W1_a_call_one_has_nothing_to_do_with_is_not_ones_idle_call() -> None:
    call = present(rung("livestream"))
    assert not matches(call, "eve", only(CallingState.IDLE))


def test_W9_an_ended_call_matches_no_filter_but_its_name() -> None:
    world = rung()
    world.ok(End(), "ann")
    call = present(world)
    assert not matches(call, "bob", only(*CallingState))
    assert matches(call, "bob", Filter.of(cids=frozenset({call.cid})))


def test_W10_a_service_sees_ringing_and_active_calls_of_everybody() -> None:
    world = World()
    world.create("ann", ["ann", "bob"])
    assert not service_matches(present(world))
    world = rung()
    assert service_matches(present(world))
    world.join("bob")
    assert service_matches(present(world))
    world.ok(End(), "ann")
    assert not service_matches(present(world))


def test_W10_a_service_sees_ended_calls_when_it_asks_for_them() -> None:
    world = rung()
    world.ok(End(), "ann")
    assert service_matches(present(world), Filter.of(call_states=frozenset({CallState.ENDED})))


def test_C8_who_lacks_the_team_does_not_see_the_call() -> None:
    world = World()
    world.user("ann", teams=["red"])
    world.create("ann", ["ann", "bob"], ring=True, team="red")
    call = present(world)
    assert not matches(call, "bob")
    assert Filter.of().matches(call, Actor("bob", teams=frozenset({"red"})), BUILT_IN["default"])
