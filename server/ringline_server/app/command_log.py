"""The log of the command's own process, set up with its first line: on the envoy wire there are few, and late."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from ringline_server.config import Settings


def command_log(settings: Settings) -> Any:  # noqa: ANN401 -- a logger, as structlog's own get_logger has it
    """Return the log; it is set up as the settings say, if it is not yet."""
    # To import structlog takes a third of the time that the command needs to start Envoy, and a start is waited for.
    import structlog  # noqa: PLC0415

    if not structlog.is_configured():
        from ringline_server.app.log import configure_logging  # noqa: PLC0415

        configure_logging(settings.log_level, settings.log_format)
    return structlog.get_logger(__name__)


class SetUpLater(logging.Handler):
    """Sets the log up with the first line that a library writes to it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        command_log(self._settings)
        logging.getLogger().removeHandler(self)
        logging.getLogger().handle(record)


def is_for_people(log_format: str | None, out: TextIO) -> bool:
    """Return whether what is logged there is text: because that was said, or because it is a terminal."""
    return log_format == "text" or (log_format is None and out.isatty())
