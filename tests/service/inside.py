"""The server that the tests run in Envoy's process: the app as it is, with a clock that the test moves."""

from __future__ import annotations

import sys
from typing import cast

import structlog

from ringline_server.app.inside import Json, serve_inside
from ringline_server.app.running import RunningServer
from ringline_server.config import Settings
from ringline_server.wire.envoy_inside import Inside, application
from tests.clock import FakeClock


async def main(inside: Inside) -> None:
    settings, now = cast("tuple[Settings, int]", inside.first)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    clock = FakeClock(now)

    async def answer(server: RunningServer, asked: Json) -> Json:
        if asked["op"] == "advance":
            await clock.advance(asked["seconds"])
        return {
            "now": clock.now(),
            "streams": len(server.hub),
            "sending": sum(watch.sending_since is not None for watch in server.hub._watches),
            "encodings": server.encoder.encodings,
        }

    await serve_inside(inside, settings, clock=clock, answer=answer)


asgi = application(main)
