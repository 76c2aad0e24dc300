from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from ringline import (
    Change,
    ChangeKind,
    Client,
    InvalidRequest,
    NotAllowed,
    Notification,
    Reset,
    ResetReason,
    RinglineError,
    SnapshotComplete,
    StopReason,
    TokenExpired,
    WatchEvent,
    WatchReplaced,
)
from ringline._watch import Watch
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.client.scripted import ClientClock, Refusal, ScriptedServer, a_call, eventually

REMOVED, UPDATED = pb.CHANGE_KIND_REMOVED, pb.CHANGE_KIND_UPDATED

GUARD = 37.5
"""Seconds of silence after which a connection is dead: 2.5 intervals of 15 s."""


class Lists:
    """What a watch has yielded, taken as it comes."""

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self.all: list[Any] = []
        self.task = asyncio.create_task(self._take(source))

    async def _take(self, source: AsyncIterator[Any]) -> None:
        async for one in source:
            self.all.append(one)

    async def next(self) -> Any:  # noqa: ANN401 -- lists or events
        await eventually(lambda: self.all or self.task.done())
        if not self.all:
            self.task.result()
            raise AssertionError("it has ended")
        return self.all.pop(0)

    async def cids(self) -> list[tuple[str, int]]:
        return [(call.id, call.revision) for call in await self.next()]


@pytest.fixture
async def follow(client: Client) -> AsyncIterator[Callable[[AsyncIterator[Any]], Lists]]:
    made: list[Lists] = []

    def make(source: AsyncIterator[Any]) -> Lists:
        made.append(Lists(source))
        return made[-1]

    yield make
    for lists in made:
        lists.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RinglineError):
            await lists.task


Follow = Callable[[AsyncIterator[Any]], Lists]


async def after_pause(clock: ClientClock) -> float:
    """Let the pause before a reconnect go by, and return how long it was."""
    await eventually(lambda: clock.sleepers == 1 and clock.naps[-1] < GUARD)
    nap = clock.naps[-1]
    await clock.advance(nap)
    return nap


# What is shown.


