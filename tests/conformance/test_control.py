from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from conformance.control.refusing import Refusals
from conformance.control.repeating import repeating
from ringline.v1.call_service_pb2 import WatchCallsResponse
from ringline_server.api.port import Code, RequestContext, RpcError, Rpcs, Send

GET = "/ringline.v1.CallService/GetCall"
WATCH = "/ringline.v1.CallService/WatchCalls"


def context(path: str) -> RequestContext:
    return RequestContext(path, (), "", None)


async def answer(_: RequestContext, request: bytes) -> bytes:
    return request


async def nobody() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for message in none:
        yield message


def changes(*told: WatchCallsResponse) -> Rpcs:
    async def watch(_context: RequestContext, _requests: AsyncIterator[bytes], send: Send) -> None:
        for message in told:
            await send(message.SerializeToString())

    return Rpcs({GET: answer}, {WATCH: watch}, {})


def change(uid: str, revision: int, token: str) -> WatchCallsResponse:
    message = WatchCallsResponse(resume_token=token)
    message.server_time.seconds = len(token)
    message.change.call.uid, message.change.call.revision = uid, revision
    return message


async def heard(rpcs: Rpcs) -> list[WatchCallsResponse]:
    messages: list[WatchCallsResponse] = []

    async def send(data: bytes) -> None:
        messages.append(WatchCallsResponse.FromString(data))

    await rpcs.server_stream[WATCH](context(WATCH), nobody(), send)
    return messages


async def test_it_refuses_for_a_while_and_counts() -> None:
    refusals = Refusals()
    rpcs = refusals.refusing(changes())
    refusals.answer({"op": "refuse", "method": "GetCall", "seconds": 0.1, "reason": "OVERLOADED"})
    with pytest.raises(RpcError) as refused:
        await rpcs.unary[GET](context(GET), b"")
    assert refused.value.code is Code.UNAVAILABLE
    assert b"RetryInfo" in refused.value.details
    assert await heard(rpcs) == []
    await asyncio.sleep(0.1)
    assert await rpcs.unary[GET](context(GET), b"x") == b"x"
    counted = refusals.answer({"op": "asked", "method": "GetCall"})
    assert (counted["refused"], len(counted["served"])) == (1, 1)


async def test_it_refuses_streams() -> None:
    refusals = Refusals()
    rpcs = refusals.refusing(changes())
    refusals.answer({"op": "refuse", "method": "WatchCalls", "seconds": 60, "reason": "TOO_MANY_WATCHES"})
    with pytest.raises(RpcError) as refused:
        await heard(rpcs)
    assert refused.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("method", "reason"), [("GetCalls", "OVERLOADED"), ("GetCall", "BAD_MOOD")])
def test_what_it_cannot_refuse_is_told(method: str, reason: str) -> None:
    refusals = Refusals()
    refusals.refusing(changes())
    with pytest.raises(ValueError, match=reason):
        refusals.answer({"op": "refuse", "method": method, "seconds": 1, "reason": reason})


async def test_it_repeats_the_change_before_of_the_same_call() -> None:
    told = [change("a", 1, ""), change("b", 1, "first"), WatchCallsResponse(resume_token="end"), change("a", 2, "last")]
    messages = await heard(repeating(changes(*told)))
    assert messages == [*told, change("a", 1, "last")]
