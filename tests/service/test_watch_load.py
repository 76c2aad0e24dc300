"""Streams under load: slow readers, calls with many members, many streams (W6)."""

from __future__ import annotations

import asyncio
import tracemalloc

import grpc
import pytest
from grpc import aio

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline_server.api import encode
from tests.service.host import Server
from tests.service.phone import PATIENCE, UPDATED, Phone, Picture, explain

MIB = 1024 * 1024


class StoppedReader:
    """A watch of a client that reads only when it is told to."""

    def __init__(self, phone: Phone) -> None:
        self._rpc = phone.stub.WatchCalls(pb.WatchCallsRequest(), metadata=phone.metadata)
        self.picture = Picture()
        self.token = ""

    async def read(self) -> pb.WatchCallsResponse | None:
        """Read one message; None at the end."""
        message = await asyncio.wait_for(self._rpc.read(), PATIENCE)
        if not isinstance(message, pb.WatchCallsResponse):
            return None
        self.picture.apply(message)
        self.token = message.resume_token or self.token
        return message

    async def read_snapshot(self) -> None:
        while not self.token:
            await self.read()

    async def read_on(self) -> aio.AioRpcError:
        """Read until the stream ends with an error, and return it."""
        try:
            while await self.read():
                pass
        except aio.AioRpcError as error:
            return error
        raise AssertionError("the stream ended with OK")