async def test_the_list_is_there_at_once_and_after_each_change(
    scripted: ScriptedServer, client: Client, follow: Follow
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.ring(a_call("new"))
    stream.ring(a_call("old"))
    await asyncio.sleep(0.05)
    assert lists.all == [], "a list that is not complete is no list"
    stream.complete("t1")
    assert await lists.cids() == [("new", 1), ("old", 1)]

    stream.ring(a_call("newest"))
    assert await lists.cids() == [("newest", 1), ("new", 1), ("old", 1)]
    stream.ring(a_call("new", 2), UPDATED)
    assert await lists.cids() == [("newest", 1), ("new", 2), ("old", 1)]
    stream.ring(a_call("newest", 2), REMOVED)
    assert await lists.cids() == [("new", 2), ("old", 1)]
    stream.send("t2", heartbeat=pb.Heartbeat())
    stream.ring(a_call("unknown", 2), REMOVED)
    stream.ring(a_call("last"))
    assert await lists.cids() == [("last", 1), ("new", 2), ("old", 1)]
    assert lists.all == []


async def test_an_empty_list_is_told_too(scripted: ScriptedServer, client: Client, follow: Follow) -> None:
    lists = follow(client.watch_calls())
    (await scripted.stream(1)).complete("t1")
    assert await lists.next() == []


async def test_the_filter_and_the_heartbeat_are_asked_for(
    scripted: ScriptedServer, client: Client, follow: Follow
) -> None:
    follow(client.watch_calls(types=["default"], cids=["default:a"], heartbeat_interval=5))
    request = (await scripted.stream(1)).request
    assert (*request.types, *request.cids, request.heartbeat_interval.seconds) == ("default", "default:a", 5)


async def test_changes_notifications_and_reasons_are_told(
    scripted: ScriptedServer, client: Client, follow: Follow
) -> None:
    events = follow(client.watch_changes())
    stream = await scripted.stream(1)
    stream.complete("t1")
    stream.ring(a_call(), actor_user_id="bob")
    stream.send(notification=pb.CallNotification(call=a_call("lunch"), actor_user_id="bob", video=True))
    stream.ring(a_call(revision=2), REMOVED, stop_reason=calls.STOP_REASON_MISSED, reason="late")

    assert await events.next() == SnapshotComplete(resumed=False)
    added, notification, removed = [await events.next() for _ in range(3)]
    assert (added.kind, added.actor_user_id, added.call.cid) == (ChangeKind.ADDED, "bob", "default:standup")
    assert isinstance(notification, Notification)
    assert (notification.call.id, notification.actor_user_id, notification.video) == ("lunch", "bob", True)
    assert (removed.kind, removed.stop_reason, removed.reason) == (ChangeKind.REMOVED, StopReason.MISSED, "late")


async def test_older_revisions_of_one_uid_are_dropped(scripted: ScriptedServer, client: Client, follow: Follow) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.ring(a_call(revision=5))
    stream.complete("t1")
    assert await lists.cids() == [("standup", 5)]
    stream.ring(a_call(revision=4), UPDATED)
    stream.ring(a_call(revision=3), REMOVED)
    stream.ring(a_call(revision=1, uid="made anew"))
    assert await lists.cids() == [("standup", 1)]
    stream.ring(a_call(revision=2, uid="made anew"), REMOVED)
    assert await lists.cids() == []
    stream.ring(a_call(revision=1, uid="made anew"), token="t2")
    stream.ring(a_call("other"))
    assert await lists.cids() == [("other", 1)], "R7: what is over does not ring again"


async def test_what_a_newer_server_sends_does_no_harm(scripted: ScriptedServer, client: Client, follow: Follow) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    newer = a_call(state=17)
    stream.ring(newer, 17, cause=99, stop_reason=55)
    stream.send("t-new")  # an event that is not in this contract
    stream.complete("t1")
    (shown,) = await lists.next()
    assert shown.state.name == "UNKNOWN(17)"


async def test_who_is_slow_gets_the_latest_list_only(scripted: ScriptedServer, client: Client) -> None:
    async with contextlib.aclosing(client.watch_calls()) as lists:
        taking = asyncio.create_task(anext(lists))
        stream = await scripted.stream(1)
        stream.complete("t1")
        assert await taking == []
        for revision in range(1, 50):
            stream.ring(a_call(revision=revision))
        await asyncio.sleep(0.2)
        (call,) = await anext(lists)
        assert call.revision == 49


async def test_who_does_not_read_at_all_holds_the_stream_back_and_loses_nothing(
    scripted: ScriptedServer, client: Client
) -> None:
    request = pb.WatchCallsRequest()
    request.heartbeat_interval.seconds = 15
    async with contextlib.aclosing(Watch(client._connection, request)) as watch:
        taking = asyncio.create_task(watch.take())
        stream = await scripted.stream(1)
        stream.complete("t1")
        await taking
        for revision in range(1, 3000):
            stream.ring(a_call(revision=revision))
        await eventually(lambda: len(watch._events) >= 1000)
        await asyncio.sleep(0.3)
        assert len(watch._events) == 1000
        seen: list[WatchEvent] = []
        while len(seen) < 2999:
            seen += await watch.take()
        assert [change.call.revision for change in seen if isinstance(change, Change)] == list(range(1, 3000))


# It lives for ever.


async def test_W4_a_cut_stream_goes_on_from_the_last_token_and_tells_nothing_twice(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    assert stream.request.resume_token == ""
    stream.ring(a_call("a"))
    stream.ring(a_call("b"))
    stream.complete("t1")
    stream.send("t2", heartbeat=pb.Heartbeat())
    assert await lists.cids() == [("a", 1), ("b", 1)]
    await scripted.stop()
    await scripted.start()

    await after_pause(clock)
    stream = await scripted.stream(2)
    assert stream.request.resume_token == "t2"
    stream.ring(a_call("a", 2), REMOVED)
    stream.complete("t3", resumed=True)
    assert await lists.cids() == [("b", 1)]
    assert lists.all == []


async def test_W7_after_going_away_it_reconnects_soon(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.complete("t1")
    await lists.next()
    stream.send("t2", going_away=pb.GoingAway())
    stream.end()
    assert await after_pause(clock) == 0.25
    assert (await scripted.stream(2)).request.resume_token == "t2"


async def test_W5_a_connection_that_is_silent_for_two_and_a_half_heartbeats_is_replaced(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.complete("t1")
    await lists.next()
    await clock.advance(30)
    stream.send("t2", heartbeat=pb.Heartbeat())
    stream.ring(a_call())
    await lists.next()
    await clock.advance(37)
    await asyncio.sleep(0.05)
    assert not stream.ended
    await clock.advance(1)
    await eventually(lambda: stream.ended)

    await clock.advance(0.25)
    second = await scripted.stream(2)
    assert second.request.resume_token == "t2"
    assert second.peer != stream.peer, "the dead connection would be used again"


async def test_the_pauses_between_attempts_grow_honour_retry_info_and_begin_anew_after_a_success(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    follow(client.watch_calls())
    pauses = []
    for number, refusal in enumerate(
        [
            Refusal(grpc.StatusCode.UNAVAILABLE, "OVERLOADED"),
            Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES", retry_after=5.0),
            Refusal(grpc.StatusCode.INTERNAL),
            Refusal(grpc.StatusCode.UNKNOWN),
        ],
        1,
    ):
        (await scripted.stream(number)).end(refusal)
        pauses.append(await after_pause(clock))
    assert pauses == [0.25, pytest.approx(5.5), 1.0, 2.0]

    stream = await scripted.stream(5)
    stream.complete("t1")
    stream.end(Refusal(grpc.StatusCode.UNAVAILABLE, "TOO_SLOW"))
    assert await after_pause(clock) == 0.25


async def test_a_reset_forgets_what_was_and_the_list_does_not_flicker(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists, events = follow(client.watch_calls()), follow(client.watch_changes())
    for number in (1, 2):
        stream = await scripted.stream(number)
        stream.ring(a_call("stays", 7))
        stream.ring(a_call("goes", 7))
        stream.complete("t1")
    await lists.next()
    for number in (1, 2):
        scripted.streams[number - 1].end()
    await eventually(lambda: clock.naps[-2:] == [0.25, 0.25])
    await clock.advance(0.25)
    for number in (3, 4):
        stream = await scripted.stream(number)
        assert stream.request.resume_token == "t1"
        stream.send(reset=pb.Reset(reason=pb.RESET_REASON_FUTURE))
        # After a restore from a backup the revisions go back.
        stream.ring(a_call("stays", 3))
    await asyncio.sleep(0.05)
    assert lists.all == []
    for number in (3, 4):
        scripted.streams[number - 1].complete("t9")
    assert await lists.cids() == [("stays", 3)]
    await eventually(lambda: len(events.all) == 6)
    assert events.all[2:] == [
        SnapshotComplete(resumed=False),
        Reset(ResetReason.FUTURE),
        events.all[4],
        SnapshotComplete(resumed=False),
    ]


async def test_a_reset_after_an_empty_list_shows_the_next_one_whole_and_in_its_order(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.complete("t1")
    assert await lists.next() == []
    stream.end()
    await after_pause(clock)
    stream = await scripted.stream(2)
    stream.send(reset=pb.Reset(reason=pb.RESET_REASON_FUTURE))
    stream.ring(a_call("new"))
    stream.ring(a_call("old"))
    await asyncio.sleep(0.05)
    assert lists.all == []
    stream.complete("t2")
    assert await lists.cids() == [("new", 1), ("old", 1)]


async def test_a_token_that_was_reset_is_not_used_again(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.complete("of another time")
    await lists.next()
    stream.end()
    await after_pause(clock)
    stream = await scripted.stream(2)
    stream.send(reset=pb.Reset(reason=pb.RESET_REASON_FUTURE))
    stream.end()
    await after_pause(clock)
    assert (await scripted.stream(3)).request.resume_token == ""


async def test_a_stream_that_is_cut_before_its_list_was_complete_begins_anew(
    scripted: ScriptedServer, client: Client, follow: Follow, clock: ClientClock
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.ring(a_call("gone meanwhile"))
    stream.end()
    await after_pause(clock)
    stream = await scripted.stream(2)
    stream.ring(a_call("still there"))
    stream.complete("t1")
    assert await lists.cids() == [("still there", 1)]


# How it ends.


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), InvalidRequest),
        (Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED"), NotAllowed),
        (Refusal(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"), TokenExpired),
        (Refusal(grpc.StatusCode.UNIMPLEMENTED), RinglineError),
        (Refusal(grpc.StatusCode.ABORTED, "WATCH_REPLACED"), WatchReplaced),
    ],
)
async def test_what_cannot_heal_ends_it(
    refusal: Refusal, kind: type[Exception], scripted: ScriptedServer, client: Client, follow: Follow
) -> None:
    lists = follow(client.watch_calls())
    stream = await scripted.stream(1)
    stream.ring(a_call())
    stream.complete("t1")
    stream.end(refusal)
    await lists.next()
    with pytest.raises(kind):
        await lists.task
    assert len(scripted.streams) == 1


async def test_a_token_that_is_renewed_heals_an_expired_one(scripted: ScriptedServer, clock: ClientClock) -> None:
    tokens = ["old"]
    async with Client(scripted.address, token=lambda: tokens[-1], clock=clock, chance=lambda: 0.5) as client:
        lists = Lists(client.watch_calls())
        stream = await scripted.stream(1)
        assert stream.metadata["authorization"] == "Bearer old"
        stream.complete("t1")
        await lists.next()
        tokens.append("new")
        stream.end(Refusal(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED"))
        await after_pause(clock)
        assert (await scripted.stream(2)).metadata["authorization"] == "Bearer new"
    await lists.task


async def test_closing_the_client_ends_its_watches_without_an_error(scripted: ScriptedServer) -> None:
    async with Client(scripted.address, user="ann") as client:
        lists = Lists(client.watch_calls())
        stream = await scripted.stream(1)
        stream.complete("t1")
        await lists.next()
    await asyncio.wait_for(lists.task, 5)
    await eventually(lambda: stream.ended)


async def test_leaving_the_loop_ends_the_stream(scripted: ScriptedServer, client: Client) -> None:
    async def first() -> None:
        async for _ in client.watch_calls():
            return

    reading = asyncio.create_task(first())
    stream = await scripted.stream(1)
    stream.complete("t1")
    await reading
    gc.collect()
    await eventually(lambda: stream.ended)


async def test_cancelling_the_task_that_watches_ends_the_stream(scripted: ScriptedServer, client: Client) -> None:
    lists = Lists(client.watch_calls())
    stream = await scripted.stream(1)
    stream.complete("t1")
    await lists.next()
    lists.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lists.task
    await eventually(lambda: stream.ended)
    assert len(scripted.streams) == 1
