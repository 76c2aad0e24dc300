"""A server of the library that goes on when the library's own loop has died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from grpc import aio

from ringline_server.wire._address import ListenError, require_free

_CHECK_INTERVAL = 0.2
_RETRY_INTERVAL = 0.02

_log = structlog.get_logger(__name__)


class LastingServer:
    """Serves on one port until stopped.

    In grpcio 1.85 (and not only there) a single request whose path is not UTF-8 ends the loop that accepts RPCs, and
    with it the server, without a word to us: connections are told to go, the port is closed, RPCs under way go on.
    Anybody could do that to us, so we look, and open the port again with a new server. Streams are not cut by it, and
    clients connect anew by themselves.
    """

    def __init__(self, build: Callable[[], aio.Server], host: str, port: int) -> None:
        self._build = build
        self._host = host
        self._port = port
        self._server: aio.Server | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._guard: asyncio.Task[None] | None = None
        self._dead: set[aio.Server] = set()

    async def start(self) -> int:
        """Serve, and return the port. Raises ListenError."""
        await require_free(self._host, self._port)
        self._server = await self._open()
        self._guard = asyncio.create_task(self._keep_open(), name="wire guard")
        return self._port

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let RPCs end within so many seconds, cancel the rest."""
        if self._guard is not None:
            self._guard.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._guard
        servers = [server for server in (self._server, *self._dead) if server is not None]
        await asyncio.gather(*(server.stop(grace) for server in servers), *self._retired)

    async def _open(self) -> aio.Server:
        server = self._build()
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            self._port = server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {host}:{self._port}: the library gives no reason") from error
        await server.start()
        return server

    async def _keep_open(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            if self._server is None or _is_serving(self._server):
                continue
            _log.error("wire_died", port=self._port, consequence="the port is opened again; streams go on")
            self._retire(self._server)
            self._server = None
            self._server = await self._reopen()
            _log.info("wire_reopened", port=self._port)

    async def _reopen(self) -> aio.Server:
        """Open the same port again, which the dead server is letting go of."""
        while True:
            try:
                await require_free(self._host, self._port)
                return await self._open()
            except ListenError:
                await asyncio.sleep(_RETRY_INTERVAL)

    def _retire(self, server: aio.Server) -> None:
        """Let a dead server finish what it has, then free it."""
        self._dead.add(server)
        task = asyncio.create_task(self._bury(server), name="wire retired")
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _bury(self, server: aio.Server) -> None:
        with contextlib.suppress(Exception):  # it raises what the server died of
            await server.wait_for_termination()
        self._dead.discard(server)
        await server.stop(None)


def _is_serving(server: aio.Server) -> bool:
    """Whether the library still accepts RPCs. It has no public way to ask: waiting for its end waits for all RPCs."""
    return bool(server._server.is_running())  # type: ignore[attr-defined]  # noqa: SLF001 -- see above
