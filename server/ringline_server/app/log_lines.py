"""Where log lines go: to a stream, those of one turn of the event loop together."""

from __future__ import annotations

import asyncio
from typing import TextIO


class LinesLogger:
    """What structlog hands finished lines to, by level.

    Lines at info or below that are logged on an event loop wait for the end of its turn, so that the many of a batch are
    one write; whatever is worse is written at once, with all that waits before it. Without a loop, as on the store's
    threads, every line is written at once.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._waiting: list[str] = []
        """Only the event loop's thread touches it."""

    def info(self, line: str) -> None:
        """Write the line soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write(line + "\n")
            return
        if not self._waiting:
            loop.call_soon(self._write_waiting)
        self._waiting.append(line + "\n")

    debug = info

    def error(self, line: str) -> None:
        """Write the line now."""
        self.info(line)
        self._write_waiting()

    warning = critical = error

    def _write_waiting(self) -> None:
        text = "".join(self._waiting)
        self._waiting.clear()
        self._write(text)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
