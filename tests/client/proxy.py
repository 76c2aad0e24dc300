"""A TCP proxy that cuts and stalls the connections through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SIZE = 1 << 16


class Proxy:
    """Stands between clients and a server."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._answering = asyncio.Event()
        self._answering.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections; new ones are let through."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """Let requests through, and no answers."""
        self._answering.clear()

    def answer(self) -> None:
        self._answering.set()

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._closed = True
        await self.cut()
        # Transports let go of their sockets one turn of the loop after they are told to.
        await asyncio.sleep(0.01)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._closed:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, there, answers=False))
                directions.create_task(self._pump(back, writer, answers=True))
        except* OSError:
            pass
        finally:
            there.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await source.read(SIZE):
            if answers:
                await self._answering.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError


@asynccontextmanager
async def proxy_to(address: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(int(address.rpartition(":")[2]))
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
