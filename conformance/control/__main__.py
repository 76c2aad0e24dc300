"""The control program: `python -m conformance.control`. One JSON object a line, commands on stdin, answers on stdout.

    {"id":1,"op":"start","database":"/tmp/…/a.db","now":1700000000000000}     {"id":1,"port":40123}
    {"id":2,"op":"advance","seconds":31}                                      {"id":2,"now":1700000031000000}
    {"id":3,"op":"refuse","method":"GetCall","seconds":1.5,"reason":"OVERLOADED"}   {"id":3}
    {"id":4,"op":"asked","method":"GetCall"}                                  {"id":4,"refused":1,"served":[7.25]}
    {"id":5,"op":"stop"}                                                      {"id":5}

It serves one server at a time; `start` after `stop` is a restart, on the same file or on another. With
`"kind":"newer"` the server answers as a later version would: see newer.py; with `"kind":"repeating"` it repeats itself:
see repeating.py. What it refuses, and whom it counts until it stops, is in refusing.py. To crash the server, kill this
process. Times are microseconds since the epoch; those of `served` are seconds since some moment. It ends when stdin
does. What fails is answered with `error`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from conformance.control.altered import altered
from conformance.control.clock import StandingClock
from conformance.control.refusing import Refusals
from ringline_server.app.running import StartError, running_server
from ringline_server.config import Settings
from ringline_server.config.settings import Address

_SETTLE = 0.05
"""Real seconds after the clock was moved, for what the store's thread has to write."""

Json = dict[str, Any]


class Control:
    """At most one server, and its clock."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._clock: StandingClock | None = None
        self._refusals = Refusals()

    async def answer(self, command: Json) -> Json:
        """Do what the command says."""
        match command["op"]:
            case "start":
                return await self._start(Path(command["database"]), command["now"], command.get("kind", ""))
            case "advance" if self._clock is not None:
                await self._clock.advance(command["seconds"])
                await asyncio.sleep(_SETTLE)
                return {"now": self._clock.now()}
            case "refuse" | "asked" if self._clock is not None:
                return self._refusals.answer(command)
            case "stop":
                await self._stack.aclose()
                self._clock = None
                return {}
            case other:
                raise ValueError(f"{other!r} is unknown, or needs a server that runs")

    async def _start(self, database: Path, now: int, kind: str) -> Json:
        if self._clock is not None:
            raise ValueError("a server runs already")
        clock = StandingClock(now)
        self._refusals = Refusals()
        self._stack.enter_context(altered(kind, self._refusals.refusing))
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
