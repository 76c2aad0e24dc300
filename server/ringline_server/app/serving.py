"""The server as a process: from its start to the signal that stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from ringline_server.app.command_log import SetUpLater, command_log, is_for_people
from ringline_server.app.errors import StartError
from ringline_server.app.scheduling import work_in_batches
from ringline_server.config import Settings
from ringline_server.wire.envoy import EnvoyOptions, EnvoyProcess, StartFailedError, WireMissingError
from ringline_server.wire.port import ListenError

_BROKEN = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Serving(Protocol):
    """A server that serves."""

    @property
    def port(self) -> int:
        """Where."""


Announce = Callable[[Any], None]
"""Called once RPCs are served, with a ``Serving``; on the grpcio wire it is the ``RunningServer`` itself."""


def serve(settings: Settings, announce: Announce) -> int:
    """Serve until SIGTERM or SIGINT, and return the exit status. Raises StartError.

    A second signal ends the process at once, and so does a store that can no longer promise durability: then every
    answer might be a lie.
    """
    work_in_batches()
    if settings.wire == "envoy":
        asyncio.run(_serve_in_envoy(settings, announce))
    else:
        import uvloop  # noqa: PLC0415 -- for the reason below

        uvloop.run(_serve_here(settings, announce))
    command_log(settings).info("stopped")
    return 0


async def _serve_here(settings: Settings, announce: Announce) -> None:
    command_log(settings)  # Sets it up for all that is in this process.
    told_to_stop = _on_signals(settings)
    # The command that starts Envoy does without these, and a start is waited for.
    from ringline_server.app.garbage import collect_seldom  # noqa: PLC0415
    from ringline_server.app.running import log_serving, running_server  # noqa: PLC0415

    async with running_server(settings) as server:
        collect_seldom()
        announce(server)
        log_serving(settings, server.port)
        await _first(told_to_stop.wait(), server.engine.broken.wait())
        if server.engine.broken.is_set():
            _break(settings, "the process ends now; start it again and look at the disk")


@dataclass(frozen=True, slots=True)
class _InEnvoy:
    port: int


async def _serve_in_envoy(settings: Settings, announce: Announce) -> None:
    """Serve in a process of Envoy's. If it ends by itself, so does this one: whoever supervises it starts both."""
    logging.basicConfig(handlers=[SetUpLater(settings)])
    told_to_stop = _on_signals(settings)
    envoy = EnvoyProcess(
        "ringline_server.app.inside:asgi",
        settings,
        *settings.listen,
        EnvoyOptions(settings.cors_origins, settings.tls_certificate, settings.tls_key),
        json_log=not is_for_people(settings.log_format, sys.stderr),
    )
    try:
        port = await envoy.start()
    except ListenError as error:
        raise StartError(f"{error}. Choose another address with --listen; port 0 takes any free one") from error
    except (StartFailedError, WireMissingError) as error:
        raise StartError(str(error)) from error
    announce(_InEnvoy(port))
    await _first(told_to_stop.wait(), envoy.wait())
    if not await envoy.stop(settings.drain_grace):
        _break(settings, "Envoy has ended, and this process does too; start it again")


def _break(settings: Settings, consequence: str) -> NoReturn:
    command_log(settings).critical("broken", consequence=consequence)
    os._exit(_BROKEN)


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return once one of them has come."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _on_signals(settings: Settings) -> asyncio.Event:
    """Return what the first signal sets."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take(received: signal.Signals) -> None:
        log = command_log(settings)
        if told.is_set():
            log.warning("stopped_at_once", signal=received.name)
            os._exit(128 + received)
        told.set()
        log.info("stopping", signal=received.name)

    for one in _SIGNALS:
        loop.add_signal_handler(one, take, one)
    return told
