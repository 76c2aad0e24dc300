"""Servers to test: one in this process, whose clock the test moves, and one of its own process, which can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from grpc import aio

from ringline_server.app import RunningServer, running_server
from ringline_server.config import Address, Settings
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


class Server(Phones):
    """A real server on a real file, in this process. Its port stays the same over a restart."""

    def __init__(self, database: Path, clock: FakeClock) -> None:
        super().__init__()
        self.database = database
        self.clock = clock
        self.running: RunningServer | None = None
        self._stack = contextlib.AsyncExitStack()
        self._port = 0

    async def start(self) -> None:
        settings = Settings(listen=Address("127.0.0.1", self._port), database=self.database, drain_grace=2.0)
        self.running = await self._stack.enter_async_context(running_server(settings, clock=self.clock))
        self._port = self.running.port
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Stop as planned: streams are told."""
        self.running = None
        await self._stack.aclose()

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
            if self.running is not None:
                # What is due is decided in turn with requests, and may have set a deadline that has passed too.
                for _ in range(3):
                    await refused(self._probe.get("no-such-call"))
                await self.until(lambda: self._sending <= stopped)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds within the server."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 -- it has nothing to wait on
                await asyncio.sleep(TICK)

    async def settled(self) -> None:
        """Wait until the server knows of the streams that clients have cut, and has told what it owes."""
        expected = sum(screen.open for phone in self._phones for screen in phone.screens)
        await self.until(lambda: self.streams <= expected)
        await asyncio.sleep(TICK)

    @property
    def _sending(self) -> int:
        """To how many watches the server is sending."""
        watches = self.running.hub._watches if self.running is not None else ()
        return sum(watch.sending_since is not None for watch in watches)

    @property
    def streams(self) -> int:
        """How many watches the server holds."""
        assert self.running is not None
        return len(self.running.hub)

    @property
    def encodings(self) -> int:
        """How often the server has encoded a whole call."""
        assert self.running is not None
        return self.running.encoder.encodings


class Process(Phones):
    """A server of its own process, by the command that users type."""

    def __init__(self, database: Path, log: Path) -> None:
        super().__init__()
        self.database = database
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int = 0) -> None:
        command = Path(sys.executable).with_name("ringline-server")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                command,
                *("serve", "--listen", f"127.0.0.1:{port}", "--database", self.database),
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
            self._process.kill()
        await self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop."""
        os.kill(self.pid, signal.SIGTERM)

    async def exit_status(self) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE)


@contextlib.asynccontextmanager
async def in_process(database: Path, clock: FakeClock) -> AsyncIterator[Server]:
    """Run a server in this process."""
    server = Server(database, clock)
    await server.start()
    try:
        await server.connect()
        yield server
    finally:
        await server.hang_up()
        await server.stop()


@contextlib.asynccontextmanager
async def subprocess_server(database: Path, log: Path) -> AsyncIterator[Process]:
    """Run a server in a process of its own."""
    process = Process(database, log)
    try:
        await process.start()
        await process.connect()
        yield process
    finally:
        await process.hang_up()
        await process.kill()
