"""The server under test, as the control program handles it: its clock, its kind, and what it refuses."""

from __future__ import annotations

import contextlib
from typing import Any

from conformance.control.altered import altered
from conformance.control.clock import StandingClock
from conformance.control.refusing import Refusals
from ringline_server.app.running import RunningServer
from ringline_server.engine.port import Submission
from ringline_server.rules.commands import Get
from ringline_server.rules.context import Actor
from ringline_server.rules.outcome import Refusal

Json = dict[str, Any]

_NOBODY = Submission(("default", "nobody's"), Get(), Actor(service_id="control"))


class Subject:
    """One server, in this process: the app is wired within ``altered``, with ``clock``."""

    def __init__(self, kind: str, now: int) -> None:
        self.clock = StandingClock(now)
        self._kind = kind
        self._refusals = Refusals()

    def altered(self) -> contextlib.AbstractContextManager[None]:
        """Let the server that starts within the block be of this kind."""
        return altered(self._kind, self._refusals.refusing)

    async def answer(self, server: RunningServer, command: Json) -> Json:
        """Do what a command says to a server that runs."""
        match command["op"]:
            case "advance":

                async def settle() -> None:
                    # Commands are decided in turn: what the clock has sent before this one is decided, and durable.
                    with contextlib.suppress(Refusal):
                        await server.engine.submit(_NOBODY)

                await self.clock.advance(command["seconds"], settle)
                return {"now": self.clock.now()}
            case _:
                return self._refusals.answer(command)
