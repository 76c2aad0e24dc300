"""A server of a later version, as far as a client can tell: it says what today's contract has no name for.

- the state of an ACTIVE call is 17;
- a viewer has the capability 99 too;
- every answer, call and viewer has a field 1000;
- a stream begins with an event that is field 100.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from google.protobuf.message import Message

from ringline.v1 import call_pb2, call_service_pb2
from ringline_server.api.port import RequestContext, Rpcs, Send, Stream, Unary
from ringline_server.api.rpcs import build_rpcs
from ringline_server.app import running

_STATE: call_pb2.CallState.ValueType = 17  # type: ignore[assignment]
_CAPABILITY: call_pb2.Capability.ValueType = 99  # type: ignore[assignment]
_FIELD = b"\xc2\x3e\x05later"
"""Field 1000, a text."""

_EVENT = b"\xa2\x06\x00"
"""Field 100, a message without fields."""


@contextmanager
def newer_rpcs() -> Iterator[None]:
    """Let servers that start within the block be later ones: the one seam below the app's own wiring."""

    def build(**parts: Any) -> Rpcs:  # noqa: ANN401 -- handed on as they are
        return newer(build_rpcs(**parts))

    with patch.object(running, "build_rpcs", build):
        yield


def newer(rpcs: Rpcs) -> Rpcs:
    """Return the RPCs as a later version would answer them."""
    return Rpcs(
        {path: _unary(path, rpc) if "ringline.v1" in path else rpc for path, rpc in rpcs.unary.items()},
        {path: _stream(rpc) if "ringline.v1" in path else rpc for path, rpc in rpcs.server_stream.items()},
        rpcs.bidi_stream,
    )


def _unary(path: str, rpc: Unary) -> Unary:
    response = getattr(call_service_pb2, path.rpartition("/")[2] + "Response")

    async def call(context: RequestContext, request: bytes) -> bytes:
        return _later(response.FromString(await rpc(context, request)))

    return call


def _stream(rpc: Stream) -> Stream:
    async def call(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        async def send_later(message: bytes) -> None:
            await send(_later(call_service_pb2.WatchCallsResponse.FromString(message)))

        await send(_EVENT)
        await rpc(context, requests, send_later)

    return call


def _later(message: Message) -> bytes:
    _add(message)
    return message.SerializeToString() + _FIELD


def _add(message: Message) -> None:
    """Add to calls and viewers, wherever they are."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.file.package != "ringline.v1":
            continue
        for one in value if field.is_repeated else [value]:
            _add(one)
    if isinstance(message, call_pb2.Call):
        if message.state == call_pb2.CALL_STATE_ACTIVE:
            message.state = _STATE
        message.MergeFromString(_FIELD)
    elif isinstance(message, call_pb2.ViewerState):
        message.capabilities.append(_CAPABILITY)
        message.MergeFromString(_FIELD)
