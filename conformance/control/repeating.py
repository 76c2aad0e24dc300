"""A server that repeats itself: after each change of a call, a stream tells the change before of that call once more.

As a client may hear it whose answers overtake its stream. The token and the time are those of the newer message.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ringline.v1.call_service_pb2 import WatchCallsResponse
from ringline_server.api.port import RequestContext, Rpcs, Send, Stream

_PATH = "/ringline.v1.CallService/WatchCalls"


def repeating(rpcs: Rpcs) -> Rpcs:
    """Return the RPCs with a WatchCalls that does so."""
    streams = {**rpcs.server_stream, _PATH: _stream(rpcs.server_stream[_PATH])}
    return Rpcs(rpcs.unary, streams, rpcs.bidi_stream)


def _stream(rpc: Stream) -> Stream:
    async def call(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        told: dict[str, WatchCallsResponse] = {}

        async def send_both(data: bytes) -> None:
            await send(data)
            message = WatchCallsResponse.FromString(data)
            if not message.HasField("change"):
                return
            before = told.get(message.change.call.uid)
            told[message.change.call.uid] = message
            if before is not None:
                before.resume_token = message.resume_token
                before.server_time.CopyFrom(message.server_time)
                await send(before.SerializeToString())

        await rpc(context, requests, send_both)

    return call
