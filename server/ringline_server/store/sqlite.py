"""The store on one SQLite file, through aiosqlite: one connection that writes, a few that read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite
import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.store.file_lock import FileLock
from ringline_server.store.port import CommitUnknown, Snapshot, StoreBroken, StoreError, Transaction
from ringline_server.store.sqlite_checkpoint import Checkpoints
from ringline_server.store.sqlite_connection import open_reader, open_writer
from ringline_server.store.sqlite_errors import describe, is_fatal
from ringline_server.store.sqlite_schema import bring_up_to_date
from ringline_server.store.sqlite_snapshot import run_reads
from ringline_server.store.sqlite_thread import ThreadConnection, run
from ringline_server.store.sqlite_transaction import run_transaction

T = TypeVar("T")

_log: FilteringBoundLogger = structlog.get_logger(__name__)

MAX_AT_ONCE = 32
"""Reads in one transaction."""

_NOT_OPEN = "the store is not open"


class _Read(Generic[T]):
    """Something to be read, and where who asked for it waits."""

    __slots__ = ("done", "work")

    def __init__(self, work: Callable[[Snapshot], T], done: asyncio.Future[T]) -> None:
        self.work = work
        self.done = done

    def end(self, result: Any, failure: Exception | None) -> None:  # noqa: ANN401 -- what the work returned
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(failure)


class SqliteStore:
    """The port's ``Store`` on the file at ``path``, which it locks against other servers while it is open.

    ``readers`` is how many reads can go on at the same time.
    """

    def __init__(self, path: str | os.PathLike[str], *, readers: int = 2) -> None:
        self._given = os.fspath(path)
        self._reader_count = readers
        self._factory = ThreadConnection
        self._path = Path()
        self._lock: FileLock | None = None
        self._writer: aiosqlite.Connection | None = None
        self._checkpoints: Checkpoints | None = None
        self._readers: list[aiosqlite.Connection] = []
        self._idle: list[aiosqlite.Connection] = []
        self._reads: deque[_Read[Any]] = deque()
        self._reading: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        """Held by whoever writes, or must not have anybody write."""
        self._closing = asyncio.Lock()
        self._epoch = ""
        self._broken: StoreBroken | None = None

    @property
    def epoch(self) -> str:
        """The name of this history of positions. Only once the store is open."""
        if not self._epoch:
            raise StoreError(_NOT_OPEN)
        return self._epoch

    async def open(self) -> None:
        """Take the file, made if need be; raise StoreInUse, StoreTooNew, or StoreError that says what is wrong."""
        self._path = _usable(self._given)
        lock = FileLock(self._path.with_name(self._path.name + ".lock"))
        lock.acquire()
        self._lock = lock
        try:
            await self._connect()
        except BaseException as error:
            await self.close()
            if isinstance(error, sqlite3.Error | StoreError):
                kind = type(error) if isinstance(error, StoreError) else StoreError
                raise kind(f"cannot open {self._path}: {error}") from error
            raise

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        # Shielded, so that a caller who is cancelled leaves the writer to nobody before it is fit for use again.
        return await asyncio.shield(asyncio.ensure_future(self._transact(work)))

    async def read(self, work: Callable[[Snapshot], T]) -> T:
        self._require_open()
        read: _Read[T] = _Read(work, asyncio.get_running_loop().create_future())
        if self._idle:
            task = asyncio.create_task(self._read(self._idle.pop(), read), name="store reader")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        else:
            self._reads.append(read)
        return await read.done

    async def close(self) -> None:
        """Wait for what is under way and let go of the file. May be called more than once."""
        async with self._closing:
            async with self._turn:
                readers, self._readers = self._readers, []
                writer, self._writer = self._writer, None
                self._idle = []
            # Without the turn, which a checkpoint may wait for.
            if self._checkpoints is not None:
                with contextlib.suppress(sqlite3.Error):
                    await self._checkpoints.close()
                self._checkpoints = None
            for reader in readers:
                with contextlib.suppress(sqlite3.Error):
                    await reader.close()
            if writer is not None:
                # The last one to close moves the log into the database.
                with contextlib.suppress(sqlite3.Error):
                    await writer.close()
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _require_open(self) -> None:
        if self._writer is None:
            raise StoreError(_NOT_OPEN)

    async def _connect(self) -> None:
        self._writer = await open_writer(self._path, self._factory)
        self._epoch = await run(self._writer, bring_up_to_date)
        self._checkpoints = Checkpoints(await open_writer(self._path), self._turn, self._checkpoint_failed)
        for _ in range(self._reader_count):
            reader = await open_reader(self._path)
            self._readers.append(reader)
            self._idle.append(reader)

    async def _read(self, reader: aiosqlite.Connection, first: _Read[Any]) -> None:
        """Read, and then for all who wait: many share a way to the thread and back, and a transaction."""
        reads = [first]
        while reads:
            try:
                self._require_open()
                results = await run(reader, partial(run_reads, works=[read.work for read in reads]))
            except Exception as error:  # noqa: BLE001 -- it is for those who asked
                results = [(None, error)] * len(reads)
            for read, (result, failure) in zip(reads, results, strict=True):
                read.end(result, failure)
            reads = self._next_reads()
        if reader in self._readers:
            self._idle.append(reader)

    def _next_reads(self) -> list[_Read[Any]]:
        """Take a reader's share of those who wait, and still do."""
        reads: list[_Read[Any]] = []
        share = min(-(-len(self._reads) // self._reader_count), MAX_AT_ONCE)
        while self._reads and len(reads) < share:
            read = self._reads.popleft()
            if not read.done.done():
                reads.append(read)
        return reads

    async def _transact(self, work: Callable[[Transaction], T]) -> T:
        async with self._turn:
            if self._broken is not None:
                raise StoreBroken(str(self._broken))
            writer = self._writer
            if writer is None:
                raise StoreError(_NOT_OPEN)
            try:
                result = await run(writer, partial(run_transaction, work=work))
            except CommitUnknown:
                await self._reopen(writer)
                raise
            except StoreBroken as broken:
                self._broken = broken
                raise
            if self._checkpoints is not None:
                self._checkpoints.look(writer.total_changes)
            return result

    def _checkpoint_failed(self, error: Exception) -> None:
        """Give up if the file is no good any more; what else it was, such as a full disk, can be over the next time."""
        _log.error("checkpoint_failed", path=str(self._path), detail=describe(error))
        if is_fatal(error):
            self._broken = StoreBroken(f"cannot move the log into the database: {describe(error)}")

    async def _reopen(self, writer: aiosqlite.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            await writer.close()
        try:
            self._writer = await open_writer(self._path, self._factory)
        except (sqlite3.Error, StoreError) as error:
            self._broken = StoreBroken(f"cannot open {self._path} again: {error}")
            raise self._broken from error


def _usable(given: str) -> Path:
    """Return where the database is, links followed, so that two names of one file find one lock."""
    if given.startswith((":memory:", "file:")) or not given:
        raise StoreError(f"{given!r} is not the path of a file, and a store that is not in a file forgets every call")
    path = Path(os.path.realpath(given))
    if not path.parent.is_dir():
        raise StoreError(f"the directory {path.parent} does not exist: make it, or give another path for the database")
    if path.is_dir():
        raise StoreError(f"{path} is a directory: give the path of a file in it, such as {path / 'ringline.db'}")
    # Readers need to write too: the index of the log is shared memory.
    if not os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK):
        raise StoreError(f"{path} cannot be read and written by this user ({os.getuid()})")
    return path
