"""The RPCs as the library calls them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
from grpc import aio

from ringline_server.api.port import RequestContext, RpcError, Rpcs, Stream, Unary
from ringline_server.wire._status import end_unforeseen, end_with

if TYPE_CHECKING:
    # Generic in the stubs only.
    from ringline_server.wire._status import Context

    Handler = grpc.RpcMethodHandler[Any, Any]


class Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs only
    """Finds the handler of an RPC. The library answers UNIMPLEMENTED for a method that is not here."""

    def __init__(self, rpcs: Rpcs) -> None:
        # Without serializers the library hands on bytes as they are.
        unary = {name: grpc.unary_unary_rpc_method_handler(_unary(name, rpc)) for name, rpc in rpcs.unary.items()}
        server = {
            name: grpc.unary_stream_rpc_method_handler(_server_stream(name, rpc))
            for name, rpc in rpcs.server_stream.items()
        }
        bidi = {
            name: grpc.stream_stream_rpc_method_handler(_bidi_stream(name, rpc))
            for name, rpc in rpcs.bidi_stream.items()
        }
        self._handlers: dict[str, Handler] = unary | server | bidi

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        return self._handlers.get(handler_call_details.method)


def _unary(method: str, rpc: Unary) -> Any:  # noqa: ANN401 -- typed for handlers that are not coroutines
    async def handle(request: bytes, context: Context) -> bytes:
        try:
            return await rpc(_request_context(method, context), request)
        except RpcError as error:
            await end_with(context, error)
        except Exception:  # noqa: BLE001 -- else the library would send its text to the client
            await end_unforeseen(context, method)

    return handle


def _server_stream(method: str, rpc: Stream) -> Any:  # noqa: ANN401 -- see _unary
    async def handle(request: bytes, context: Context) -> None:
        await _stream(method, rpc, _One(request), context)

    return handle


def _bidi_stream(method: str, rpc: Stream) -> Any:  # noqa: ANN401 -- see _unary
    async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
        await _stream(method, rpc, requests, context)

    return handle


async def _stream(method: str, rpc: Stream, requests: AsyncIterator[bytes], context: Context) -> None:
    try:
        await rpc(_request_context(method, context), requests, partial(_Sent, context))
    except RpcError as error:
        await end_with(context, error)
    except Exception:  # noqa: BLE001 -- see _unary
        await end_unforeseen(context, method)


class _Sent:
    """A stream's message, sent once this is awaited; unlike a coroutine's that may also never be.

    The library's ``write`` returns once the message has left its buffer of 64 KiB a stream, which empties as HTTP/2's
    flow control lets it: with a client that stops reading it waits, after what fits into that buffer, the client's
    window and the kernel's socket buffers. A pending one may be cancelled; its message is then still sent, whole.
    """

    __slots__ = ("_context", "_message")

    def __init__(self, context: Context, message: bytes) -> None:
        self._context = context
        self._message = message

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield from self._context.write(self._message).__await__()
        except aio.BaseError as error:
            # The client left, or the RPC has ended: the library's own cancellation of the handler may be a moment
            # away, and this is the same news.
            raise asyncio.CancelledError from error


class _One:
    """The one request of a server-streaming RPC, as a stream of requests."""

    __slots__ = ("_request",)

    def __init__(self, request: bytes) -> None:
        self._request: bytes | None = request

    def __aiter__(self) -> _One:
        return self

    async def __anext__(self) -> bytes:
        request, self._request = self._request, None
        if request is None:
            raise StopAsyncIteration
        return request


def _request_context(method: str, context: Context) -> RequestContext:
    return RequestContext(
        method=method,
        metadata=tuple(context.invocation_metadata() or ()),
        # ipv6:%5B::1%5D:50051
        peer=unquote(context.peer()).partition(":")[2],
        timeout=context.time_remaining(),
    )
