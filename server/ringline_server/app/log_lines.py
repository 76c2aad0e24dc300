"""Where log lines go: to a stream, those of one turn of the event loop together."""

from __future__ import annotations

import asyncio
from typing import TextIO


class LinesLogger:
    """What structlog hands finished lines to, by level.

    Lines at info or below wait for the end of the event loop's turn: a batch has many, and they become one write. What
    is worse is written at once, behind all that waits. Beside the loop, as on the store's threads, every line is
    written at once, and may come before some that wait.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._waiting: list[str] = []
        self._turning: asyncio.AbstractEventLoop | None = None
        """The loop at the end of whose turn they are written."""

    def info(self, line: str) -> None:
        """Write the line soon."""
        if (loop := _running_loop()) is None:
            self._write(f"{line}\n")
            return
        self._waiting.append(f"{line}\n")
        if self._turning is not loop:
            self._turning = loop
            loop.call_soon(self._write_waiting)

    debug = info

    def error(self, line: str) -> None:
        """Write the line now."""
        self.info(line)
        if _running_loop() is not None:
            self._write_waiting()

    warning = critical = error

    def _write_waiting(self) -> None:
        self._turning = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write("".join(waiting))

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
