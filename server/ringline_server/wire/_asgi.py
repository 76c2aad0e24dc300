"""gRPC over ASGI: each HTTP request becomes an RPC, and ends with a grpc-status whatever happens.

What pyvoy does, and this builds on: ``send`` acts when it is called, and what it returns is only flow control, for the
last body and the trailers nothing at all. ``receive`` after the request's end says at once whether the client is still
there, and is never told by itself that it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog

from ringline_server.api.identity import CREDENTIALS
from ringline_server.api.port import READY, Code, RequestContext, RpcError, Rpcs, Stream, Unary
from ringline_server.groups import Groups
from ringline_server.wire._grpc_http import (
    CONTENT_TYPE,
    OK_TRAILERS,
    RequestHead,
    Unframer,
    error_trailers,
    frame_prefix,
    read_head,
)
from ringline_server.wire._json import JsonCodec, json_codec

Event = dict[str, Any]
Owner = tuple[object, ...]
"""A connection, which is the client's address, and the credentials of a user on it."""
Receive = Callable[[], Awaitable[Event]]
AsgiSend = Callable[[Event], Awaitable[None]]
Application = Callable[[Event, Receive, AsgiSend], Awaitable[None]]

MAX_UNSENT = 16
"""Messages of one stream that wait for Envoy's flow control; the next one waits in ``send``."""

LARGE = 16 * 1024
"""Bytes from which on it takes longer to copy a message than to send its prefix by itself."""

SWEEP_PAUSE = 0.1
"""Seconds between two looks for clients that left, beside what ``SWEEP_RATE`` asks for."""

SWEEP_RATE = 2000
"""RPCs looked at in a second at most: with ten thousand open streams each is looked at every 5 s."""

MAX_LOOKED_AROUND = 128
"""Streams of one user on one connection that are looked at when one more begins there."""

_START: Event = {"type": "http.response.start", "status": 200, "headers": (CONTENT_TYPE,), "trailers": True}
_LAST_BODY: Event = {"type": "http.response.body", "body": b"", "more_body": False}
_OK: Event = {"type": "http.response.trailers", "headers": OK_TRAILERS}

_log = structlog.get_logger(__name__)


class Front:
    """All requests of one server, and the RPCs that answer them."""

    def __init__(self) -> None:
        self._rpcs: Rpcs | None = None
        self._open: set[_Request] = set()
        self._streams: Groups[Owner, _Request] = Groups()
        """The streams by connection and user."""
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._some_open = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None

    def serve(self, rpcs: Rpcs) -> None:
        """Answer with these RPCs from now on."""
        self._rpcs = rpcs
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep for clients that left")

    async def finish(self, grace: float) -> None:
        """Refuse what comes from now on, let RPCs end within so many seconds, cancel the rest."""
        self._rpcs = None
        try:
            async with asyncio.timeout(grace):
                await self._none_open.wait()
        except TimeoutError:
            for request in self._open:
                request.cancel()
            await self._none_open.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def handle(self, scope: Event, receive: Receive, send: AsgiSend) -> Coroutine[Any, Any, None]:
        """Answer one request, in a task of its own."""
        return _Request(self, scope, receive, send).answer(self._rpcs)

    def begin(self, request: _Request) -> None:
        """Take note of a request."""
        if not self._open:
            self._none_open.clear()
            self._some_open.set()
        self._open.add(request)

    def end(self, request: _Request) -> None:
        """Forget a request."""
        self._open.discard(request)
        if not self._open:
            self._none_open.set()
            self._some_open.clear()

    async def begin_stream(self, request: _Request) -> None:
        """Take a stream in, once those of its owner are gone that were cancelled before.

        Otherwise they would still count, against the new one, for as long as it takes to notice.
        """
        before = self._streams.of(request.owner)
        self._streams.add(request.owner, request)
        if 0 < len(before) <= MAX_LOOKED_AROUND:
            await asyncio.gather(*[other.look() for other in before if other.is_read])
            if left := [other.task for other in before if other.is_gone]:
                await asyncio.wait(left, timeout=1)

    def end_stream(self, request: _Request) -> None:
        """Forget a stream."""
        self._streams.discard(request.owner, request)

    async def _sweep(self) -> None:
        """Cancel the RPCs whose clients have left."""
        while True:
            await self._some_open.wait()
            await asyncio.sleep(SWEEP_PAUSE + len(self._open) / SWEEP_RATE)
            # All are asked at once, and without a task for each.
            for request, heard in [(request, request.ask()) for request in self._open if request.is_read]:
                request.hear(await heard)


