"""The least that durability costs: one row an RPC, and one commit for all that came meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class GroupCommit:
    """Makes bytes durable on a thread of its own. Made on the loop that uses it."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._busy = False
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE rows (body BLOB)")

    def write(self, body: bytes) -> asyncio.Future[None]:
        """Return what is done once the bytes are on the disk."""
        durable: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((body, durable))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._next)
        return durable

    def _next(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            self._busy = False
            return
        committing = self._loop.run_in_executor(self._thread, self._commit, [(body,) for body, _ in batch])
        committing.add_done_callback(lambda done: self._committed(done, batch))

    def _commit(self, rows: list[tuple[bytes]]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO rows VALUES (?)", rows)
        self._connection.execute("COMMIT")

    def _committed(self, done: asyncio.Future[None], batch: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        done.result()
        for _, durable in batch:
            if not durable.done():
                durable.set_result(None)
        self._next()

    def close(self) -> None:
        """Let go of the file. Nothing may be waiting."""
        self._thread.shutdown()
        self._connection.close()
