"""Logging, set up in one place: to stderr, because stdout is for the one line that says where the server serves."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import orjson
import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: str, log_format: str | None, stream: TextIO | None = None) -> bool:
    """Log from this level on, as ``json`` or ``text``; None is text on a terminal and JSON elsewhere.

    Returns whether people read it: then other text may stand between the lines. Lines that libraries write through the
    standard library's logging come out in the same form.
    """
    out = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any]
    for_people = is_for_people(log_format, out)
    if not for_people:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    else:
        # The default, where rich is installed, shows local variables: what users said among them.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0, exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    _route_libraries(out, _LEVELS[level], shared, last)
    return for_people


def is_for_people(log_format: str | None, out: TextIO) -> bool:
    """Return whether what is logged there is text: because that was said, or because it is a terminal."""
    return log_format == "text" or (log_format is None and out.isatty())


def _json(line: object, *, default: Callable[[Any], Any]) -> str:
    """Return a line as JSON: by orjson, because every RPC and every step has one."""
    try:
        return orjson.dumps(line, default=default).decode()
    except TypeError:
        # It refuses more than the standard library does: half of a surrogate pair, an integer of more than 64 bits.
        return json.dumps(line, default=default)


def _route_libraries(out: TextIO, level: int, shared: list[Any], last: list[Any]) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
