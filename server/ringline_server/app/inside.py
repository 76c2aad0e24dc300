"""The server in Envoy's process, which loads ``asgi`` from here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ringline_server.app.errors import StartError
from ringline_server.app.garbage import collect_seldom
from ringline_server.app.log import configure_logging
from ringline_server.app.running import RunningServer, log_serving, running_server
from ringline_server.clock import Clock
from ringline_server.config import Settings
from ringline_server.wire.envoy_inside import Inside, application

Json = dict[str, Any]
Answer = Callable[[RunningServer, Json], Awaitable[Json]]

_BROKEN = 1

_log = structlog.get_logger(__name__)


async def main(inside: Inside) -> None:
    """Serve until told to stop."""
    assert isinstance(inside.first, Settings)  # noqa: S101 -- it is what ``serve`` hands in
    configure_logging(inside.first.log_level, inside.first.log_format)
    await serve_inside(inside, inside.first)


async def serve_inside(
    inside: Inside, settings: Settings, *, clock: Clock | None = None, answer: Answer | None = None
) -> None:
    """Serve until the command says stop, and answer what else it asks.

    The process ends at once where the store can no longer promise durability.
    """
    try:
        async with running_server(settings, clock=clock, build_wire=inside.wire) as server:
            collect_seldom()
            inside.link.say(serving=server.port)
            log_serving(settings, server.port)
            told = asyncio.create_task(_until_told(inside, server, answer), name="told to stop")
            broken = asyncio.create_task(server.engine.broken.wait(), name="broken")
            await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
            broken.cancel()
            if server.engine.broken.is_set():
                _log.critical("broken", consequence="the process ends now; start it again and look at the disk")
                os._exit(_BROKEN)
            await told
    except StartError as error:
        inside.link.say(failed=str(error))
    else:
        inside.link.say(stopped=True)


async def _until_told(inside: Inside, server: RunningServer, answer: Answer | None) -> None:
    while (heard := await inside.hear())["op"] != "stop":
        if answer is not None:
            inside.link.say(id=heard["id"], **await answer(server, heard))


asgi = application(main)
