"""grpc.health.v1, for load balancers and orchestrators: whether this server takes work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, TypeAlias

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from ringline_server.api.errors import invalid_fields
from ringline_server.api.port import Code, RequestContext, RpcError, Send, Stream, Unary
from ringline_server.api.validate import parse

SERVICE = "grpc.health.v1.Health"

# To mypy the library's messages are Any: the stubs do not have them.
_Message: TypeAlias = Any


class HealthState:
    """Whether the server takes work. It does not until it is told that it does."""

    def __init__(self) -> None:
        self._serving = False
        self._stopped = False
        self._changed = asyncio.Event()

    def set_serving(self, serving: bool) -> None:  # noqa: FBT001 -- it is the value itself
        """Say so, to everybody who watches too. On a planned stop False comes first."""
        if serving != self._serving:
            self._serving = serving
            self._tell()

    def stop(self) -> None:
        """Say for good that the server takes no work, and end the watches, which would keep a stop waiting."""
        self._serving, self._stopped = False, True
        self._tell()

    @property
    def serving(self) -> bool:
        return self._serving

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def changed(self) -> asyncio.Event:
        """What is set at the next change; each change has its own."""
        return self._changed

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Health:
    """The health RPCs. The server is healthy as a whole, so that all its services are what it is."""

    def __init__(self, state: HealthState, services: Collection[str]) -> None:
        self._state = state
        self._services = {"", *services}

    @property
    def unary(self) -> Mapping[str, Unary]:
        """The unary RPCs by name."""
        return {"Check": self._check, "List": self._list}

    @property
    def server_stream(self) -> Mapping[str, Stream]:
        """The streaming RPCs by name."""
        return {"Watch": self._watch}

    async def _check(self, _context: RequestContext, data: bytes) -> bytes:
        name = parse(health_pb2.HealthCheckRequest, data).service
        if name not in self._services:
            # As every server answers this; it is not of our API, and so has none of its details.
            raise RpcError(Code.NOT_FOUND, "This server has no service of that name. Ask for the empty one.", b"")
        return _bytes(self._response(name))

    async def _list(self, _context: RequestContext, data: bytes) -> bytes:
        parse(health_pb2.HealthListRequest, data)
        statuses = {name: self._response(name) for name in self._services}
        return _bytes(health_pb2.HealthListResponse(statuses=statuses))

    async def _watch(self, _context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        data = await anext(requests, None)
        if data is None:
            raise invalid_fields([("request", "must be one message")])
        name = parse(health_pb2.HealthCheckRequest, data).service
        told: int | None = None
        while True:
            changed = self._state.changed
            response = self._response(name)
            if response.status != told:
                told = response.status
                await send(_bytes(response))
            if self._state.stopped:
                return
            await changed.wait()

    def _response(self, name: str) -> _Message:
        return health_pb2.HealthCheckResponse(status=self._status(name))

    def _status(self, name: str) -> int:
        statuses = health_pb2.HealthCheckResponse
        if name not in self._services:
            return int(statuses.SERVICE_UNKNOWN)
        return int(statuses.SERVING if self._state.serving else statuses.NOT_SERVING)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
