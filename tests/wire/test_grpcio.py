from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio
from structlog.testing import capture_logs

from ringline_server.api.port import MAX_REQUEST_BYTES, Code, RequestContext, RpcError, Rpcs, Send, Stream, Unary
from ringline_server.wire.grpcio import GrpcioWire
from ringline_server.wire.port import ListenError
from tests.wire import raw
from tests.wire.canned import BIDI_STREAM, EOF, UNARY, connect, serve, trailers


async def echo(context: RequestContext, request: bytes) -> bytes:
    return request


async def failing(call: aio.UnaryUnaryCall[bytes, bytes] | aio.StreamStreamCall[bytes, bytes]) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await (call if isinstance(call, aio.UnaryUnaryCall) else call.read())
    return caught.value


async def test_bytes_go_in_and_come_out_as_they_are() -> None:
    async with serve(unary=echo) as served:
        assert await served.unary()(b"\xff\0 anything") == b"\xff\0 anything"


async def test_a_handler_is_told_method_metadata_peer_and_the_time_left() -> None:
    seen = []

    async def note(context: RequestContext, request: bytes) -> bytes:
        seen.append(context)
        return b""

    async with serve(unary=note) as served:
        metadata = (("x-user-id", "a"), ("x-user-id", "b"), ("x-name-bin", "ä".encode()))
        await served.unary()(b"", metadata=metadata, timeout=7)
        await served.unary()(b"")
    timed, untimed = seen
    assert timed.method == UNARY
    assert [entry for entry in timed.metadata if entry[0].startswith("x-")] == list(metadata)
    assert timed.peer.startswith("127.0.0.1:")
    assert timed.timeout == pytest.approx(7, abs=2)
    assert untimed.timeout is None


