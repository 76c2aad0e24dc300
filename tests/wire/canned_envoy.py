"""An Envoy whose RPCs do what their requests say (inside.py), and a client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from grpc import aio

from ringline_server.wire.envoy import EnvoyOptions, EnvoyProcess
from tests.envoy import need_envoy
from tests.wire.canned import connect


@dataclass(frozen=True)
class Served:
    envoy: EnvoyProcess
    port: int
    channel: aio.Channel

    def unary(self, name: str = "Unary") -> aio.UnaryUnaryMultiCallable[bytes, bytes]:
        return self.channel.unary_unary(f"/canned.Service/{name}", None, None)

    def stream(self, name: str, *, timeout: float | None = None, **asked: object) -> aio.UnaryStreamCall[bytes, bytes]:
        method = self.channel.unary_stream("/canned.Service/ServerStream", None, None)
        return method(json.dumps({"name": name, **asked}).encode(), timeout=timeout)

    def bidi(self) -> aio.StreamStreamCall[bytes, bytes]:
        # The stubs do not know that requests may be written later.
        return self.channel.stream_stream("/canned.Service/BidiStream", None, None)()  # type: ignore[call-arg]

    async def notes(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.unary("Notes")(b""))
        return found


def process(
    options: EnvoyOptions | None = None, *, host: str = "127.0.0.1", port: int = 0, grace: float = 0
) -> EnvoyProcess:
    need_envoy()
    return EnvoyProcess("tests.wire.inside:asgi", grace, host, port, options or EnvoyOptions(), json_log=True)


@asynccontextmanager
async def serve(options: EnvoyOptions | None = None, *, grace: float = 0) -> AsyncIterator[Served]:
    envoy = process(options, grace=grace)
    port = await envoy.start()
    try:
        async with connect(port) as channel:
            yield Served(envoy, port, channel)
    finally:
        await envoy.stop(grace)
