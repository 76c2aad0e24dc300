"""Logging, set up in one place: to stderr, because stdout is for the one line that says where the server serves."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from ringline_server.app.command_log import is_for_people
from ringline_server.app.log_lines import LinesLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: str, log_format: str | None, stream: TextIO | None = None) -> None:
    """Log from this level on, as ``json`` or ``text``; None is text on a terminal and JSON elsewhere.

    Lines that libraries write through the standard library's logging come out in the same form.
    """
    out = stream if stream is not None else sys.stderr
    for_people = is_for_people(log_format, out)
    processors: list[Processor] = _text_processors(colors=out.isatty()) if for_people else [_json_line]
    lines = LinesLogger(out)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _route_libraries(out, _LEVELS[level], processors)


def _text_processors(*, colors: bool) -> list[Processor]:
    # The default, where rich is installed, shows local variables: what users said among them.
    plain = structlog.dev.plain_traceback
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, exception_formatter=plain),
    ]


def _json_line(logger: Any, level: str, line: EventDict) -> str:  # noqa: ANN401 -- a processor of structlog's
    """Return a line as JSON, all in one: every RPC and every step has one, and processors of their own take longer."""
    now = datetime.now(UTC)
    line["level"] = level
    line["timestamp"] = now
    if "exc_info" in line:
        line = structlog.processors.format_exc_info(logger, level, line)
    try:
        # It writes a time several times as fast as Python's own formatting does.
        return orjson.dumps(line, default=repr, option=orjson.OPT_UTC_Z).decode()
    except TypeError:
        # It refuses more than the standard library does: half of a surrogate pair, an integer of more than 64 bits.
        line["timestamp"] = now.isoformat().replace("+00:00", "Z")
        return json.dumps(line, default=repr)


def _route_libraries(out: TextIO, level: int, processors: list[Processor]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
