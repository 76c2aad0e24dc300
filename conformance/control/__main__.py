"""The control program: `python -m conformance.control`. One JSON object a line, commands on stdin, answers on stdout.

    {"id":1,"op":"start","database":"/tmp/…/a.db","now":1700000000000000}     {"id":1,"port":40123}
    {"id":2,"op":"advance","seconds":31}                                      {"id":2,"now":1700000031000000}
    {"id":3,"op":"stop"}                                                      {"id":3}

It serves one server at a time; `start` after `stop` is a restart, on the same file or on another. With `"newer":true`
the server answers as a later version would: see newer.py. To crash the server, kill this process. Times are
microseconds since the epoch. It ends when stdin does. What fails is answered with `error`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

from conformance.control.clock import StandingClock
from conformance.control.newer import newer as as_newer
from ringline_server.api.port import Rpcs
from ringline_server.api.rpcs import build_rpcs
from ringline_server.app import running
from ringline_server.app.running import StartError, running_server
from ringline_server.config import Settings
from ringline_server.config.settings import Address

_SETTLE = 0.05
"""Real seconds after the clock was moved, for what the store's thread has to write."""

Json = dict[str, Any]


def _newer_rpcs(**parts: Any) -> Rpcs:  # noqa: ANN401 -- handed on as they are
    return as_newer(build_rpcs(**parts))


class Control:
    """At most one server, and its clock."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._clock: StandingClock | None = None

    async def answer(self, command: Json) -> Json:
        """Do what the command says."""
        match command["op"]:
            case "start":
                return await self._start(Path(command["database"]), command["now"], newer=command.get("newer", False))
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

    async def _start(self, database: Path, now: int, *, newer: bool) -> Json:
        if self._clock is not None:
            raise ValueError("a server runs already")
        clock = StandingClock(now)
        # The one seam below the app's own wiring: what the RPCs answer.
        if newer:
            self._stack.enter_context(patch.object(running, "build_rpcs", _newer_rpcs))
        settings = Settings(listen=Address("127.0.0.1", 0), database=database, drain_grace=0.5)
        server = await self._stack.enter_async_context(running_server(settings, clock=clock))
        self._clock = clock
        return {"port": server.port}


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
        except (KeyError, ValueError, StartError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps({"id": command["id"], **answer}) + "\n")
        sys.stdout.flush()
    await control.answer({"op": "stop"})


if __name__ == "__main__":
    asyncio.run(main())