async def test_a_server_stream_gets_its_one_request_and_sends_any_number() -> None:
    async def count(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async for request in requests:
            for number in range(int(request)):
                await send(b"%d" % number)

    async with serve(server_stream=count) as served:
        call = served.server_stream()(b"3")
        assert [message async for message in call] == [b"0", b"1", b"2"]
        assert await call.code() is grpc.StatusCode.OK
        assert [message async for message in served.server_stream()(b"0")] == []


async def test_a_bidi_stream_answers_while_it_is_asked() -> None:
    async def shout(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async for request in requests:
            await send(request.upper())

    async with serve(bidi_stream=shout) as served:
        call = served.bidi_stream()
        for word in (b"one", b"two"):
            await call.write(word)
            assert await call.read() == word.upper()
        await call.done_writing()
        assert await call.read() is EOF


async def test_an_error_carries_code_message_and_details() -> None:
    async def refuse(context: RequestContext, request: bytes) -> bytes:
        raise RpcError(Code(int(request)), "nö", b"\x08details")

    async with serve(unary=refuse) as served:
        for code in Code:
            if code is not Code.OK:
                error = await failing(served.unary()(b"%d" % code))
                assert error.code().value[0] == code
                assert error.details() == "nö"
                assert trailers(error) == {"grpc-status-details-bin": b"\x08details"}


async def test_a_stream_may_end_with_an_error_after_its_messages() -> None:
    async def two_then_refuse(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        await send(b"1")
        await send(b"2")
        raise RpcError(Code.ABORTED, "replaced", b"why")

    async with serve(server_stream=two_then_refuse) as served:
        call = served.server_stream()(b"")
        assert [await call.read(), await call.read()] == [b"1", b"2"]
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.ABORTED
        assert trailers(caught.value)["grpc-status-details-bin"] == b"why"


async def test_details_too_long_for_a_client_are_left_out_so_that_the_code_arrives() -> None:
    async def refuse(context: RequestContext, request: bytes) -> bytes:
        raise RpcError(Code.INVALID_ARGUMENT, "all of it is wrong", bytes(20_000))

    async with serve(unary=refuse) as served:
        error = await failing(served.unary()(b""))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "all of it is wrong"


async def test_the_text_of_an_unforeseen_exception_stays_here() -> None:
    async def fall(context: RequestContext, request: bytes) -> bytes:
        raise ValueError("the secret")

    async def fall_later(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        await send(b"1")
        raise ValueError("the secret")

    with capture_logs() as logs:
        await expect_internal(fall, fall_later)
    assert [(line["event"], line["method"], line["exc_info"]) for line in logs] == [
        ("rpc_failed", UNARY, True),
        ("rpc_failed", BIDI_STREAM, True),
    ]


async def expect_internal(unary: Unary, bidi_stream: Stream) -> None:
    async with serve(unary=unary, bidi_stream=bidi_stream) as served:
        error = await failing(served.unary()(b""))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(error)
        call = served.bidi_stream()
        assert await call.read() == b"1"
        error = await failing(call)
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(error)


async def test_an_unknown_method_is_unimplemented() -> None:
    async with serve(unary=echo) as served:
        for method in ("/canned.Service/Other", "/", UNARY + "/"):
            assert (await failing(served.unary(method)(b""))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_C6_a_request_over_256_KiB_is_refused_and_one_of_256_KiB_is_not() -> None:
    async with serve(unary=echo) as served:
        assert len(await served.unary()(bytes(MAX_REQUEST_BYTES))) == MAX_REQUEST_BYTES
        error = await failing(served.unary()(bytes(MAX_REQUEST_BYTES + 1)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_C6_a_request_that_is_large_only_when_decompressed_is_refused_too() -> None:
    async with serve(unary=echo) as served:
        error = await failing(served.unary()(bytes(10_000_000), compression=grpc.Compression.Gzip))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await served.unary()(b"0" * 9999, compression=grpc.Compression.Gzip) == b"0" * 9999


async def test_X5_metadata_that_is_not_text_hurts_nobody() -> None:
    seen = []

    async def note(context: RequestContext, request: bytes) -> bytes:
        seen.append(dict(context.metadata).get("x-user-id"))
        return b""

    async with serve(unary=note) as served:
        for value in (b"\xff\xfe", "ä".encode(), b"\x01\x7f", b" a\t"):
            assert raw.status(await raw.send(served.port, UNARY.encode(), (b"x-user-id", value))) == 0
        assert raw.status(await raw.send(served.port, UNARY.encode(), (b"x-user-id-bin", b"not base64!"))) == 13
        assert await served.unary()(b"") == b""
    assert seen == ["ÿþ", "ä", "\x01\x7f", " a\t", None]


async def test_X5_a_path_that_is_not_text_ends_neither_the_server_nor_a_stream() -> None:
    async def repeat(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async for request in requests:
            await send(request)

    async with serve(unary=echo, bidi_stream=repeat) as served:
        call = served.bidi_stream()
        await call.write(b"before")
        assert await call.read() == b"before"
        for _ in range(2):
            await raw.send(served.port, b"/\xff\xfe")
            async with connect(served.port) as channel:
                assert await channel.unary_unary(UNARY, None, None)(b"up", wait_for_ready=True, timeout=5) == b"up"
            assert await served.unary()(b"up", wait_for_ready=True, timeout=5) == b"up"
            await call.write(b"after")
            assert await call.read() == b"after"
        await call.done_writing()
        assert await call.read() is EOF


async def test_a_port_that_is_taken_is_refused_with_the_reason() -> None:
    async with serve() as served:
        with pytest.raises(ListenError, match=f"127.0.0.1:{served.port}: another program listens there"):
            await GrpcioWire(Rpcs({}, {}, {}), "127.0.0.1", served.port).start()
        with pytest.raises(ListenError, match="another program listens there"):
            await GrpcioWire(Rpcs({}, {}, {}), "localhost", served.port).start()


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "this machine does not have that address"), ("no-such-host.invalid", "there is no such host")],
)
async def test_a_host_that_is_not_here_is_refused_with_the_reason(host: str, reason: str) -> None:
    with pytest.raises(ListenError, match=reason):
        await GrpcioWire(Rpcs({}, {}, {}), host, 0).start()


async def test_a_port_can_be_used_again_as_soon_as_the_server_has_stopped() -> None:
    async with serve(unary=echo) as served:
        await served.unary()(b"")
    again = GrpcioWire(Rpcs({UNARY: echo}, {}, {}), "127.0.0.1", served.port)
    assert await again.start() == served.port
    await again.stop(0)


async def test_stopping_lets_an_rpc_finish_and_accepts_no_other() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def wait(context: RequestContext, request: bytes) -> bytes:
        entered.set()
        await leave.wait()
        return b"finished"

    async with serve(unary=wait) as served:
        call = served.unary()(b"")
        await entered.wait()
        stop = asyncio.create_task(served.wire.stop(5))
        await asyncio.sleep(0.1)
        async with connect(served.port) as channel:
            error = await failing(channel.unary_unary(UNARY, None, None)(b""))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        leave.set()
        assert await call == b"finished"
        async with asyncio.timeout(2):
            await stop


async def test_stopping_cancels_what_is_not_done_when_the_grace_is_over() -> None:
    cancelled = asyncio.Event()

    async def stay(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        await send(b"1")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serve(server_stream=stay) as served:
        call = served.server_stream()(b"")
        await call.read()
        async with asyncio.timeout(3):
            await served.wire.stop(0.1)
            await cancelled.wait()
