"""The server under test in Envoy's process."""

from __future__ import annotations

import sys
from typing import cast

import structlog

from conformance.control.subject import Subject
from ringline_server.app.inside import serve_inside
from ringline_server.config import Settings
from ringline_server.wire.envoy_inside import Inside, application


async def main(inside: Inside) -> None:
    """Serve with a clock that the control program moves."""
    settings, now, kind = cast("tuple[Settings, int, str]", inside.first)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    subject = Subject(kind, now)
    with subject.altered():
        await serve_inside(inside, settings, clock=subject.clock, answer=subject.answer)


asgi = application(main)