@pytest.fixture
def small_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoded calls are kept up to a bound of their own, which would hide what a stream keeps."""
    monkeypatch.setattr(encode, "CALL_BYTES", MIB)
    monkeypatch.setattr(encode, "PART_BYTES", MIB)


@pytest.mark.usefixtures("small_cache")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(1_000, id="quick"),
        pytest.param(10_000, id="proven", marks=[pytest.mark.prove, pytest.mark.timeout(300)]),
    ],
)
async def test_W6_a_reader_that_stops_costs_little_and_nobody_else_and_loses_nothing(
    server: Server, changes: int
) -> None:
    ann, dan = server.phone("ann"), server.phone("dan")
    bob = server.phone("bob", "phone", own_connection=True)
    names = [f"call-{number}" for number in range(20)]
    for name in names:
        await ann.create(name, "bob", "dan", ring=True, data=_long_ring())
    stopped = StoppedReader(bob)
    await stopped.read_snapshot()
    healthy = await dan.watch(keep=False)
    revisions: dict[str, int] = {}

    async def change(name: str, count: int) -> None:
        for number in range(count):
            # 12 KB each: all of them together would be seen in the memory.
            answer = await ann.update(name, custom={"n": number, "filler": "x" * 12_000})
            revisions[name] = answer.call.revision

    await asyncio.gather(*(change(name, 10) for name in names))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await asyncio.gather(*(change(name, changes // len(names)) for name in names))
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 16 * MIB, f"{(after - before) / MIB:.0f} MiB kept, {(peak - before) / MIB:.0f} at most"
    # The others have been told everything that there is.
    await healthy.until(
        lambda one: all(one.shown[f"default:{name}"].call.revision == revisions[name] for name in names)
    )
    assert healthy.open
    # The slow one is cut after 30 s of the server's clock, not before.
    await server.advance(29, stopped=1)
    assert (await server.look()).streams == 2
    await server.advance(2, stopped=1)
    await server.until(lambda look: look.streams == 1)
    error = explain(await stopped.read_on())
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_SLOW")
    assert error.retry
    # And it has lost nothing.
    truth = await bob.snapshot()
    resumed = bob.open_watch(stopped.picture, request=pb.WatchCallsRequest(resume_token=stopped.token))
    await resumed.until(lambda one: one.token)
    assert resumed.messages[-1].snapshot_complete.resumed
    assert resumed.shown == truth
    assert {one.call.revision for one in truth.values()} == set(revisions.values())
    assert healthy.open


def _long_ring() -> pb.CallData:
    data = pb.CallData()
    data.settings.ring.auto_cancel_timeout.FromSeconds(600)
    data.settings.ring.incoming_call_timeout.FromSeconds(600)
    return data


async def test_W6_a_reader_that_goes_on_in_time_is_not_cut(server: Server) -> None:
    ann, bob = server.phone("ann"), server.phone("bob", own_connection=True)
    await ann.create("standup", "bob", ring=True, data=_long_ring())
    stopped = StoppedReader(bob)
    await stopped.read_snapshot()
    for number in range(100):
        await ann.update("standup", custom={"n": number, "filler": "x" * 12_000})
    last = await ann.get("standup")
    await server.advance(29, stopped=1)

    while stopped.picture.shown["default:standup"].call != last.call:
        assert await stopped.read()
    await server.advance(29)

    assert (await server.look()).streams == 1


async def test_N3_a_stream_that_owes_more_than_a_thousand_notifications_is_cut(server: Server) -> None:
    ann, bob = server.phone("ann"), server.phone("bob", own_connection=True)
    data = pb.CallData()
    data.custom.update({"filler": "x" * 15_000})
    await ann.create("standup", "bob", data=data)
    stopped = StoppedReader(bob)
    await stopped.read_snapshot()

    # The connection's buffers have room for five hundred, more or less.
    for _ in range(25):
        await asyncio.gather(*(ann.get("standup", notify=True) for _ in range(100)))

    error = explain(await stopped.read_on())
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_SLOW")


async def test_W6_updates_of_a_call_with_many_members_come_at_most_five_times_a_second(server: Server) -> None:
    ann = server.phone("ann")
    few, many = server.phone("bob"), server.phone("cid")
    await ann.create("few", "bob", ring=True)
    await ann.create("many", *(["cid"] + [f"user-{number}" for number in range(60)]), ring=True)
    of_few, of_many = await few.watch(), await many.watch()

    async def updates(number: int) -> int:
        """Change the call, let the clock go on by a tenth of a second, and return how many updates have come."""
        rung = await ann.update("many", custom={"n": number})
        await of_few.shows((await ann.update("few", custom={"n": number})).call)
        await server.advance(0.1)
        await server.settled()
        assert rung.call.revision
        return sum(change.kind == UPDATED for change in of_many.changes)

    counts = [await updates(number) for number in range(20)]

    assert counts[0] == 1, "the first at once"
    # Two seconds: the first, and one every fifth of a second.
    assert 10 <= counts[-1] <= 11
    await server.advance(0.3)
    truth = (await ann.get("many")).call
    assert (await of_many.shows(truth)).call == truth, "and the last state is told in any case"
    assert sum(change.kind == UPDATED for change in of_few.changes) == 20
    # What begins or stops to match is never held back.
    await ann.update("many", custom={"n": 100})
    cancelled = await ann.cancel("many")
    await of_many.until(lambda one: not one.shown)
    assert of_many.changes[-1].call == cancelled.call


async def test_W6_a_change_is_encoded_once_however_many_streams_there_are(server: Server) -> None:
    ann = server.phone("ann")
    users = [f"user-{number}" for number in range(50)]
    rung = await ann.create("standup", *users[:40], ring=True)
    assert rung.call.revision == 1
    watchers = [server.phone(user, device) for user in users[:40] for device in ("phone", "tablet")]
    watchers += [server.phone(role="service") for _ in range(20)]
    screens = [await watcher.watch() for watcher in watchers]
    assert len(screens) == 100
    before = (await server.look()).encodings

    joined = await server.phone("user-0", "phone").join("standup")

    for screen, watcher in zip(screens, watchers, strict=True):
        await screen.until(lambda one: one.changes and one.changes[-1].call.revision == joined.call.revision)
        assert screen.changes[-1].call == joined.call
        viewer = screen.changes[-1].viewer
        assert viewer.user_id == watcher.user
        assert (viewer.calling_state == calls.CALLING_STATE_JOINED) == (watcher.user == "user-0")
    assert (await server.look()).encodings - before == 1
