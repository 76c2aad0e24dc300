"""How the database is opened: connections that write or checkpoint, and others that only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import aiosqlite

from ringline_server.store.port import StoreError
from ringline_server.store.sqlite_thread import ThreadConnection, run

_OLDEST_SQLITE = (3, 38, 0)
"""STRICT tables, UPSERT and the JSON functions."""

_BUSY_TIMEOUT = 5.0
"""Seconds to wait for a shell or a backup tool that holds the file."""

_REQUIRED: Mapping[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,
}
"""What durability stands on: read back, and refused if not so. 2 is FULL: every commit is on the disk."""

_WRITER = (
    # Only has an effect while the file is empty, and has to come before anything is written to it.
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    # Where fsync alone does not reach the disk (macOS).
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA journal_size_limit = 67108864",
    # Another connection does, see ``sqlite_checkpoint``.
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -65536",
)

_READER = (
    "PRAGMA query_only = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",
)


async def open_writer(path: Path, factory: type[ThreadConnection] = ThreadConnection) -> aiosqlite.Connection:
    """Open a connection that writes, making the file if need be; raise StoreError if it cannot be durable."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise StoreError(f"this Python comes with SQLite {sqlite3.sqlite_version}; {oldest} or newer is needed")
    return await _open(str(path), factory, _set_up_writer, uri=False)


async def open_reader(path: Path, factory: type[ThreadConnection] = ThreadConnection) -> aiosqlite.Connection:
    """Open a connection that can neither write nor checkpoint."""
    return await _open(f"{path.as_uri()}?mode=ro", factory, _set_up_reader, uri=True)


async def _open(
    database: str, factory: type[ThreadConnection], set_up: Callable[[sqlite3.Connection], None], *, uri: bool
) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(
        database, uri=uri, factory=factory, timeout=_BUSY_TIMEOUT, isolation_level=None
    )
    try:
        await run(connection, set_up)
    except BaseException:
        await connection.close()
        raise
    return connection


def _set_up_writer(connection: sqlite3.Connection) -> None:
    for pragma in _WRITER:
        connection.execute(pragma).close()
    for name, required in _REQUIRED.items():
        (value,) = connection.execute(f"PRAGMA {name}").fetchone()
        if value != required:
            raise StoreError(
                f"PRAGMA {name} is {value} and has to be {required}: what is committed would not be safe. "
                "Is it on a file system without shared memory, such as NFS?"
            )


def _set_up_reader(connection: sqlite3.Connection) -> None:
    for pragma in _READER:
        connection.execute(pragma).close()
