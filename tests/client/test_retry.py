from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from ringline import Call, Client, DeadlineExceeded, RinglineError, Unavailable, _connection
from ringline._clock import Backoff
from ringline.v1 import call_service_pb2 as pb
from tests.client.scripted import SILENCE, ClientClock, Refusal, ScriptedServer, eventually

UNAVAILABLE = Refusal(grpc.StatusCode.UNAVAILABLE, "OVERLOADED")

ACTS: dict[str, Callable[[Call], Awaitable[object]]] = {
    "GetOrCreateCall": lambda call: call.get_or_create(),
    "GetCall": lambda call: call.get(ring=True),
    "RingCall": lambda call: call.ring("bob"),
    "JoinCall": lambda call: call.join(ring_id="r"),
    "RejectCall": lambda call: call.reject(ring_id="r"),
    "CancelCall": lambda call: call.cancel(ring_id="r"),
    "LeaveCall": lambda call: call.leave(),
    "EndCall": lambda call: call.end_call(),
    "UpdateCall": lambda call: call.update(custom={}),
    "UpdateCallMembers": lambda call: call.update_members("bob"),
}


@pytest.fixture(autouse=True)
async def time_goes_by(clock: ClientClock) -> AsyncIterator[None]:
    task = asyncio.create_task(clock.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("method", ACTS)
async def test_X3_a_verb_that_acts_is_repeated_under_its_request_id_until_it_is_answered(
    method: str, scripted: ScriptedServer, client: Client
) -> None:
    call = client.call("default", "standup")
    scripted.outcomes.extend([UNAVAILABLE, UNAVAILABLE])
    await ACTS[method](call)
    await ACTS[method](call)
    assert [name for name, _ in scripted.requests] == [method] * 4
    first, *repeats, second = [request for _, request in scripted.requests]
    assert len(first.request_id) == 36
    assert repeats == [first, first]
    assert second.request_id not in ("", first.request_id)


async def test_what_only_reads_needs_no_request_id_and_is_repeated_too(
    scripted: ScriptedServer, client: Client
) -> None:
    scripted.outcomes.append(UNAVAILABLE)
    await client.call("default", "standup").get()
    assert [request for _, request in scripted.requests] == [pb.GetCallRequest(type="default", id="standup")] * 2


async def test_the_pauses_grow_with_jitter_and_come_after_what_the_server_asked_for(
    scripted: ScriptedServer, client: Client, clock: ClientClock
) -> None:
    scripted.outcomes.extend([UNAVAILABLE, UNAVAILABLE, Refusal(grpc.StatusCode.UNAVAILABLE, retry_after=0.7)])
    await client.call("default", "standup").get()
    assert clock.naps == [0.05, 0.1, pytest.approx(0.7 + 0.2)]


def test_jitter_is_full_and_bounded() -> None:
    backoff = Backoff(base=0.5, limit=10.0)
    assert [backoff.delay(attempt, 0.999_999) for attempt in (0, 1, 4, 5, 10_000)] == pytest.approx(
        [0.5, 1.0, 8.0, 10.0, 10.0], rel=1e-3
    )
    assert backoff.delay(5, 0.0) == 0.0
    assert backoff.delay(0, 0.0, retry_after=3.0) == 3.0


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (UNAVAILABLE, Unavailable),
        (Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"), DeadlineExceeded),
    ],
)
async def test_it_is_given_up_when_the_time_is_up(
    refusal: Refusal, kind: type[RinglineError], scripted: ScriptedServer, client: Client, clock: ClientClock
) -> None:
    scripted.outcomes.extend([refusal] * 100)
    begin = clock.monotonic()
    with pytest.raises(RinglineError) as caught:
        await client.call("default", "standup").ring()
    assert type(caught.value) is kind
    assert caught.value.reason == refusal.reason
    assert len(set(scripted.peers)) == 1, "a connection that brings an answer is kept"
    assert 5 < clock.monotonic() - begin <= 10
    assert len(scripted.requests) > 5


async def test_other_errors_are_not_repeated(scripted: ScriptedServer, client: Client) -> None:
    for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED):
        scripted.requests.clear()
        scripted.outcomes.append(Refusal(code, retry_after=0.1))
        with contextlib.suppress(Exception):
            await client.call("default", "standup").join()
        assert len(scripted.requests) == 1


async def test_a_request_is_repeated_while_the_server_is_down_and_done_when_it_is_back(
    scripted: ScriptedServer,
) -> None:
    await scripted.stop()
    async with Client(scripted.address, user="ann") as client:
        asking = asyncio.create_task(client.call("default", "standup").ring())
        await asyncio.sleep(0.3)
        assert not asking.done()
        await scripted.start()
        await asking
    assert len(scripted.requests) == 1


async def test_a_server_that_does_not_answer_is_an_error_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Client(address, user="ann", timeout=0.3) as client:
            with pytest.raises((DeadlineExceeded, Unavailable)):
                await client.call("default", "standup").join()


async def test_what_is_not_answered_is_asked_again_over_another_connection(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "_PATIENCE", 0.3)
    scripted.outcomes.append(SILENCE)
    async with Client(scripted.address, user="ann") as client:
        await client.call("default", "standup").ring("bob")
    (_, first), (_, second) = scripted.requests
    assert first == second
    assert first.request_id
    assert len(set(scripted.peers)) == 2


async def test_a_connection_on_which_something_is_heard_is_kept(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "_PATIENCE", 0.5)
    scripted.outcomes.append(SILENCE)
    async with Client(scripted.address, user="ann") as client:
        lists = client.watch_calls()
        watching = asyncio.create_task(anext(lists))
        stream = await scripted.stream(1)
        asking = asyncio.create_task(client.call("default", "standup").ring("bob"))
        await eventually(lambda: scripted.requests)
        stream.complete("t1")
        await watching
        await asking
        await lists.aclose()
    assert len(scripted.requests) == 2
    assert {*scripted.peers, stream.peer} == {stream.peer}


async def test_closing_the_client_ends_what_is_under_way(scripted: ScriptedServer, clock: ClientClock) -> None:
    scripted.outcomes.extend([UNAVAILABLE] * 1000)
    async with Client(scripted.address, user="ann", timeout=1e9, clock=clock) as client:
        asking = asyncio.create_task(client.call("default", "standup").join())
        await eventually(lambda: scripted.requests)
    with pytest.raises(Unavailable):
        await asking
    with pytest.raises(RuntimeError, match="closed"):
        await client.call("default", "standup").join()
