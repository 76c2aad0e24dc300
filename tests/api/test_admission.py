"""How many requests are let in at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from ringline.v1 import call_service_pb2 as pb
from ringline_server.api import admission
from ringline_server.api.admission import Admission
from ringline_server.api.port import Code, RequestContext, RpcError
from ringline_server.engine.port import Draining, Submission
from tests.api.desk import Desk, context, explain


async def test_one_too_many_is_refused_at_once_and_let_in_when_another_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOG_PAUSE", 0.0)
    over = asyncio.Event()

    async def slow(_context: RequestContext, request: bytes) -> bytes:
        await over.wait()
        return request

    rpc = Admission(2).limited(slow)
    with capture_logs() as logs:
        inside = [asyncio.ensure_future(rpc(context("A"), b"a")) for _ in range(2)]
        await asyncio.sleep(0)
        results = await asyncio.gather(*[rpc(context("A"), b"a") for _ in range(3)], return_exceptions=True)
        refused = [result for result in results if isinstance(result, RpcError)]
        await asyncio.sleep(0.01)
        over.set()

    assert len(refused) == 3
    error = explain(refused[-1])
    assert (error.code, error.reason, error.retry) == ("UNAVAILABLE", "OVERLOADED", 1.0)
    assert logs == [{"event": "overloaded", "log_level": "warning", "refused": 3}]
    assert await asyncio.gather(*inside) == [b"a", b"a"]
    assert await rpc(context("A"), b"b") == b"b"


async def test_one_that_fails_or_is_cancelled_makes_room() -> None:
    async def fails(_context: RequestContext, request: bytes) -> bytes:
        if request:
            raise RpcError(Code.INTERNAL, "no", b"")
        await asyncio.Event().wait()
        return b""

    rpc = Admission(1).limited(fails)
    for _ in range(2):
        with pytest.raises(RpcError, match="no"):
            await rpc(context("A"), b"a")
    waiting = asyncio.ensure_future(rpc(context("A"), b""))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    with pytest.raises(RpcError, match="no"):
        await rpc(context("A"), b"a")


async def test_leaves_and_cancels_come_in_when_nothing_else_does(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()

    async def submit(_submission: Submission) -> None:
        await over.wait()
        raise Draining

    monkeypatch.setattr(desk.engine, "submit", submit)
    ann = desk.caller("ann", "phone")
    call: dict[str, Any] = {"type": "default", "id": "a"}
    waiting = [asyncio.ensure_future(ann.refused(pb.GetCallRequest(**call))) for _ in range(admission.MAX_AT_ONCE)]
    await asyncio.sleep(0)
    assert (await ann.refused(pb.JoinCallRequest(**call))).reason == "OVERLOADED"
    endings = [
        asyncio.ensure_future(ann.refused(pb.LeaveCallRequest(**call))),
        asyncio.ensure_future(ann.refused(pb.CancelCallRequest(**call))),
    ]
    await asyncio.sleep(0)
    over.set()

    assert {one.reason for one in await asyncio.gather(*endings, *waiting)} == {"DRAINING"}