class _Request:
    """One HTTP request, which is one RPC."""

    __slots__ = (
        *("_codec", "_content_type", "_front", "_is_ended", "_is_started", "_method", "_receive", "_room"),
        *("_scope", "_send", "_unsent", "client", "is_gone", "is_read", "owner", "task"),
    )

    def __init__(self, front: Front, scope: Event, receive: Receive, send: AsgiSend) -> None:
        self._front = front
        self._scope = scope
        self._method: str = scope["path"]
        self._receive = receive
        self._send = send
        self.client: tuple[str, int] = scope["client"]
        self.task: asyncio.Task[Any]
        self.owner: Owner = ()
        self._codec: JsonCodec | None = None
        self._content_type = CONTENT_TYPE
        self.is_read = False
        """Whether the request has been read to its end: then ``receive`` is free to ask whether the client is there."""
        self._is_started = False
        self._is_ended = False
        self.is_gone = False
        self._unsent = 0
        self._room: asyncio.Future[None] | None = None

    def cancel(self) -> None:
        """Cancel the RPC."""
        self.task.cancel()

    def ask(self) -> Awaitable[Event]:
        """Ask whether the client is still there; what comes is for ``hear``."""
        return self._receive()

    def hear(self, event: Event) -> None:
        """Cancel the RPC if its client has left."""
        if event["type"] == "http.disconnect":
            self._leave()

    async def look(self) -> None:
        """Ask, and hear."""
        self.hear(await self.ask())

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.cancel()

    async def answer(self, rpcs: Rpcs | None) -> None:
        """Find the RPC, run it, and end the response."""
        self.task = asyncio.current_task()  # type: ignore[assignment] # there is always one here
        self._front.begin(self)
        try:
            if (running := self._run(rpcs)) is not None:
                await running
        except RpcError as error:
            self._end(error)
        except asyncio.CancelledError:
            # The task ends here either way; nobody but the library waits for it.
            self._end(RpcError(Code.UNAVAILABLE, "The server is stopping. Try again.", b""))
        except BaseException:  # noqa: BLE001 -- out of here it would be OK for the client, or the end of the loop
            _log.exception("rpc_failed", method=self._method)
            self._end(_failed())
        finally:
            self._front.end(self)

    def _read_head(self) -> RequestHead | None:
        """Return the head of what is a gRPC request; tell others what to do, and return None."""
        head = read_head(self._scope["headers"])
        if not head.content_type.startswith(b"application/grpc") or self._scope["method"] != "POST":
            self._refuse(415, _NOT_GRPC)
        elif not head.takes_trailers and self._scope["http_version"] in ("1.0", "1.1"):
            self._refuse(505, "gRPC needs HTTP/2, and this is HTTP/1.1: a proxy on the way may have to be told.")
        elif not head.takes_trailers:
            raise RpcError(Code.INTERNAL, "gRPC needs the header te: trailers; a proxy on the way may drop it.", b"")
        else:
            return head
        return None

    def _set_codec(self, content_type: bytes) -> None:
        """Take messages as they are, or as JSON. Raises RpcError for anything else."""
        kind = content_type.partition(b";")[0].rstrip()
        if kind == b"application/grpc+json":
            self._codec = json_codec(self._method)
            self._content_type = (b"content-type", kind)
        elif kind not in (b"application/grpc", b"application/grpc+proto"):
            raise RpcError(Code.INTERNAL, "Messages are protobuf or JSON: application/grpc, or +proto, or +json.", b"")

    def _run(self, rpcs: Rpcs | None) -> Coroutine[Any, Any, None] | None:
        """Return what runs the RPC; None if the client has been told that it asked for none."""
        if (head := self._read_head()) is None:
            return None
        if rpcs is None:
            raise RpcError(Code.UNAVAILABLE, "The server is starting or stopping. Try again.", b"")
        method = self._method
        host, port = self.client
        peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        context = RequestContext(method, head.metadata, peer, head.timeout)
        if head.content_type != b"application/grpc":
            self._set_codec(head.content_type)
        if (unary := rpcs.unary.get(method)) is not None:
            return self._run_unary(unary, context, head.encoding)
        if (stream := rpcs.server_stream.get(method)) is not None:
            return self._run_stream(stream, context, head.encoding, is_bidi=False)
        if (stream := rpcs.bidi_stream.get(method)) is not None:
            return self._run_stream(stream, context, head.encoding, is_bidi=True)
        raise RpcError(Code.UNIMPLEMENTED, f"There is no method {method}.", b"")

    async def _run_unary(self, rpc: Unary, context: RequestContext, encoding: bytes) -> None:
        answer = await rpc(context, await self._read_one(encoding))
        if self._codec is not None:
            answer = self._codec.encode(answer)
        self._begin()
        self._is_ended = True
        self._tell({"type": "http.response.body", "body": self._begin_message(answer), "more_body": False})
        self._tell(_OK)

    async def _run_stream(self, rpc: Stream, context: RequestContext, encoding: bytes, *, is_bidi: bool) -> None:
        requests = self._read_all(encoding) if is_bidi else _One(await self._read_one(encoding))
        self.owner = (*self.client, *[value for key, value in context.metadata if key in CREDENTIALS])
        # A stream lasts; what came with its request need not.
        self._scope.clear()
        running = self._tell_stream(rpc, context, requests)
        try:
            await (running if context.timeout is None else _within(context.timeout, running))
        finally:
            self._front.end_stream(self)
        self._end()

    async def _tell_stream(self, rpc: Stream, context: RequestContext, requests: AsyncIterator[bytes]) -> None:
        await self._front.begin_stream(self)
        await rpc(context, requests, self._send_message)

    # The request.

    async def _read_one(self, encoding: bytes) -> bytes:
        unframer = Unframer(encoding)
        messages: list[bytes] = []
        while not self.is_read:
            messages += unframer.feed(await self._read())
            if len(messages) > 1:
                break
        if len(messages) != 1 or not unframer.is_empty:
            raise RpcError(Code.UNIMPLEMENTED, "This method takes exactly one message.", b"")
        return messages[0] if self._codec is None else self._codec.decode(messages[0])

    async def _read_all(self, encoding: bytes) -> AsyncIterator[bytes]:
        unframer = Unframer(encoding)
        while not self.is_read:
            for message in unframer.feed(await self._read()):
                yield message if self._codec is None else self._codec.decode(message)
        if not unframer.is_empty:
            raise RpcError(Code.INTERNAL, "The last message is cut off.", b"")

    async def _read(self) -> bytes:
        event = await self._receive()
        if event["type"] == "http.disconnect":
            self.is_gone = True
            raise asyncio.CancelledError
        self.is_read = not event.get("more_body", False)
        body: bytes = event.get("body", b"")
        return body

    # The response.

    def _send_message(self, message: bytes) -> Awaitable[None]:
        """Send a stream's message; wait only if many are on their way.

        Nothing waits on what the library returns: a waiter of its future that is cancelled would take the future with
        it, which the library does not expect.
        """
        if self._is_ended or self.is_gone:
            return _cancelled()
        if self._codec is not None:
            message = self._codec.encode(message)
        self._begin()
        sent = self._send({"type": "http.response.body", "body": self._begin_message(message), "more_body": True})
        if not isinstance(sent, asyncio.Future):
            return READY
        self._unsent += 1
        sent.add_done_callback(self._taken)
        if self._unsent < MAX_UNSENT:
            return READY
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def _begin_message(self, message: bytes) -> bytes:
        """Return what is to be sent of a message: with its prefix, or if it is large, without.

        Then the prefix is on its way when this returns, so that the message is not copied once more.
        """
        prefix = frame_prefix(len(message))
        if len(message) < LARGE:
            return prefix + message
        self._tell({"type": "http.response.body", "body": prefix, "more_body": True})
        return message

    def _taken(self, sent: asyncio.Future[None]) -> None:
        self._unsent -= 1
        if not sent.cancelled() and sent.exception() is not None and not self._is_ended:
            self._leave()
        if self._room is not None and not self._room.done() and self._unsent < MAX_UNSENT:
            self._room.set_result(None)

    def _begin(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._tell(_START if self._codec is None else _START | {"headers": (self._content_type,)})

    def _end(self, error: RpcError | None = None) -> None:
        """End the response with its status, alone if nothing was sent before it."""
        if self._is_ended or self.is_gone:
            return
        self._is_ended = True
        trailers = OK_TRAILERS if error is None else error_trailers(error)
        if not self._is_started and error is not None:
            self._tell({"type": "http.response.start", "status": 200, "headers": [self._content_type, *trailers]})
            self._tell(_LAST_BODY)
            return
        self._begin()
        self._tell(_LAST_BODY)
        self._tell({"type": "http.response.trailers", "headers": trailers})

    def _refuse(self, status: int, text: str) -> None:
        self._is_ended = True
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        self._tell({"type": "http.response.start", "status": status, "headers": headers})
        self._tell({"type": "http.response.body", "body": text.encode() + b"\n", "more_body": False})

    def _tell(self, event: Event) -> None:
        """Send what needs no waiting for. If the client has left, nobody is told."""
        sent = self._send(event)
        if isinstance(sent, asyncio.Future):
            sent.add_done_callback(_forget)


_NOT_GRPC = (
    "This is a gRPC server. Call it with gRPC, gRPC-Web or Connect; with curl it is Connect: POST JSON as "
    "application/json with the header connect-protocol-version: 1."
)


async def _within(seconds: float, running: Coroutine[Any, Any, None]) -> None:
    """Run a stream that has a deadline. Most have none, and a timeout without one takes its time all the same."""
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            await running
    except TimeoutError:
        if not timeout.expired():
            raise
        raise RpcError(Code.DEADLINE_EXCEEDED, "The deadline that the client named is over.", b"") from None


def _failed() -> RpcError:
    return RpcError(Code.INTERNAL, "The server failed to handle this RPC; its log says why.", b"")


def _forget(sent: asyncio.Future[None]) -> None:
    if not sent.cancelled():
        sent.exception()


def _cancelled() -> Awaitable[None]:
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.cancel()
    return gone


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
