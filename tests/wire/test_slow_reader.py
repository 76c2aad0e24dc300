"""Clients that stop reading, and clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable

import grpc
import psutil
import pytest
from grpc import aio

from ringline_server.api.port import Code, RequestContext, RpcError, Send
from tests.wire import stuck_client
from tests.wire.canned import EOF, SERVER_STREAM, serve, trailers

KIB = 1024
MIB = 1024 * KIB


async def settled(count: list[int]) -> int:
    """Return how many messages were accepted once no more are for a while."""
    before = -1
    while before != len(count):
        before = len(count)
        await asyncio.sleep(0.5)
    return before


async def drain(call: aio.UnaryStreamCall[bytes, bytes]) -> None:
    while await call.read() is not EOF:
        pass


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- of another process, or of many handlers
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("size", [100, 10 * KIB, 200 * KIB])
async def test_W6_send_waits_when_the_client_stops_reading_and_memory_stays_bounded(size: int) -> None:
    accepted: list[int] = []

    async def flood(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        message = bytes(size)
        while True:
            await send(message)
            accepted.append(1)

    async with serve(server_stream=flood) as served:
        call = served.server_stream()(b"")
        await call.read()
        before = psutil.Process().memory_info().rss
        assert 0 < await settled(accepted) * size < 32 * MIB
        # This process is the client too.
        assert psutil.Process().memory_info().rss - before < 64 * MIB
        # It is waiting, not lost: each message comes, in order, and the stream goes on.
        stuck_at = len(accepted)
        for _ in range(stuck_at + 10):
            assert await call.read() == bytes(size)
        assert len(accepted) > stuck_at
        call.cancel()


async def test_W6_a_stuck_stream_disturbs_no_other_on_its_connection() -> None:
    async def flood(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async for request in requests:
            for _ in range(100_000 if request == b"flood" else 100):
                await send(bytes(1000))

    async with serve(server_stream=flood) as served:
        stuck = served.server_stream()(b"flood")
        await stuck.read()
        await asyncio.sleep(0.5)
        assert len([message async for message in served.server_stream()(b"")]) == 100
        stuck.cancel()


async def test_W6_a_stream_that_is_cut_while_sending_ends_with_its_status_once_the_client_reads() -> None:
    over = asyncio.Event()

    async def flood_until_stuck(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async def flood() -> None:
            while True:
                await send(bytes(10 * KIB))

        sending = asyncio.create_task(flood())
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.wait([sending])
        over.set()
        raise RpcError(Code.UNAVAILABLE, "too slow", b"details")

    async with serve(server_stream=flood_until_stuck) as served:
        call = served.server_stream()(b"")
        await call.read()
        await over.wait()
        with pytest.raises(aio.AioRpcError) as caught:
            await drain(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert trailers(caught.value) == {"grpc-status-details-bin": b"details"}


async def test_W6_streams_cut_while_sending_hold_little_and_do_not_hold_up_a_stop() -> None:
    streams, over = 100, 0

    async def stick(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        nonlocal over
        try:
            async with asyncio.timeout(3):
                while True:
                    await send(bytes(10 * KIB))
        except TimeoutError:
            over += 1
            raise RpcError(Code.UNAVAILABLE, "too slow", b"") from None

    async with serve(server_stream=stick) as served:
        before = psutil.Process().memory_info().rss
        arguments = (stuck_client.__file__, str(served.port), SERVER_STREAM, str(streams))
        client = await asyncio.create_subprocess_exec(sys.executable, *arguments)
        await until(lambda: over == streams)
        # About 50 KiB a stream: the library's buffer.
        assert psutil.Process().memory_info().rss - before < streams * 200 * KIB
        async with asyncio.timeout(5):
            await served.wire.stop(0.2)
        client.kill()
        await client.wait()


async def test_a_client_that_leaves_cancels_its_handler() -> None:
    waiting, flooding = asyncio.Event(), asyncio.Event()
    left: list[str] = []

    async def wait(context: RequestContext, request: bytes) -> bytes:
        try:
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            left.append("unary")
            raise
        return b""

    async def flood(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        try:
            while True:
                flooding.set()
                await send(bytes(10 * KIB))
        except asyncio.CancelledError:
            left.append("stream")
            raise

    async with serve(unary=wait, server_stream=flood) as served:
        unary, stream = served.unary()(b""), served.server_stream()(b"")
        await waiting.wait()
        await flooding.wait()
        await asyncio.sleep(0.3)
        unary.cancel()
        stream.cancel()
        await until(lambda: len(left) == 2)


async def test_a_deadline_that_passes_cancels_its_handler() -> None:
    left = asyncio.Event()

    async def wait(context: RequestContext, request: bytes) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return b""

    async with serve(unary=wait) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.unary()(b"", timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_send_after_the_end_is_cancelled_like_one_to_a_client_that_left() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def leave_a_task(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async def late() -> None:
            await asyncio.sleep(0.2)
            await send(b"late")

        tasks.append(asyncio.create_task(late()))

    async with serve(server_stream=leave_a_task) as served:
        assert [message async for message in served.server_stream()(b"")] == []
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[0]
        assert tasks[0].cancelled()
