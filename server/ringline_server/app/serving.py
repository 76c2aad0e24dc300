"""The server as a process: from its start to the signal that stops it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable

import structlog

from ringline_server.app.running import RunningServer, running_server
from ringline_server.config import Settings

_BROKEN = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, announce: Callable[[RunningServer], None]) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status. Raises StartError.

    ``announce`` is called once RPCs are served. A second signal ends the process at once, and so does a store that
    can no longer promise durability: then every answer might be a lie.
    """
    told_to_stop = _on_signals()
    async with running_server(settings) as server:
        _collect_seldom()
        announce(server)
        listen = str(settings.listen._replace(port=server.port))
        _log.info("serving", listen=listen, database=str(settings.database.resolve()), identity="development")
        if not await _stop_or_break(told_to_stop, server):
            _log.critical("broken", consequence="the process ends now; start it again and look at the disk")
            os._exit(_BROKEN)
    _log.info("stopped")
    return 0


def _collect_seldom() -> None:
    """Look for garbage seldom, and never among what lives as long as the process.

    Calls hold no cycles and thousands of them are kept: Python's defaults look through these over and over.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _on_signals() -> asyncio.Event:
    """Return what the first signal sets."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take(received: signal.Signals) -> None:
        if told.is_set():
            os._exit(128 + received)
        _log.info("stopping", signal=received.name)
        told.set()

    for one in _SIGNALS:
        loop.add_signal_handler(one, take, one)
    return told


async def _stop_or_break(told_to_stop: asyncio.Event, server: RunningServer) -> bool:
    """Wait for the first of both; return whether it is the stop."""
    stop = asyncio.create_task(told_to_stop.wait(), name="stop")
    broken = asyncio.create_task(server.engine.broken.wait(), name="broken")
    await asyncio.wait((stop, broken), return_when=asyncio.FIRST_COMPLETED)
    for task in (stop, broken):
        task.cancel()
    return not server.engine.broken.is_set()
