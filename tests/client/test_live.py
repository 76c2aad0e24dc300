"""The watch and the retries on a real server, over connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringline import CallDirection, CallState, Change, ChangeKind, Client, Notification, StopReason, _connection
from tests.client.conftest import Connect
from tests.client.proxy import Proxy, proxy_to
from tests.client.scripted import ClientClock, eventually
from tests.service.host import Server

BOTH = ["myself", "my friend"]


class Shown:
    """The live list of a client, as it was told last; and what was told on the way."""

    def __init__(self, client: Client) -> None:
        self.calls: list[str] | None = None
        self.events: list[Change] = []
        self.notifications: list[Notification] = []
        self._client = client
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._listen())]

    async def _follow(self) -> None:
        async for calls in self._client.watch_calls():
            self.calls = [f"{call.direction} {call.ringer_id} {call.id}" for call in calls]

    async def _listen(self) -> None:
        async for event in self._client.watch_changes():
            match event:
                case Change():
                    self.events.append(event)
                case Notification():
                    self.notifications.append(event)
                case _:
                    pass

    async def shows(self, *calls: str) -> None:
        await eventually(lambda: self.calls == list(calls))

    async def removed(self, reason: StopReason) -> Change:
        await eventually(lambda: any(event.kind is ChangeKind.REMOVED for event in self.events))
        removed = next(event for event in self.events if event.kind is ChangeKind.REMOVED)
        assert removed.stop_reason is reason
        self.events.clear()
        return removed

    async def finished(self) -> None:
        await asyncio.gather(*self._tasks)


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    async with proxy_to(server.address) as running:
        yield running


async def test_the_list_shows_what_rings_and_why_it_stops(connect: Connect, server: Server) -> None:
    me, friend = connect("myself"), connect("my friend")
    mine, theirs = Shown(me), Shown(friend)
    await mine.shows()
    await theirs.shows()
    call = me.call("default", "lunch")
    await call.get_or_create(ring=True, notify=True, members=BOTH)
    await mine.shows("OUTGOING myself lunch")
    await theirs.shows("INCOMING myself lunch")
    await eventually(lambda: theirs.notifications)

    await call.cancel("changed my mind")
    await mine.shows()
    await theirs.shows()
    assert (await theirs.removed(StopReason.CANCELLED)).reason == "changed my mind"
    await call.ring()
    await theirs.shows("INCOMING myself lunch")
    await server.advance(31)
    assert (await theirs.removed(StopReason.MISSED)).call.direction is CallDirection.INCOMING
    await me.close()
    await mine.finished()


async def test_it_survives_a_restart_of_the_server_and_tells_what_was_missed(connect: Connect, server: Server) -> None:
    me, friend = connect("myself"), connect("my friend")
    theirs = Shown(friend)
    await me.call("default", "over soon").get_or_create(ring=True, members=BOTH)
    await theirs.shows("INCOMING myself over soon")

    await server.stop()
    await server.clock.advance(31)
    await server.start()
    await theirs.shows()
    await theirs.removed(StopReason.MISSED)

    await me.call("default", "new").get_or_create(ring=True, members=BOTH)
    await theirs.shows("INCOMING myself new")


async def test_it_survives_a_cut_connection(connect: Connect, proxy: Proxy) -> None:
    me, friend = connect("myself"), connect("my friend", address=proxy.address)
    theirs = Shown(friend)
    await theirs.shows()
    call = me.call("default", "lunch")
    await call.get_or_create(ring=True, members=BOTH)
    await theirs.shows("INCOMING myself lunch")

    await proxy.cut()
    await call.cancel()
    await theirs.shows()
    await theirs.removed(StopReason.CANCELLED)


async def test_it_survives_a_connection_that_is_dead_without_a_word(connect: Connect, proxy: Proxy) -> None:
    clock = ClientClock()
    me, friend = connect("myself"), connect("my friend", address=proxy.address, clock=clock)
    theirs = Shown(friend)
    await theirs.shows()
    proxy.swallow()
    await me.call("default", "lunch").get_or_create(ring=True, members=BOTH)
    before = proxy.connections

    await clock.advance(38)
    proxy.answer()  # for the connections to come; the old one is given up
    while not theirs.calls:
        await clock.advance(0.05)
        await asyncio.sleep(0.01)
    assert theirs.calls == ["INCOMING myself lunch"]
    assert proxy.connections > before


async def test_X3_a_request_on_a_dead_connection_is_asked_again_and_rings_once(
    connect: Connect, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "_PATIENCE", 0.3)
    call = connect("myself", address=proxy.address).call("default", "lunch")
    await call.get_or_create(members=BOTH)
    before = proxy.connections
    proxy.swallow()
    asking = asyncio.create_task(call.get(ring=True))
    await eventually(lambda: proxy.connections > before)
    proxy.answer()
    await asking
    assert (call.state, call.revision, len(call.rings)) == (CallState.RINGING, 2, 1)


async def test_X3_a_ring_whose_answer_was_lost_is_repeated_and_rings_once(
    connect: Connect, proxy: Proxy, server: Server
) -> None:
    me, friend = connect("myself", address=proxy.address), connect("my friend")
    await me.call("default", "other").get_or_create()
    proxy.swallow()
    call = me.call("default", "lunch")
    ringing = asyncio.create_task(call.get_or_create(ring=True, members=BOTH))
    theirs = friend.call("default", "lunch")
    async for calls in friend.watch_calls():
        if calls:
            (theirs,) = calls
            break
    proxy.answer()
    await proxy.cut()

    rung = await ringing
    assert rung.created
    assert rung.ring_id == theirs.ring_id
    assert (call.state, call.revision) == (CallState.RINGING, 1)
    assert len(call.rings) == 1
