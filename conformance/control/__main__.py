"""The control program: `python -m conformance.control`. One JSON object a line, commands on stdin, answers on stdout.

    {"id":1,"op":"start","database":"/tmp/…/a.db","now":1700000000000000}     {"id":1,"port":40123}
    {"id":2,"op":"advance","seconds":31}                                      {"id":2,"now":1700000031000000}
    {"id":3,"op":"stop"}                                                      {"id":3}

It serves one server at a time; `start` after `stop` is a restart, on the same file or on another. With `"newer":true`
the server answers as a later version would: see newer.py. With `"wire":"envoy"` it is in Envoy's process, see
inside.py. To crash the server, kill this process. Times are microseconds since the epoch. It ends when stdin does. What
fails is answered with `error`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from conformance.control.clock import StandingClock
from conformance.control.newer import newer_rpcs
from ringline_server.app import StartError, running_server
from ringline_server.config import Address, Settings
from ringline_server.wire.envoy import EnvoyOptions, EnvoyProcess, StartFailedError

_SETTLE = 0.05
"""Real seconds after the clock was moved, for what the store's thread has to write."""

Json = dict[str, Any]


class Control:
    """At most one server, and its clock."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._clock: StandingClock | ClockInEnvoy | None = None

    async def answer(self, command: Json) -> Json:
        """Do what the command says."""
        match command["op"]:
            case "start":
                database, newer = Path(command["database"]), command.get("newer", False)
                return await self._start(database, command["now"], command.get("wire", "grpcio"), newer=newer)
            case "advance" if self._clock is not None:
                await self._clock.advance(command["seconds"])
                await asyncio.sleep(_SETTLE)
                return {"now": self._clock.now()}
            case "stop":
                await self._stack.aclose()
                self._clock = None
                return {}
            case other:
                raise ValueError(f"{other!r} is unknown, or needs a server that runs")

    async def _start(self, database: Path, now: int, wire: str, *, newer: bool) -> Json:
        if self._clock is not None:
            raise ValueError("a server runs already")
        settings = Settings(listen=Address("127.0.0.1", 0), database=database, drain_grace=0.5)
        if wire == "envoy":
            envoy = EnvoyProcess(
                "conformance.control.inside:asgi",
                (settings, now, newer),
                *settings.listen,
                EnvoyOptions(),
                json_log=False,
            )
            port = await envoy.start()
            self._stack.push_async_callback(envoy.stop, settings.drain_grace)
            self._clock = ClockInEnvoy(envoy)
            return {"port": port}
        clock = StandingClock(now)
        if newer:
            self._stack.enter_context(newer_rpcs())
        server = await self._stack.enter_async_context(running_server(settings, clock=clock))
        self._clock = clock
        return {"port": server.port}


class ClockInEnvoy:
    """The clock of a server in Envoy's process."""

    def __init__(self, envoy: EnvoyProcess) -> None:
        self._envoy = envoy
        self._now = 0

    def now(self) -> int:
        """Return the time to which it was last moved."""
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let so many seconds go by."""
        self._now = (await self._envoy.ask(op="advance", seconds=seconds))["now"]


async def main() -> None:
    """Answer until stdin ends."""
    # stdout is for answers.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    control = Control()
    while line := await lines.readline():
        command: Json = json.loads(line)
        try:
            answer = await control.answer(command)
        except (KeyError, ValueError, StartError, StartFailedError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps({"id": command["id"], **answer}) + "\n")
        sys.stdout.flush()
    await control.answer({"op": "stop"})


if __name__ == "__main__":
    asyncio.run(main())
