"""A server in Envoy's process: what it was told, its wire, and its link to the command that started it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from ringline_server.api.port import Rpcs
from ringline_server.wire._address import ListenError
from ringline_server.wire._admin import Admin
from ringline_server.wire._asgi import Application, AsgiSend, Event, Front, Receive
from ringline_server.wire._link import INSIDE, Json, Link

_ALONE = _FAILED = 1
_POLL = 0.02
_LISTEN_TIME = 20.0
_FLUSH_TIME = 1.0

_log = structlog.get_logger(__name__)


class Inside:
    """What a server in Envoy's process has to do with the world outside."""

    def __init__(self, link: Link, first: object, admin: Admin, front: Front) -> None:
        self.link = link
        self.first = first
        """What the command had for it to read."""
        self._admin = admin
        self._front = front
        self._heard: asyncio.Queue[Json] = asyncio.Queue()
        self.ready = asyncio.Event()
        """Set when Envoy may go on: everything below the wire has started."""

    async def hear(self) -> Json:
        """Return what the command says next."""
        return await self._heard.get()

    async def listen(self) -> None:
        """Listen to the command. Once it is gone this process ends at once, as if it had been killed too."""
        while (heard := await self.link.hear()) is not None:
            self._heard.put_nowait(heard)
        os._exit(_ALONE)

    def wire(self, rpcs: Rpcs, _host: str, _port: int) -> EnvoyWire:
        """Return the wire, which is served where the command said."""
        return EnvoyWire(rpcs, self._front, self._admin, self.ready)


class EnvoyWire:
    """Carries the RPCs as Envoy hands them in."""

    def __init__(self, rpcs: Rpcs, front: Front, admin: Admin, ready: asyncio.Event) -> None:
        self._rpcs = rpcs
        self._front = front
        self._admin = admin
        self._ready = ready

    async def start(self) -> int:
        self._front.serve(self._rpcs)
        self._ready.set()
        try:
            async with asyncio.timeout(_LISTEN_TIME):
                while True:
                    try:
                        if (port := await self._admin.port()) is not None:
                            return port
                    except OSError:
                        # Not yet.
                        pass
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ListenError("Envoy does not listen; what it said about it is above") from None

    async def stop(self, grace: float) -> None:
        try:
            await self._admin.close_listener()
            await self._front.finish(grace)
            await self._flush()
        except OSError:
            # Envoy is ending by itself.
            await self._front.finish(0)

    async def _flush(self) -> None:
        """Wait until Envoy has sent what it was told to; a client that does not read is not waited for."""
        try:
            async with asyncio.timeout(_FLUSH_TIME):
                while await self._admin.open_requests():  # noqa: ASYNC110 -- in another thread of Envoy's
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            pass


def application(main: Callable[[Inside], Awaitable[None]]) -> Application:
    """Return the ASGI application of a server. ``main`` runs it from Envoy's start to its end."""
    front = Front()

    async def asgi(scope: Event, receive: Receive, send: AsgiSend) -> None:
        if scope["type"] == "lifespan":
            await _live(main, front, receive, send)
        else:
            await front.handle(scope, receive, send)

    return asgi


async def _live(main: Callable[[Inside], Awaitable[None]], front: Front, receive: Receive, send: AsgiSend) -> None:
    """Run ``main`` as long as Envoy lives. Envoy waits for ``ready`` before it listens."""
    await receive()
    told = json.loads(os.environ.pop(INSIDE))
    link = await Link.open(socket.socket(fileno=told["link"]))
    first = pickle.loads(base64.b64decode(told["first"]))  # noqa: S301 -- from the command, through our own environment
    inside = Inside(link, first, Admin(Path(told["admin"])), front)
    listening = asyncio.create_task(inside.listen())
    task = asyncio.ensure_future(main(inside))
    ready = asyncio.create_task(inside.ready.wait())
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if not inside.ready.is_set():
        # The command says why; of Envoy and pyvoy it would be a page.
        await _finish(task)
        await link.flush()
        os._exit(_FAILED)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _finish(task)
    listening.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def _finish(task: asyncio.Future[None]) -> None:
    """Let it clean up if it still runs, and say what it died of."""
    if not task.done():
        task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    except Exception:  # noqa: BLE001 -- nobody else would hear of it
        _log.exception("failed")
