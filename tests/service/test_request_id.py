"""A request that is sent again has one effect (X3), over the wire."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from ringline.v1 import call_pb2 as calls
from tests.service.host import Server
from tests.service.phone import Phone, refused

CALL = "standup"


@pytest.fixture
def ann(server: Server) -> Phone:
    return server.phone("ann", "desk")


@pytest.fixture
def bob(server: Server) -> Phone:
    return server.phone("bob", "phone")


async def test_X3_a_repeated_creation_answers_as_first_with_the_present_call(ann: Phone, bob: Phone) -> None:
    first = await ann.create(CALL, "bob", ring=True, request_id="one")
    rejected = await bob.reject(CALL)

    again = await ann.create(CALL, "bob", ring=True, request_id="one")

    assert again.created
    assert again.ring_id == first.ring_id
    assert again.targets == first.targets
    assert again.call == rejected.call, "nothing rings anew, and the call is the present one"


async def test_X3_a_repeated_ring_rings_once(ann: Phone, bob: Phone) -> None:
    await ann.create(CALL, "bob")
    first = await ann.ring(CALL, "bob", request_id="one")
    await bob.reject(CALL)

    again = await ann.ring(CALL, "bob", request_id="one")
    anew = await ann.ring(CALL, "bob", request_id="two")

    assert again.ring_id == first.ring_id
    assert again.targets == first.targets
    assert again.call.state == calls.CALL_STATE_ENDED
    assert anew.ring_id != first.ring_id


async def test_X3_a_repeated_join_returns_its_participant_after_a_leave(server: Server, ann: Phone, bob: Phone) -> None:
    cid = server.phone("cid")
    await ann.create(CALL, "bob", "cid", ring=True)
    await cid.join(CALL)
    first = await bob.join(CALL, request_id="one")
    await bob.leave(CALL)

    again = await bob.join(CALL, request_id="one")

    assert again.participant == first.participant
    assert "bob" not in {one.user_id for one in again.call.participants}


async def test_X3_get_with_notify_counts_once(ann: Phone, bob: Phone) -> None:
    await ann.create(CALL, "bob")
    screen = await bob.watch()

    for _ in range(3):
        await ann.get(CALL, notify=True, request_id="one")
    await ann.ring(CALL)

    assert (await screen.next()).HasField("notification")
    assert (await screen.next()).HasField("change"), "no second notification"


async def test_X3_every_verb_is_harmless_when_repeated(ann: Phone, bob: Phone) -> None:
    await ann.create(CALL, "bob", ring=True)
    custom = {"custom": {"n": 1}, "request_id": "update"}
    updated = await ann.update(CALL, **custom)
    assert (await ann.update(CALL, **custom)).call == updated.call
    joined = await bob.join(CALL)
    left = await bob.leave(CALL, request_id="leave")
    assert left.call.revision == joined.call.revision + 1
    assert (await bob.leave(CALL, request_id="leave")).call == left.call
    ended = await ann.end(CALL, request_id="end")
    assert (await ann.end(CALL, request_id="end")).call == ended.call


async def test_X3_another_payload_or_rpc_under_the_id_is_refused(ann: Phone) -> None:
    await ann.create(CALL, "bob", request_id="one")

    for attempt in (
        ann.create(CALL, "bob", "cid", request_id="one"),
        ann.create("other", "bob", request_id="one"),
        ann.ring(CALL, request_id="one"),
    ):
        error = await refused(attempt)
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        assert error.fields == ("request_id",)


async def test_X3_the_id_is_the_users_own(ann: Phone, bob: Phone) -> None:
    await ann.create(CALL, "bob", request_id="one")

    rung = await bob.create(CALL, "ann", ring=True, request_id="one")

    assert not rung.created
    assert rung.ring_id


async def test_X3_a_service_and_the_user_it_acts_as_have_ids_of_their_own(server: Server, ann: Phone) -> None:
    backend = server.phone("ann", role="service")
    await ann.create(CALL, "bob", request_id="one")

    made = await backend.create("other", "bob", request_id="one")

    assert made.created


async def test_X3_only_successes_are_remembered(ann: Phone, bob: Phone) -> None:
    assert (await refused(ann.ring(CALL, "bob", request_id="one"))).code == grpc.StatusCode.PERMISSION_DENIED
    await ann.create(CALL, "bob")

    assert (await ann.ring(CALL, "bob", request_id="one")).ring_id


async def test_X3_many_of_one_request_at_once_have_one_effect(ann: Phone) -> None:
    answers = await asyncio.gather(*(ann.create(CALL, "bob", ring=True, request_id="one") for _ in range(20)))

    assert all(answer.created for answer in answers)
    assert len({answer.ring_id for answer in answers}) == 1
    assert {answer.call.revision for answer in answers} == {1}


async def test_X3_the_id_is_forgotten_after_24_hours(server: Server, ann: Phone, bob: Phone) -> None:
    first = await ann.create(CALL, "bob", ring=True, request_id="one")
    await bob.reject(CALL)
    await server.stop()
    await server.clock.advance(24 * 3600 + 1)
    await server.start()

    anew = await ann.create(CALL, "bob", ring=True, request_id="one")

    assert not anew.created
    assert anew.ring_id != first.ring_id


async def test_X3_the_id_survives_a_restart(server: Server, ann: Phone, bob: Phone) -> None:
    first = await ann.create(CALL, "bob", ring=True, request_id="one")
    await bob.reject(CALL)

    await server.restart()
    again = await ann.create(CALL, "bob", ring=True, request_id="one")

    assert again.created
    assert again.ring_id == first.ring_id
    assert again.call.state == calls.CALL_STATE_ENDED


async def test_X3_a_repeat_is_recognised_before_access_and_tells_only_what_may_be_told(
    server: Server, ann: Phone, bob: Phone
) -> None:
    await ann.create(CALL, "bob", ring=True)
    await bob.join(CALL)
    await bob.leave(CALL, request_id="one")
    await ann.remove(CALL, "bob")

    again = await bob.leave(CALL, request_id="one")

    assert again.call.cid == "default:standup"
    assert again.call.uid
    assert again.call.revision
    assert not again.call.members, "W8"
    assert not again.HasField("viewer")


async def test_X3_an_id_that_is_too_long_is_refused(ann: Phone) -> None:
    error = await refused(ann.create(CALL, "bob", request_id="x" * 65))

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.fields == ("request_id",)
    assert (await ann.create(CALL, "bob", request_id="ä" * 64)).created
