"""The RPCs on a real engine and a real file, called as a wire calls them.

ann = desk.caller("ann", "phone")
answer = await ann.call(pb.GetOrCreateCallRequest(type="default", id="standup"))
error = await ann.refused(pb.JoinCallRequest(type="default", id="none"))
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ringline.v1 import call_service_pb2 as pb
from ringline_server.api.call_types import BUILT_IN
from ringline_server.api.encode import CallEncoder
from ringline_server.api.health import HealthState
from ringline_server.api.identity import DevelopmentIdentity
from ringline_server.api.port import Metadata, RequestContext, RpcError, Rpcs, Send
from ringline_server.api.requests import watch_request
from ringline_server.api.rpcs import build_rpcs
from ringline_server.engine.engine import Engine
from ringline_server.store.port import Step
from ringline_server.store.sqlite import SqliteStore
from tests.clock import FakeClock

SERVICE = "/ringline.v1.CallService/"


class Nobody:
    """Nobody watches."""

    online: dict[str, int] = {}  # noqa: RUF012 -- nobody ever changes it

    def is_online(self, user_id: str, device_id: str) -> bool:
        return False

    def publish(self, steps: Sequence[Step]) -> None:
        pass


@dataclass(frozen=True)
class Error:
    """An error as a client reads it."""

    code: str
    reason: str
    message: str
    metadata: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    retry: float | None = None


def explain(error: RpcError) -> Error:
    """Return what an error says, having checked that it is made as X4 promises."""
    status = status_pb2.Status.FromString(error.details)
    assert (status.code, status.message) == (error.code, error.message)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    unpacked = [[detail.Unpack(one) for one in (info, bad, retry)] for detail in status.details]
    infos, bads, retries = (sum(column) for column in zip(*unpacked, strict=True))
    assert (infos, info.domain) == (1, "ringline")
    assert bads <= 1
    assert retries <= 1
    return Error(
        error.code.name,
        info.reason,
        error.message,
        dict(info.metadata),
        {one.field: one.description for one in bad.field_violations},
        retry.retry_delay.ToTimedelta().total_seconds() if retries else None,
    )


def context(method: str, metadata: Metadata = (), timeout: float | None = None) -> RequestContext:
    return RequestContext(method, metadata, "127.0.0.1:1", timeout)


class Caller:
    """Somebody who calls RPCs."""

    def __init__(self, rpcs: Rpcs, metadata: Metadata) -> None:
        self._rpcs = rpcs
        self._metadata = metadata

    async def raw(self, name: str, data: bytes) -> bytes:
        """Call an RPC of the service with any bytes."""
        path = SERVICE + name
        if path in self._rpcs.unary:
            return await self._rpcs.unary[path](context(path, self._metadata), data)
        await self._rpcs.server_stream[path](context(path, self._metadata), requests(data), _drop)
        return b""

    async def call(self, request: Message) -> Any:  # noqa: ANN401 -- the response of whatever the request is
        """Call the RPC that the request belongs to."""
        name = type(request).__name__.removesuffix("Request")
        response = getattr(pb, f"{name}Response")
        return response.FromString(await self.raw(name, request.SerializeToString()))

    async def refused(self, request: Message) -> Error:
        return await self.refused_raw(type(request).__name__.removesuffix("Request"), request.SerializeToString())

    async def refused_raw(self, name: str, data: bytes) -> Error:
        try:
            answer = await self.raw(name, data)
        except RpcError as error:
            return explain(error)
        raise AssertionError(f"{name} was not refused: {answer!r}")


async def requests(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one


async def _drop(message: bytes) -> None:
    pass


async def _watch(request_context: RequestContext, data: AsyncIterator[bytes], send: Send) -> None:
    """Stand in for WatchCalls, which is tested elsewhere: check the request as it does."""
    actor = DevelopmentIdentity().identify(request_context)
    watch_request(await anext(data), actor, BUILT_IN)


class Desk:
    """The RPCs, and what they stand on."""

    def __init__(self, path: Path, *, default_timeout: float = 10.0) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(path)
        uids = count(1)
        self.engine = Engine(self.store, Nobody(), Nobody(), self.clock, BUILT_IN, lambda: f"uid{next(uids):08}")
        self.encoder = CallEncoder(BUILT_IN)
        self.health = HealthState()
        self.rpcs = build_rpcs(
            engine=self.engine,
            store=self.store,
            encoder=self.encoder,
            identity=DevelopmentIdentity(),
            call_types=BUILT_IN,
            health=self.health,
            watch=_watch,
            default_timeout=default_timeout,
        )

    def caller(self, user: str = "", device: str = "", *, role: str = "", teams: str = "") -> Caller:
        metadata: list[tuple[str, str | bytes]] = []
        if user:
            metadata.append(("x-user-id-bin", user.encode()))
        if device:
            metadata.append(("x-device-id", device))
        if role:
            metadata.append(("x-role", role))
        if teams:
            metadata.append(("x-teams", teams))
        return Caller(self.rpcs, metadata)

    def with_metadata(self, *metadata: tuple[str, str | bytes]) -> Caller:
        return Caller(self.rpcs, metadata)


@asynccontextmanager
async def open_desk(path: Path, *, default_timeout: float = 10.0) -> AsyncIterator[Desk]:
    desk = Desk(path, default_timeout=default_timeout)
    await desk.store.open()
    await desk.engine.start()
    try:
        yield desk
    finally:
        await desk.engine.stop()
        await desk.store.close()
        await asyncio.sleep(0)
