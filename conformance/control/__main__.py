"""The control program: `python -m conformance.control`. One JSON object a line, commands on stdin, answers on stdout.

    {"id":1,"op":"start","database":"/tmp/…/a.db","now":1700000000000000}     {"id":1,"port":40123}
    {"id":2,"op":"advance","seconds":31}                                      {"id":2,"now":1700000031000000}
    {"id":3,"op":"refuse","method":"GetCall","seconds":1.5,"reason":"OVERLOADED"}   {"id":3}
    {"id":4,"op":"asked","method":"GetCall"}                                  {"id":4,"refused":1,"served":[7.25]}
    {"id":5,"op":"stop"}                                                      {"id":5}

It serves one server at a time; `start` after `stop` is a restart, on the same file or on another. With
`"kind":"newer"` the server answers as a later version would: see newer.py; with `"kind":"repeating"` it repeats itself:
see repeating.py. With `"wire":"envoy"` it is in Envoy's process: see inside.py. What it refuses, and whom it counts
until it stops, is in refusing.py. To crash the server, kill this process. Times are microseconds since the epoch; those
of `served` are seconds since some moment. It ends when stdin does. What fails is answered with `error`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog
import uvloop

from conformance.control.subject import Json, Subject
from ringline_server.app.errors import StartError
from ringline_server.app.running import running_server
from ringline_server.config import Address, Settings
from ringline_server.wire.envoy import EnvoyOptions, EnvoyProcess, StartFailedError

Answer = Callable[[Json], Awaitable[Json]]


class Control:
    """At most one server."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._ask: Answer | None = None

    async def answer(self, command: Json) -> Json:
        """Do what the command says."""
        match command["op"]:
            case "start":
                return await self._start(command)
            case "advance" | "refuse" | "asked" if self._ask is not None:
                return await self._ask(command)
            case "stop":
                self._ask = None
                await self._stack.aclose()
                return {}
            case other:
                raise ValueError(f"{other!r} is unknown, or needs a server that runs")

    async def _start(self, command: Json) -> Json:
        if self._ask is not None:
            raise ValueError("a server runs already")
        database, now, kind = Path(command["database"]), command["now"], command.get("kind", "")
        settings = Settings(listen=Address("127.0.0.1", 0), database=database, drain_grace=0.5)
        if command.get("wire", "grpcio") == "envoy":
            return {"port": await self._start_in_envoy(settings, now, kind)}
        subject = Subject(kind, now)
        self._stack.enter_context(subject.altered())
        server = await self._stack.enter_async_context(running_server(settings, clock=subject.clock))
        self._ask = partial(subject.answer, server)
        return {"port": server.port}

    async def _start_in_envoy(self, settings: Settings, now: int, kind: str) -> int:
        first = (settings, now, kind)
        envoy = EnvoyProcess("conformance.control.inside:asgi", first, *settings.listen, EnvoyOptions(), json_log=False)
        port = await envoy.start()
        self._stack.push_async_callback(envoy.stop, settings.drain_grace)

        async def ask(command: Json) -> Json:
            return _without_id(await envoy.ask(**_without_id(command)))

        self._ask = ask
        return port


def _without_id(words: Json) -> Json:
    return {name: word for name, word in words.items() if name != "id"}


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
    # As the command does.
    uvloop.run(main())
