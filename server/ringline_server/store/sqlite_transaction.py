"""One durable transaction on the writer's thread: what it can do, how it ends, and what is known when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ringline_server.rules.call import Call
from ringline_server.store.codec import decode_answer, encode_answer
from ringline_server.store.port import (
    CallKey,
    CommitFailed,
    CommitUnknown,
    Remembered,
    RequestKey,
    StoreBroken,
    StoreError,
    Transaction,
    Write,
)
from ringline_server.store.sqlite_call import CALL_BY_NAME, placed
from ringline_server.store.sqlite_errors import FAILURES, code, describe, family
from ringline_server.store.sqlite_steps import write_steps

T = TypeVar("T")

PURGED = 64
"""How many expired request ids are removed when some are looked for, or twice as many as these."""

_LOST_SYNC = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})

_ROLLED_BACK = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT})
"""Families of errors after which SQLite itself has rolled back, or was asked to."""


def run_transaction(connection: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    """Run ``work`` in one transaction and commit it durably.

    Raises what ``work`` raises, CommitFailed, StoreBroken, or CommitUnknown, after which the connection must not be
    used any more.
    """
    transaction = SqliteTransaction(connection)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except FAILURES as error:
        raise _failure("cannot begin a transaction", error) from error
    try:
        result = work(transaction)
        transaction.require_sound()
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.execute("COMMIT")
    except FAILURES as error:
        raise _after_failed_commit(connection, error) from error
    return result


class SqliteTransaction:
    """The port's ``Transaction``. After an error of SQLite's it can do nothing more, whatever ``work`` makes of it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._failure: StoreError | None = None
        self._connection = connection

    def head(self) -> int:
        with self._failing():
            (head,) = self._connection.execute("SELECT head FROM meta").fetchone()
        return int(head)

    def load_calls(self, keys: Collection[CallKey]) -> dict[CallKey, Call]:
        calls: dict[CallKey, Call] = {}
        with self._failing():
            for key in keys:
                row = self._connection.execute(CALL_BY_NAME, key).fetchone()
                if row is not None:
                    calls[key] = placed(self._connection, row).call
        return calls

    def load_remembered(self, keys: Collection[RequestKey], now: int) -> dict[RequestKey, Remembered]:
        found: dict[RequestKey, Remembered] = {}
        with self._failing():
            self._connection.execute(_DELETE_EXPIRED, (now, max(PURGED, 2 * len(keys))))
            for key in keys:
                row = self._connection.execute(_SELECT_REQUEST, (*key, now)).fetchone()
                if row is not None:
                    method, fingerprint, type_, id_, answer, expires_at = row
                    found[key] = Remembered(key, method, fingerprint, (type_, id_), decode_answer(answer), expires_at)
        return found

    def write(self, writes: Sequence[Write], remembered: Sequence[Remembered]) -> None:
        with self._failing():
            if writes:
                write_steps(self._connection, writes)
            if remembered:
                self._connection.executemany(_UPSERT_REQUEST, [_request_row(one) for one in remembered])

    def require_sound(self) -> None:
        """Raise what a statement failed with, if one did."""
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn an error of SQLite's into one of the port's, which also ends the transaction."""
        self.require_sound()
        try:
            yield
        except FAILURES as error:
            self._failure = _failure("a statement failed", error)
            raise self._failure from error


_SELECT_REQUEST = (
    "SELECT method, fingerprint, type, id, answer, expires_at FROM requests "
    "WHERE service_id = ? AND user_id = ? AND request_id = ? AND expires_at > ?"
)

_UPSERT_REQUEST = (
    "INSERT OR REPLACE INTO requests "
    "(service_id, user_id, request_id, method, fingerprint, type, id, answer, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_DELETE_EXPIRED = (
    "DELETE FROM requests WHERE (service_id, user_id, request_id) IN ("
    "SELECT service_id, user_id, request_id FROM requests WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"
)


def _request_row(one: Remembered) -> tuple[object, ...]:
    return (*one.key, one.method, one.fingerprint, *one.call, encode_answer(one.answer), one.expires_at)


# What is known after an error.


def _failure(what: str, error: Exception) -> StoreError:
    """Return the error of a transaction that was certainly not committed."""
    kind = StoreBroken if code(error) in _LOST_SYNC else CommitFailed
    return kind(f"{what}: {describe(error)}")


def _roll_back(connection: sqlite3.Connection) -> None:
    """Undo the transaction, if SQLite has not already; raise CommitUnknown if the connection is unusable."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except FAILURES as error:
        raise CommitUnknown(f"cannot roll back: {describe(error)}") from error


def _after_failed_commit(connection: sqlite3.Connection, error: Exception) -> StoreError:
    """Return what a failed COMMIT means.

    An I/O error leaves what is on the disk unknown for good: pages that could not be synced are dropped by the kernel.
    """
    text = f"cannot commit: {describe(error)}"
    if family(error) == sqlite3.SQLITE_IOERR:
        return StoreBroken(text)
    known = connection.in_transaction or family(error) in _ROLLED_BACK
    try:
        _roll_back(connection)
    except CommitUnknown:
        known = False
    return CommitFailed(text) if known else CommitUnknown(text)
