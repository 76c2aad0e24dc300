"""Moving the write-ahead log into the database, on a thread of its own, while transactions go on.

Left to SQLite, the commit that makes the log too long does it: for tens of milliseconds everybody waits for one disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable

import aiosqlite

from ringline_server.store.sqlite_errors import FAILURES
from ringline_server.store.sqlite_thread import run

PAGES = 4_000
"""The log is moved when it has about so many, 16 MB. The longer it is, the more often a page of the database is written
once that was changed many times, but the longer takes a start after a crash."""

A_COMMIT = 10
"""Pages that a commit writes whatever it changes, about."""

ROWS_A_PAGE = 4
"""Changed rows for each page more, about."""

PATIENCE = 20
"""Milliseconds that nobody can write, at most, while the log waits for reads to end so that it can begin anew."""


class Checkpoints:
    """Moves the log whenever enough was written.

    ``turn`` is what a transaction holds; ``failed`` is told what could not be done, before it is tried again.
    """

    def __init__(
        self, connection: aiosqlite.Connection, turn: asyncio.Lock, failed: Callable[[Exception], None]
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._failed = failed
        self._changes = 0
        self._pages = 0
        """What the log has got since it was last moved, as far as can be told."""
        self._moving: asyncio.Task[None] | None = None

    def look(self, changes: int) -> None:
        """Begin if it is time: to be called after a commit, with how many changed rows its connection counts by now."""
        self._pages += A_COMMIT + max(changes - self._changes, 0) // ROWS_A_PAGE
        self._changes = changes
        if self._pages >= PAGES and (self._moving is None or self._moving.done()):
            self._pages = 0
            self._moving = asyncio.create_task(self._move(), name="store checkpoint")

    async def close(self) -> None:
        """Wait for what is under way, and close the connection. Not to be called by who has the turn."""
        if self._moving is not None:
            await asyncio.wait([self._moving])
        await self._connection.close()

    async def _move(self) -> None:
        """Move all there is. What came meanwhile is less, and what comes while that is moved is hardly anything.

        That is moved while nobody writes, for the log only begins anew if nothing of it is left.
        """
        try:
            await run(self._connection, _move)
            await run(self._connection, _move)
            async with self._turn:
                begun_anew = await run(self._connection, _begin_anew)
        except FAILURES as error:
            self._failed(error)
        else:
            if not begun_anew:
                self._pages += PAGES // 2


def _move(connection: sqlite3.Connection) -> None:
    """Move what is committed, as far as no read needs the database as it was."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _begin_anew(connection: sqlite3.Connection) -> bool:
    """Move what is left, and have the next commit write where the log begins; return whether reads allowed it."""
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE}").fetchall()
    ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    return not busy
