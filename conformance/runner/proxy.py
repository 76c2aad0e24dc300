"""A TCP proxy between one client and the server: it can cut, stall, and lose an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

_CHUNK = 1 << 16

_LOSE_AFTER = 0.5
"""Seconds from the first byte of the lost answer to the cut: the server has decided and answered by then."""


class Proxy:
    """Listens on a port of its own. What it does to connections it does to those that are open then."""

    def __init__(self, server_port: Callable[[], int | None]) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._listener is not None:
            self._listener.close()
        self.cut()
        for _ in range(50):
            if not self._open:
                break
            await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Reset the connections, both ways."""
        for connection in list(self._open):
            connection.cut()

    def stall(self) -> None:
        """Let nothing through, either way, without closing anything."""
        for connection in self._open:
            connection.flowing.clear()

    def let_through(self) -> None:
        """Undo `stall`."""
        for connection in self._open:
            connection.flowing.set()

    def lose_next_answer(self) -> None:
        """Let the next request through, swallow what the server says to it, then cut."""
        for connection in self._open:
            connection.swallowing = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._server_port()
        if port is None:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((reader, writer), (server_reader, server_writer))
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """Two sockets and what goes between them."""

    def __init__(self, client: _End, server: _End) -> None:
        self._client = client
        self._server = server
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.swallowing = False
        self._losing: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Carry until one end closes."""
        ways = [
            asyncio.create_task(self._carry(self._client[0], self._server[1], from_server=False)),
            asyncio.create_task(self._carry(self._server[0], self._client[1], from_server=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (self._client, self._server):
                writer.close()

    def cut(self) -> None:
        """Reset both ends."""
        self.flowing.set()
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self.flowing.wait()
                if from_server and self.swallowing:
                    if self._losing is None:
                        self._losing = asyncio.get_running_loop().call_later(_LOSE_AFTER, self.cut)
                    continue
                writer.write(data)
                await writer.drain()
