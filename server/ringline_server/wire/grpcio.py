"""The default wire: grpc.aio, which needs nothing but pip."""

from __future__ import annotations

from grpc import aio

from ringline_server.api.port import MAX_REQUEST_BYTES, Rpcs
from ringline_server.wire._handlers import Handlers
from ringline_server.wire._lasting import LastingServer

_SECOND = 1000

OPTIONS: tuple[tuple[str, int], ...] = (
    # Above it the core refuses (RESOURCE_EXHAUSTED), also where a message grows only when it is decompressed.
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    # What we send is bounded above the wire.
    ("grpc.max_send_message_length", -1),
    # By default a second server would bind the same port, silently, and get half of the connections.
    ("grpc.so_reuseport", 0),
    # Calls waiting to be accepted: above the first number the core drops some at random, above the second all, with
    # CANCELLED. All are to be accepted, and those that are too many refused in words. Streams a connection bound them.
    ("grpc.server.max_pending_requests", 200_000),
    ("grpc.server.max_pending_requests_hard_limit", 400_000),
    # Seconds after which the core drops those that still wait, with CANCELLED too. By default 30.
    ("grpc.server_max_unrequested_time_in_server", 120),
    # Streams a connection. A client that wants more waits or opens another one. It bounds what one connection can
    # hold here, read or unread.
    ("grpc.max_concurrent_streams", 1000),
    # A connection whose other end is gone without a word is noticed after 50 s.
    ("grpc.keepalive_time_ms", 30 * _SECOND),
    ("grpc.keepalive_timeout_ms", 20 * _SECOND),
    ("grpc.keepalive_permit_without_calls", 1),
    # How often clients may ping; those who do it more often are sent away ("too many pings"). Go's clients cannot go
    # below 10 s. The similar key that begins with min_recv is not one.
    ("grpc.http2.min_ping_interval_without_data_ms", 5 * _SECOND),
    # Of metadata, as long as a token with many teams may be.
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 32 * 1024),
)


class GrpcioWire:
    """Carries the RPCs over HTTP/2 without TLS, on one address."""

    def __init__(self, rpcs: Rpcs, host: str, port: int) -> None:
        handlers = Handlers(rpcs)

        def build() -> aio.Server:
            return aio.server(handlers=(handlers,), options=OPTIONS)

        self._server = LastingServer(build, host, port)

    async def start(self) -> int:
        """Serve, and return the port: the one asked for, or for 0 a free one. Raises ListenError.

        A host with several addresses, such as ``localhost``, is served on all of them.
        """
        return await self._server.start()

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let RPCs end within so many seconds, cancel the rest. May be called once started."""
        await self._server.stop(grace)
