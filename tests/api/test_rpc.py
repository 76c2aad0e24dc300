"""What surrounds every RPC: its line in the log, its errors, its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from ringline.v1 import call_service_pb2 as pb
from ringline_server.api.port import RequestContext, RpcError, Send
from ringline_server.api.rpc import note, stream, unary
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.terms import Reason
from tests.api.desk import Desk, context, explain, requests


async def test_every_rpc_has_one_line_in_the_log(desk: Desk) -> None:
    request = pb.GetOrCreateCallRequest(type="default", id="a", ring=True, request_id="one")
    for user in ("ann", "bob"):
        request.data.members.add(user_id=user)
    with capture_logs() as logs:
        answer = await desk.caller("ann", "phone").call(request)
        await desk.caller("bob", role="service").refused(pb.EndCallRequest(type="default", id="a"))

    lines = [line for line in logs if line["event"] == "rpc"]
    assert all(isinstance(line.pop("ms"), float) for line in lines)
    assert lines == [
        {
            "event": "rpc",
            "log_level": "info",
            "method": "/ringline.v1.CallService/GetOrCreateCall",
            "code": "OK",
            "peer": "127.0.0.1:1",
            "user": "ann",
            "device": "phone",
            "cid": "default:a",
            "ring_id": answer.ring_id,
            "request_id": "one",
        },
        {
            "event": "rpc",
            "log_level": "info",
            "method": "/ringline.v1.CallService/EndCall",
            "code": "PERMISSION_DENIED",
            "reason": "NOT_ALLOWED",
            "peer": "127.0.0.1:1",
            "user": "bob",
            "service": "development",
            "cid": "default:a",
        },
    ]


async def test_X4_what_nobody_expected_is_logged_and_not_told() -> None:
    async def rpc(_context: RequestContext, _data: bytes) -> bytes:
        raise ValueError("secret")

    with capture_logs() as logs, pytest.raises(RpcError) as raised:
        await unary(rpc)(context("/x"), b"")

    error = explain(raised.value)
    assert (error.code, error.reason) == ("INTERNAL", "INTERNAL")
    assert b"secret" not in raised.value.details
    assert raised.value.__cause__ is None
    assert [line["event"] for line in logs] == ["rpc_failed", "rpc"]
    assert isinstance(logs[0]["exc_info"], ValueError)


async def test_a_stream_that_a_rule_ends_ends_with_its_error() -> None:
    async def rpc(request_context: RequestContext, _requests: AsyncIterator[bytes], _send: Send) -> None:
        note(request_context, cid="a:b")
        raise Refusal(Reason.NOT_ALLOWED, "No.")

    async def send(_message: bytes) -> None: ...

    with capture_logs() as logs, pytest.raises(RpcError) as raised:
        await stream(rpc)(context("/x"), requests(), send)

    assert explain(raised.value).reason == "NOT_ALLOWED"
    assert (logs[0]["cid"], logs[0]["code"]) == ("a:b", "PERMISSION_DENIED")


async def test_a_client_that_leaves_is_let_go() -> None:
    async def rpc(_context: RequestContext, _data: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    with capture_logs() as logs:
        task = asyncio.ensure_future(unary(rpc)(context("/x"), b""))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert [line["code"] for line in logs] == ["CANCELLED"]


async def test_the_clients_own_deadline_holds_too() -> None:
    async def rpc(_context: RequestContext, _data: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    with pytest.raises(RpcError) as raised:
        await unary(rpc)(context("/x", timeout=0.01), b"")

    assert explain(raised.value).reason == "DEADLINE_EXCEEDED"


async def test_notes_of_one_rpc_are_not_anothers() -> None:
    async def rpc(request_context: RequestContext, _data: bytes) -> bytes:
        note(request_context, cid=request_context.method)
        await asyncio.sleep(0)
        return b""

    with capture_logs() as logs:
        await asyncio.gather(*(unary(rpc)(context(f"/{n}"), b"") for n in range(3)))

    assert [line["cid"] for line in logs] == [line["method"] for line in logs]
