"""A wire on a free port with RPCs that do what a test wants, and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from grpc import aio

from ringline_server.api.port import Rpcs, Stream, Unary
from ringline_server.wire.grpcio import GrpcioWire

UNARY = "/canned.Service/Unary"
SERVER_STREAM = "/canned.Service/ServerStream"
BIDI_STREAM = "/canned.Service/BidiStream"
EOF = aio.EOF  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Served:
    wire: GrpcioWire
    port: int
    channel: aio.Channel

    def unary(self, method: str = UNARY) -> aio.UnaryUnaryMultiCallable[bytes, bytes]:
        return self.channel.unary_unary(method, None, None)

    def server_stream(self) -> aio.UnaryStreamMultiCallable[bytes, bytes]:
        return self.channel.unary_stream(SERVER_STREAM, None, None)

    def bidi_stream(self) -> aio.StreamStreamCall[bytes, bytes]:
        # The stubs do not know that requests may be written later.
        return self.channel.stream_stream(BIDI_STREAM, None, None)()  # type: ignore[call-arg]


@asynccontextmanager
async def serve(
    unary: Unary | None = None, server_stream: Stream | None = None, bidi_stream: Stream | None = None
) -> AsyncIterator[Served]:
    rpcs = Rpcs(
        unary={UNARY: unary} if unary else {},
        server_stream={SERVER_STREAM: server_stream} if server_stream else {},
        bidi_stream={BIDI_STREAM: bidi_stream} if bidi_stream else {},
    )
    wire = GrpcioWire(rpcs, "127.0.0.1", 0)
    port = await wire.start()
    try:
        async with connect(port) as channel:
            yield Served(wire, port, channel)
    finally:
        await wire.stop(0)


def trailers(error: aio.AioRpcError) -> dict[str, str | bytes]:
    return dict(error.trailing_metadata())  # type: ignore[arg-type] # pairs, in another wrapping


def connect(port: int) -> aio.Channel:
    # Without a pool of its own a channel shares its connection with others of this process.
    return aio.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.use_local_subchannel_pool", 1),))
