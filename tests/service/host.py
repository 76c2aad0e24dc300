"""Servers to test, on both wires: with a clock that the test moves, and in a process of its own by the command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
from grpc import aio

from ringline_server.app.running import RunningServer, running_server
from ringline_server.config import Address, Settings
from ringline_server.wire.envoy import EnvoyOptions, EnvoyProcess
from tests.clock import FakeClock
from tests.service.phone import PATIENCE, Phone, channel_to, refused

TICK, STEP = 0.01, 10.0


class Phones:
    """Connections and phones of one test, all let go at its end."""

    def __init__(self) -> None:
        self.address = ""
        self._phones: list[Phone] = []
        self._connections = contextlib.AsyncExitStack()
        self._shared: aio.Channel | None = None

    async def connect(self) -> None:
        self._shared = await self._connections.enter_async_context(channel_to(self.address))
        self._probe = self.phone(role="service")

    def phone(
        self,
        user: str = "",
        device: str = "",
        *,
        role: str = "",
        teams: Iterable[str] = (),
        own_connection: bool = False,
    ) -> Phone:
        """Return a phone, on the connection that it shares with others unless it needs one of its own."""
        assert self._shared is not None
        channel = self._shared
        if own_connection:
            channel = aio.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])
            self._connections.push_async_callback(channel.close, None)
        phone = Phone(channel, user, device, role=role, teams=teams)
        self._phones.append(phone)
        return phone

    async def hang_up(self) -> None:
        for phone in self._phones:
            await phone.hang_up()
        await self._connections.aclose()


class Clock(Protocol):
    """The server's clock, as a test moves it."""

    def now(self) -> int: ...

    async def advance(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Look:
    """What only the server itself can tell."""

    streams: int
    """How many watches it holds."""
    sending: int
    """To how many of them it is sending."""
    encodings: int
    """How often it has encoded a whole call."""


class Server(Phones):
    """A real server on a real file, whose clock the test moves. Its port stays the same over a restart."""

    clock: Clock

    def __init__(self, database: Path) -> None:
        super().__init__()
        self.database = database
        self.runs = False
        self._port = 0

    @property
    def _settings(self) -> Settings:
        return Settings(listen=Address("127.0.0.1", self._port), database=self.database, drain_grace=2.0)

    async def _start(self) -> int:
        raise NotImplementedError

    async def _stop(self) -> None:
        raise NotImplementedError

    async def look(self) -> Look:
        raise NotImplementedError

    async def start(self) -> None:
        self._port = await self._start()
        self.runs = True
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Stop as planned: streams are told."""
        self.runs = False
        await self._stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def advance(self, seconds: float, *, stopped: int = 0) -> None:
        """Let the server's clock go on, and wait until it has decided and told what is due by then.

        In steps that are short beside the time after which a reader is slow; so many readers have stopped.
        """
        while seconds > 0:
            step = min(seconds, STEP)
            await self.clock.advance(step)
            seconds -= step
            if self.runs:
                # What is due is decided in turn with requests, and may have set a deadline that has passed too.
                for _ in range(3):
                    await refused(self._probe.get("no-such-call"))
                await self.until(lambda look: look.sending <= stopped)

    async def until(self, condition: Callable[[Look], object]) -> None:
        """Wait until something holds within the server."""
        async with asyncio.timeout(PATIENCE):
            while not condition(await self.look()):  # noqa: ASYNC110 -- it has nothing to wait on
                await asyncio.sleep(TICK)

    async def settled(self, but: int = 0) -> None:
        """Wait until the server knows of the streams that were cut, but for so many, and has told what it owes."""
        expected = sum(screen.open for phone in self._phones for screen in phone.screens) + but
        await self.until(lambda look: look.streams <= expected)
        await asyncio.sleep(TICK)


class InProcess(Server):
    """One in this process, on the grpcio wire."""

    def __init__(self, database: Path, clock: FakeClock) -> None:
        super().__init__(database)
        self.clock = self._clock = clock
        self._stack = contextlib.AsyncExitStack()
        self._running: RunningServer | None = None

    async def _start(self) -> int:
        running = await self._stack.enter_async_context(running_server(self._settings, clock=self._clock))
        self._running = running
        return running.port

    async def _stop(self) -> None:
        self._running = None
        await self._stack.aclose()

    async def look(self) -> Look:
        assert self._running is not None
        watches = self._running.hub._watches
        sending = sum(watch.sending_since is not None for watch in watches)
        return Look(len(self._running.hub), sending, self._running.encoder.encodings)


class InEnvoy(Server):
    """One in Envoy's process."""

    def __init__(self, database: Path, now: int) -> None:
        super().__init__(database)
        self.clock = _ClockInEnvoy(self, now)
        self.envoy: EnvoyProcess | None = None

    async def _start(self) -> int:
        self.envoy = EnvoyProcess(
            "tests.service.inside:asgi",
            (self._settings, self.clock.now()),
            "127.0.0.1",
            self._port,
            EnvoyOptions(),
            json_log=True,
        )
        return await self.envoy.start()

    async def _stop(self) -> None:
        if self.envoy is not None:
            await self.envoy.stop(2)
        self.envoy = None

    async def look(self) -> Look:
        assert self.envoy is not None
        told = await self.envoy.ask(op="look")
        return Look(told["streams"], told["sending"], told["encodings"])


class _ClockInEnvoy:
    """The clock of the server in Envoy's process; while there is none, the one that the next server begins with."""

    def __init__(self, server: InEnvoy, now: int) -> None:
        self._server = server
        self._now = now

    def now(self) -> int:
        return self._now

    async def advance(self, seconds: float) -> None:
        if self._server.envoy is not None:
            self._now = (await self._server.envoy.ask(op="advance", seconds=seconds))["now"]
        else:
            self._now += round(seconds * 1_000_000)


class Process(Phones):
    """A server of its own process, by the command that users type."""

    def __init__(self, database: Path, log: Path, wire: str) -> None:
        super().__init__()
        self.database = database
        self.wire = wire
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int = 0) -> None:
        command = Path(sys.executable).with_name("ringline-server")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                command,
                *("serve", "--listen", f"127.0.0.1:{port}", "--database", self.database, "--wire", self.wire),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={key: value for key, value in os.environ.items() if not key.startswith("RINGLINE_")},
            )
        assert self._process.stdout is not None
        line = (await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)).decode()
        found = re.fullmatch(r"ringline-server: serving on (127\.0\.0\.1:\d+)\b.*\n", line)
        assert found, f"the server said {line!r}, and on stderr {self.log.read_text()!r}"
        self.address = found[1]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        assert self._process is not None
        if self._process.returncode is None:
            # The server itself may be a child of the command.
            children = psutil.Process(self.pid).children()
            for child in children:
                child.kill()
            await asyncio.to_thread(psutil.wait_procs, children, PATIENCE)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop."""
        os.kill(self.pid, signal.SIGTERM)

    async def exit_status(self) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE)


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    """Run the server."""
    await server.start()
    try:
        await server.connect()
        yield server
    finally:
        await server.hang_up()
        await server.stop()


@contextlib.asynccontextmanager
async def subprocess_server(database: Path, log: Path, wire: str) -> AsyncIterator[Process]:
    """Run a server in a process of its own."""
    process = Process(database, log, wire)
    try:
        await process.start()
        await process.connect()
        yield process
    finally:
        await process.hang_up()
        await process.kill()
