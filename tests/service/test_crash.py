"""``kill -9`` amid fifty writers: what was acknowledged is there, nothing is there by half (X1, T4)."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline_server.clock import SystemClock
from ringline_server.rules.viewer import relation
from ringline_server.store.port import Snapshot
from ringline_server.store.sqlite import SqliteStore
from tests.clock import FakeClock
from tests.service.host import InProcess, Process, Server, serving, subprocess_server
from tests.service.phone import Phone, Refused, outcome

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]

WRITERS = 50
SHARED = 5
OVERDUE = 10


@dataclass
class Acknowledged:
    """What the writers were told before the crash."""

    answers: int = 0
    newest: dict[str, calls.Call] = field(default_factory=dict)
    """The newest answer about each call."""
    created: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, pb.UpdateCallRequest, calls.Call]] = field(default_factory=list)
    """Updates with a request id, by whom, and what was answered."""

    def take(self, answer: Any) -> None:  # noqa: ANN401 -- any response with a call
        self.answers += 1
        call = answer.call
        known = self.newest.get(call.cid)
        if known is None or call.revision > known.revision:
            self.newest[call.cid] = call
        if getattr(answer, "created", False):
            assert self.created.setdefault(call.cid, call.uid) == call.uid


async def write(number: int, phone: Phone, told: Acknowledged, rng: random.Random) -> None:
    """Do what a busy user does, until the server is gone."""
    own, shared = f"own-{number}", f"shared-{number % SHARED}"
    others = [f"user-{other}" for other in range(WRITERS) if other != number]
    try:
        told.take(await phone.create(own, *rng.sample(others, 3), ring=True))
        for step in count(1):
            request = pb.UpdateCallRequest(type="default", id=own, request_id=f"{number}-{step}")
            request.custom.update({"step": step})
            answer = await phone.stub.UpdateCall(request, **phone.options)
            assert answer.call.custom["step"] == step
            told.take(answer)
            told.requests.append((phone.user, request, answer.call))
            again = await outcome(something_else(rng, phone, rng.choice([own, shared])))
            if not isinstance(again, Refused):
                told.take(again)
    except aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            raise


async def something_else(rng: random.Random, phone: Phone, name: str) -> object:
    match rng.randrange(4):
        case 0:
            return await phone.join(name)
        case 1:
            return await phone.leave(name)
        case 2:
            return await phone.cancel(name)
        case _:
            return await phone.ring(name)


async def write_until_killed(process: Process, seed: int) -> Acknowledged:
    told = Acknowledged()
    rng = random.Random(seed)
    phones = [process.phone(f"user-{number}", "phone") for number in range(WRITERS)]
    short = pb.CallData()
    short.settings.ring.auto_cancel_timeout.FromSeconds(10)
    for number in range(OVERDUE):
        data = pb.CallData.FromString(short.SerializeToString())
        told.take(await phones[0].create(f"overdue-{number}", "nobody", ring=True, data=data))
    for number in range(SHARED):
        told.take(await phones[0].create(f"shared-{number}", *(phone.user for phone in phones)))
    writers = [
        asyncio.create_task(write(number, phone, told, random.Random(rng.random())))
        for number, phone in enumerate(phones)
    ]
    enough = told.answers + rng.randint(500, 2000)
    async with asyncio.timeout(60):
        while told.answers < enough:
            for writer in writers:
                assert not writer.done() or writer.result()
            await asyncio.sleep(0.005)
    await process.kill()
    await asyncio.gather(*writers)
    return told


@pytest.mark.parametrize("seed", range(5))
async def test_X1_T4_kill_9_amid_fifty_writers_loses_nothing_and_halves_nothing(
    tmp_path: Path, wire: str, seed: int
) -> None:
    database = tmp_path / "ringline.db"
    async with subprocess_server(database, tmp_path / "server.log", wire) as process:
        told = await write_until_killed(process, seed)
    clock = FakeClock(SystemClock().now() + 20_000_000)

    async with serving(InProcess(database, clock)) as server:
        await every_acknowledged_change_is_there(server, told)
        await overdue_rings_have_fired_once(server)
        await events_are_whole(server)
        await requests_are_remembered(server, told)
        await lists_agree_with_calls(server)
    await call_users_agree_with_the_calls(database)
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def every_acknowledged_change_is_there(server: Server, told: Acknowledged) -> None:
    backend = server.phone(role="service")
    assert len(told.newest) >= WRITERS
    for cid, known in told.newest.items():
        now = (await backend.get(cid)).call
        assert now.uid == known.uid
        assert now.revision >= known.revision, f"{cid}: an acknowledged change is lost"
        if now.revision == known.revision:
            assert now == known
        if "step" in known.custom.fields:
            assert now.custom.fields["step"].number_value >= known.custom.fields["step"].number_value
    for cid, uid in told.created.items():
        assert (await backend.get(cid)).call.uid == uid


async def overdue_rings_have_fired_once(server: Server) -> None:
    backend = server.phone(role="service")
    for number in range(OVERDUE):
        name = f"overdue-{number}"
        assert (await backend.get(name)).call.end_reason == calls.END_REASON_NO_ANSWER
        types = [event.type for event in await backend.call_events(name)]
        assert types.count(calls.CALL_EVENT_TYPE_CALL_MISSED) == 1
        assert types.count(calls.CALL_EVENT_TYPE_CALL_ENDED) == 1


async def events_are_whole(server: Server) -> None:
    """Every call's events have no gap, and the last one is of the call's revision."""
    backend = server.phone(role="service")
    by_call: defaultdict[str, list[calls.CallEvent]] = defaultdict(list)
    token = ""
    while (page := await backend.events(token)).events:
        for event in page.events:
            by_call[event.cid].append(event)
        token = page.next_token
    for cid, events in by_call.items():
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        revisions = [event.revision for event in events]
        assert sorted(set(revisions)) == list(range(1, revisions[-1] + 1)), "each revision has an event"
        assert revisions == sorted(revisions)
        now = (await backend.get(cid)).call
        assert now.revision == revisions[-1]
        assert now.updated_at == events[-1].time
        assert list(await backend.call_events(cid)) == events


async def requests_are_remembered(server: Server, told: Acknowledged) -> None:
    """What is sent again after the crash has no second effect (X3)."""
    latest = {user: (request, answered) for user, request, answered in told.requests}
    for user, (request, answered) in latest.items():
        before = (await server.phone(user).get(answered.cid)).call
        phone = server.phone(user, "phone")
        again = await phone.stub.UpdateCall(request, **phone.options)
        assert again.call == before


async def lists_agree_with_calls(server: Server) -> None:
    for number in range(0, WRITERS, 7):
        phone = server.phone(f"user-{number}", "phone")
        token = ""
        while True:
            page = await phone.list(page_size=100, page_token=token)
            for item in page.items:
                answer = await phone.get(item.call.cid)
                assert (answer.call, answer.viewer) == (item.call, item.viewer)
            token = page.next_page_token
            if not token:
                break


async def call_users_agree_with_the_calls(database: Path) -> None:
    """Every row is what the call says, and no user of a call lacks theirs."""
    store = SqliteStore(database)
    await store.open()

    def read(snapshot: Snapshot) -> dict[str, Any]:
        return {placed.call.uid: placed.call for placed in snapshot.changed_calls(0, 1_000_000)}

    try:
        known = await store.read(read)
    finally:
        await store.close()
    with sqlite3.connect(database) as connection:
        columns = "calling_state, direction, last_ring, missed, listed, member"
        rows = [
            row
            for ended, table in enumerate(("call_users", "past_call_users"))
            for row in connection.execute(f"SELECT uid, user_id, {ended}, {columns} FROM {table}")
        ]
    connection.close()
    assert known
    for uid, user, *row in rows:
        expected = relation(known[uid], user)
        assert row == [
            int(expected.ended),
            expected.calling_state,
            expected.direction,
            expected.last_ring,
            int(expected.missed),
            int(expected.listed),
            int(expected.member),
        ], f"{user} in {known[uid].cid}"
    has = {(uid, user) for uid, user, *_ in rows}
    assert len(has) == len(rows)
    for uid, call in known.items():
        assert {(uid, user) for user in call.members} <= has
