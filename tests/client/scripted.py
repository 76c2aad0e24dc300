"""A server that answers what a test tells it to, and keeps what it was asked; and a clock for the client.

server.outcomes.append(Refusal(grpc.StatusCode.UNAVAILABLE))
await client.call("default", "standup").get()
assert len(server.requests) == 2
"""

# ruff: noqa: ANN401 -- the stubs know no types for what a handler is given

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import aio

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.clock import FakeClock

PATIENCE = 20.0

SERVICE = pb.DESCRIPTOR.services_by_name["CallService"]


class ClientClock(FakeClock):
    """A client's clock, which stands still; it keeps how long the client wanted to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now() / 1_000_000

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        await super().sleep(seconds)

    async def run(self) -> None:
        """Let time go by as fast as somebody sleeps, until cancelled."""
        while True:
            await asyncio.sleep(0.001)
            if self.sleepers:
                await self.advance(0.05)


@dataclass(frozen=True)
class Refusal:
    """An error to answer with."""

    code: grpc.StatusCode
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    retry_after: float | None = None
    details: bytes | None = None
    """Raw details instead of the ones above."""

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        status = status_pb2.Status(code=self.code.value[0], message="no")
        found: list[Message] = []
        if self.reason:
            found.append(error_details_pb2.ErrorInfo(reason=self.reason, domain="ringline", metadata=self.metadata))
        if self.fields:
            violations = [error_details_pb2.BadRequest.FieldViolation(field=name) for name in self.fields]
            found.append(error_details_pb2.BadRequest(field_violations=violations))
        if self.retry_after is not None:
            delay = Duration()
            delay.FromTimedelta(dt.timedelta(seconds=self.retry_after))
            found.append(error_details_pb2.RetryInfo(retry_delay=delay))
        for one in found:
            packed = AnyMessage()
            packed.Pack(one)
            status.details.append(packed)
        raw = status.SerializeToString() if self.details is None else self.details
        return (("grpc-status-details-bin", raw),)


SILENCE = object()
"""An answer that never comes."""


class Stream:
    """One WatchCalls that a client opened."""

    def __init__(self, request: pb.WatchCallsRequest, context: Any) -> None:
        self.request = request
        self.metadata = dict(context.invocation_metadata())
        self.peer = context.peer()
        self.ended = False
        self._script: asyncio.Queue[pb.WatchCallsResponse | Refusal | None] = asyncio.Queue()

    def send(self, token: str = "", **event: Any) -> None:
        self._script.put_nowait(pb.WatchCallsResponse(resume_token=token, **event))

    def ring(self, call: calls.Call, kind: int = pb.CHANGE_KIND_ADDED, token: str = "", **more: Any) -> None:
        change = pb.CallChange(kind=kind, call=call, **more)  # type: ignore[arg-type]
        change.viewer.calling_state = calls.CALLING_STATE_RINGING
        self.send(token, change=change)

    def complete(self, token: str, *, resumed: bool = False) -> None:
        self.send(token, snapshot_complete=pb.SnapshotComplete(resumed=resumed))

    def end(self, refusal: Refusal | None = None) -> None:
        self._script.put_nowait(refusal)

    async def play(self, context: Any) -> AsyncIterator[pb.WatchCallsResponse]:
        try:
            while True:
                match await self._script.get():
                    case None:
                        return
                    case Refusal() as refusal:
                        await context.abort(refusal.code, "no", refusal.trailers())
                    case message:
                        yield message
        finally:
            self.ended = True


class ScriptedServer:
    """Answers every RPC of the contract."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, Any]] = []
        self.peers: list[str] = []
        """The connection of each request."""
        self.outcomes: deque[object] = deque()
        """What to answer next, a message, a Refusal or SILENCE; else an empty answer."""
        self.streams: list[Stream] = []
        self._server: aio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = {method.name: self._handler(method) for method in SERVICE.methods}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)])
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(0)

    async def stream(self, number: int) -> Stream:
        """Return the client's so manieth stream, once it is there."""
        await eventually(lambda: len(self.streams) >= number)
        return self.streams[number - 1]

    def _handler(self, method: Any) -> Any:
        request = GetMessageClass(method.input_type).FromString
        response = GetMessageClass(method.output_type)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._watch, request, response.SerializeToString)

        async def answer(asked: Message, context: Any) -> Message:
            self.requests.append((method.name, asked))
            self.metadata.append(dict(context.invocation_metadata()))
            self.peers.append(context.peer())
            outcome = self.outcomes.popleft() if self.outcomes else response()
            if isinstance(outcome, Refusal):
                await context.abort(outcome.code, "no", outcome.trailers())
            if outcome is SILENCE:
                await asyncio.Event().wait()
            assert isinstance(outcome, Message)
            return outcome

        return grpc.unary_unary_rpc_method_handler(answer, request, response.SerializeToString)

    async def _watch(self, asked: pb.WatchCallsRequest, context: Any) -> AsyncIterator[pb.WatchCallsResponse]:
        stream = Stream(asked, context)
        self.streams.append(stream)
        async for message in stream.play(context):
            yield message


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- it has nothing to wait on
            await asyncio.sleep(0.005)


def a_call(id: str = "standup", revision: int = 1, uid: str = "", **more: Any) -> calls.Call:
    return calls.Call(type="default", id=id, cid=f"default:{id}", uid=uid or f"uid-{id}", revision=revision, **more)
