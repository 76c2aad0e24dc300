"""A whole server within a test, with a clock of the test's own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from itertools import count
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ringline.v1 import call_pb2
from ringline.v1 import call_service_pb2 as pb
from ringline.v1.call_service_pb2_grpc import CallServiceStub
from ringline_server.app.errors import StartError
from ringline_server.app.running import new_uid, running_server
from ringline_server.config import Address, Settings
from ringline_server.store.sqlite import SqliteStore

START = 1_800_000_000_000_000
MYSELF = (("x-user-id", "myself"),)


class StillClock:
    """Time stands still, unless a test moves it before the server starts."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


def settings(directory: Path) -> Settings:
    return Settings(listen=Address("127.0.0.1", 0), database=directory / "ringline.db", drain_grace=1)


def ring_request() -> pb.GetOrCreateCallRequest:
    members = [pb.MemberInput(user_id="myself"), pb.MemberInput(user_id="my friend")]
    return pb.GetOrCreateCallRequest(type="default", id="lunch", ring=True, data=pb.CallData(members=members))


async def test_the_clock_and_the_ids_are_the_tests_own(tmp_path: Path) -> None:
    ids = count(1)
    async with (
        running_server(settings(tmp_path), clock=StillClock(START), new_uid=lambda: f"uid-{next(ids)}") as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        answer = await CallServiceStub(channel).GetOrCreateCall(ring_request(), metadata=MYSELF)
        assert answer.call.uid == "uid-1"
        assert answer.call.created_at.ToMicroseconds() == START


def test_ids_are_uuids_that_begin_with_the_time_and_never_come_twice() -> None:
    before = time.time_ns() // 1_000_000
    ids = [uuid.UUID(new_uid()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert all(before <= one.int >> 80 <= after for one in ids)
    assert len({one.int & 2**72 - 1 for one in ids}) == 1000


async def test_T4_a_ring_that_ran_out_while_the_server_was_away_is_over_before_the_first_request(
    tmp_path: Path,
) -> None:
    async with (
        running_server(settings(tmp_path), clock=StillClock(START)) as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        await CallServiceStub(channel).GetOrCreateCall(ring_request(), metadata=MYSELF)
    async with (
        running_server(settings(tmp_path), clock=StillClock(START + 60_000_000)) as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        request = pb.GetCallRequest(type="default", id="lunch")
        answer = await CallServiceStub(channel).GetCall(request, metadata=MYSELF)
        assert answer.call.rings[0].state == call_pb2.RING_STATE_MISSED


async def test_W7_leaving_the_block_stops_in_good_order(tmp_path: Path) -> None:
    async with running_server(settings(tmp_path)) as server:
        channel = aio.insecure_channel(f"127.0.0.1:{server.port}")
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch = CallServiceStub(channel).WatchCalls(pb.WatchCallsRequest(), metadata=MYSELF)
        messages = aiter(watch)
        assert (await anext(messages)).HasField("snapshot_complete")
    async with asyncio.timeout(5):
        assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert [message.WhichOneof("event") async for message in messages] == ["going_away"]
        assert await watch.code() is grpc.StatusCode.OK
    await channel.close(None)


async def test_a_stop_takes_no_longer_than_its_streams_even_if_the_grace_is_long(tmp_path: Path) -> None:
    long = Settings(listen=Address("127.0.0.1", 0), database=tmp_path / "ringline.db", drain_grace=60)
    async with asyncio.timeout(10):
        async with running_server(long) as server:
            channel = aio.insecure_channel(f"127.0.0.1:{server.port}")
            health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            await health.read()
            watch = CallServiceStub(channel).WatchCalls(pb.WatchCallsRequest(), metadata=MYSELF)
            await watch.read()
        await channel.close(None)


async def test_what_was_opened_is_closed_again_when_the_start_fails(tmp_path: Path) -> None:
    async with running_server(settings(tmp_path)) as server:
        taken = Settings(listen=Address("127.0.0.1", server.port), database=tmp_path / "other.db")
        with pytest.raises(StartError, match="another program listens there"):
            async with running_server(taken):
                pass
    other = SqliteStore(tmp_path / "other.db")
    await other.open()
    await other.close()


async def test_a_store_that_can_no_longer_promise_durability_ends_the_process_with_status_1(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from ringline_server.app.serving import serve
from ringline_server.config import Address, Settings
settings = Settings(listen=Address("127.0.0.1", 0), database=Path({str(tmp_path / "ringline.db")!r}))
serve(settings, lambda server: server.engine.broken.set())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(20):
        assert await process.wait() == 1


def test_the_server_runs_on_uvloop(tmp_path: Path) -> None:
    script = f"""
import asyncio
import os
from pathlib import Path
from ringline_server.app.serving import serve
from ringline_server.config import Address, Settings

def announce(_server):
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    os.kill(os.getpid(), 15)

serve(Settings(listen=Address("127.0.0.1", 0), database=Path({str(tmp_path / "ringline.db")!r})), announce)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert said.stdout.startswith("uvloop\n")
