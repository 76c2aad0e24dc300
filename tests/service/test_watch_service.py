"""What a service sees: every call in a watch, every event in a list (W10), and calls read as nobody's viewer (P4)."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import ADDED, REMOVED, UPDATED, Phone, refused


@pytest.fixture
def ann(server: Server) -> Phone:
    return server.phone("ann", "desk")


@pytest.fixture
def bob(server: Server) -> Phone:
    return server.phone("bob", "phone")


@pytest.fixture
def backend(server: Server) -> Phone:
    return server.phone(role="service")


async def test_W10_a_service_watches_ringing_and_active_calls_of_everybody(
    ann: Phone, bob: Phone, backend: Phone
) -> None:
    await ann.create("idle", "bob")
    before = await ann.create("before", "bob", ring=True)
    screen = await backend.watch()
    assert [change.call for change in screen.changes] == [before.call]

    rung = await ann.create("standup", "bob", ring=True)
    change = await screen.change()
    assert (change.kind, change.call, change.actor_user_id) == (ADDED, rung.call, "ann")
    assert not change.HasField("viewer")
    joined = await bob.join("standup")
    change = await screen.change()
    assert (change.kind, change.call) == (UPDATED, joined.call)
    left = await bob.leave("standup")
    change = await screen.change()
    assert (change.kind, change.call) == (REMOVED, left.call)
    assert change.stop_reason == calls.STOP_REASON_UNSPECIFIED, "W3: always so for a service"


async def test_W10_a_service_watches_by_call_state(ann: Phone, bob: Phone, backend: Phone) -> None:
    await ann.create("idle", "bob")
    await ann.create("ringing", "bob", ring=True)
    await ann.create("over", "bob", ring=True)
    await bob.reject("over")

    async def names(*states: calls.CallState.ValueType) -> set[str]:
        return {one.call.id for one in (await backend.snapshot(call_states=states)).values()}

    assert await names(calls.CALL_STATE_ENDED) == {"over"}
    assert await names(calls.CALL_STATE_IDLE) == {"idle"}
    assert await names(calls.CALL_STATE_IDLE, calls.CALL_STATE_RINGING) == {"idle", "ringing"}
    assert set(await backend.snapshot(cids=["default:over", "default:idle"])) == {"default:over", "default:idle"}
    ended = await backend.watch(call_states=[calls.CALL_STATE_ENDED])
    cancelled = await ann.cancel("ringing")
    change = await ended.change()
    assert (change.kind, change.call) == (ADDED, cancelled.call)


async def test_W10_call_states_are_a_services_and_the_others_a_users(bob: Phone, backend: Phone) -> None:
    cases = [
        (bob, {"call_states": [calls.CALL_STATE_RINGING]}, "call_states"),
        (backend, {"directions": [calls.CALL_DIRECTION_INCOMING]}, "directions"),
        (backend, {"calling_states": [calls.CALLING_STATE_RINGING]}, "calling_states"),
    ]
    for phone, fields, path in cases:
        error = await phone.open_watch(request=pb.WatchCallsRequest(**fields)).ended()  # type: ignore[arg-type]
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert error.fields == (path,)


async def test_W9_a_services_snapshot_comes_page_by_page_without_bound_while_calls_change(
    server: Server, backend: Phone
) -> None:
    acting = [server.phone(f"user-{number}", role="service") for number in range(50)]

    async def many(phone: Phone) -> None:
        for number in range(25):
            await phone.create(f"{phone.user}-{number}", "bob", ring=True)

    await asyncio.gather(*(many(phone) for phone in acting))
    working = asyncio.gather(*(phone.cancel(f"{phone.user}-{number}") for phone in acting for number in range(10)))
    screens = [backend.open_watch() for _ in range(3)]
    await working
    truth = await backend.snapshot()

    assert len(truth) == 50 * 15
    for screen in screens:
        await screen.until(lambda one: one.shown == truth)


async def test_W4_a_service_resumes_too(ann: Phone, bob: Phone, backend: Phone) -> None:
    await ann.create("same", "bob", ring=True)
    await ann.create("cancelled", "bob", ring=True)
    screen = await backend.watch()
    await screen.cut()
    await ann.cancel("cancelled")
    new = await ann.create("new", "bob", ring=True)

    resumed = await backend.watch(resume_token=screen.token)

    assert {(change.call.id, change.kind) for change in resumed.changes} == {("cancelled", REMOVED), ("new", ADDED)}
    assert resumed.shown["default:new"].call == new.call
    assert resumed.messages[-1].snapshot_complete.resumed


async def test_W10_ListEvents_gives_every_event_of_every_call_in_order_and_losslessly(
    server: Server, ann: Phone, bob: Phone, backend: Phone
) -> None:
    async def story(number: int) -> None:
        name = f"call-{number}"
        await ann.create(name, "bob", "cid", ring=True)
        await (bob.join if number % 2 else bob.reject)(name)
        await ann.leave(name)

    collected: list[calls.CallEvent] = []
    token = ""

    async def collect(size: int) -> None:
        nonlocal token
        while True:
            page = await backend.events(token, size)
            assert page.next_token
            if not page.events:
                assert page.next_token == token or not token
                return
            assert len(page.events) <= size
            collected.extend(page.events)
            token = page.next_token

    working = asyncio.gather(*(story(number) for number in range(30)))
    while not working.done():
        await collect(7)
        await asyncio.sleep(0.01)
    await working
    await server.restart()
    await collect(100)

    for number in range(30):
        told = await ann.call_events(f"call-{number}")
        assert [event for event in collected if event.cid == f"default:call-{number}"] == list(told)
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
    everything: list[calls.CallEvent] = []
    again = ""
    while (page := await backend.events(again, 100)).events:
        everything += page.events
        again = page.next_token
    assert everything == collected, "the order stays"
    assert [event.time.ToMicroseconds() for event in everything] == sorted(
        event.time.ToMicroseconds() for event in everything
    )


async def test_W10_an_end_that_is_reached_is_a_place_to_ask_from_again(ann: Phone, backend: Phone) -> None:
    empty = await backend.events()
    assert (list(empty.events), bool(empty.next_token)) == ([], True)

    await ann.create("standup", "bob")

    page = await backend.events(empty.next_token)
    assert [event.type for event in page.events] == [calls.CALL_EVENT_TYPE_CALL_CREATED]
    assert page.events[0].actor_user_id == "ann"
    assert list(page.events[0].subject_user_ids) == ["bob"]


async def test_W10_ListEvents_is_for_services_and_its_tokens_are_its_own(
    server: Server, ann: Phone, backend: Phone
) -> None:
    acting = server.phone("ann", role="service")
    await ann.create("standup", "bob", ring=True)
    watch_token = (await backend.watch()).token

    for phone in (ann, acting, server.phone("root", role="admin")):
        error = await refused(phone.events())
        assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
    for token in ("nonsense", watch_token, "ä", "A" * 1000):
        error = await refused(backend.events(token))
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_PAGE_TOKEN")
        assert error.fields == ("after_token",)


async def test_P4_a_service_as_itself_reads_updates_notifies_and_ends_but_nothing_else(
    ann: Phone, bob: Phone, backend: Phone
) -> None:
    await ann.create("standup", "bob", ring=True)
    theirs = await bob.watch()

    answers = [
        await backend.get("standup"),
        await backend.update("standup", custom={"n": 1}),
        await backend.add("standup", "cid"),
        await backend.get("standup", notify=True),
        await backend.end("standup"),
    ]

    assert not any(answer.HasField("viewer") for answer in answers)
    await theirs.until(lambda one: any(message.HasField("notification") for message in one.messages))
    events = await backend.call_events("standup")
    assert {event.acting_service_id for event in events if not event.actor_user_id} == {"development"}
    for attempt in (
        backend.stub.GetOrCreateCall(pb.GetOrCreateCallRequest(type="default", id="new"), **backend.options),
        backend.ring("standup"),
        backend.get("standup", ring=True),
        backend.join("standup"),
        backend.reject("standup"),
        backend.cancel("standup"),
        backend.leave("standup"),
    ):
        error = await refused(attempt)
        assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
        assert "x-user-id" in error.message, "it says to name the user"
    missing = await refused(backend.get("never-was"))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "CALL_NOT_FOUND")


async def test_P4_a_service_acts_as_the_user_it_names_and_both_names_are_kept(
    server: Server, ann: Phone, bob: Phone
) -> None:
    acting = server.phone("ann", role="service")

    rung = await acting.create("standup", "bob", ring=True)

    assert rung.viewer.user_id == "ann"
    event = (await ann.call_events("standup"))[0]
    assert (event.actor_user_id, event.acting_service_id) == ("ann", "development")
    assert (await bob.join("standup")).call.created_by_id == "ann"
