"""The server under test in Envoy's process."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import cast

import structlog

from conformance.control.clock import StandingClock
from conformance.control.newer import newer_rpcs
from ringline_server.app.inside import Json, serve_inside
from ringline_server.app.running import RunningServer
from ringline_server.config import Settings
from ringline_server.wire.envoy_inside import Inside, application


async def main(inside: Inside) -> None:
    """Serve with a clock that the control program moves."""
    settings, now, newer = cast("tuple[Settings, int, bool]", inside.first)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    clock = StandingClock(now)

    async def answer(_server: RunningServer, asked: Json) -> Json:
        await clock.advance(asked["seconds"])
        return {"now": clock.now()}

    with ExitStack() as stack:
        if newer:
            stack.enter_context(newer_rpcs())
        await serve_inside(inside, settings, clock=clock, answer=answer)


asgi = application(main)
