"""One durable transaction on the writer's thread: what it can do, how it ends, and what is known when it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ringline_server.rules.call import Call
from ringline_server.store.codec import decode_answer, encode_answer, encode_call, encode_events
from ringline_server.store.codec_large import is_large, pieces
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

T = TypeVar("T")

PURGED = 64
"""How many expired request ids are removed when some are looked for, or twice as many as these."""

# Running out of memory in SQLite is a MemoryError in Python.
_Failure = (sqlite3.Error, MemoryError)

_PRIMARY = 0xFF
"""The part of an extended error code that names its family."""

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
    except _Failure as error:
        raise _failure("cannot begin a transaction", error) from error
    try:
        result = work(transaction)
        transaction.require_sound()
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.execute("COMMIT")
    except _Failure as error:
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
                self._write_steps(writes)
            if remembered:
                self._connection.executemany(_UPSERT_REQUEST, [_request_row(one) for one in remembered])

    def require_sound(self) -> None:
        """Raise what a statement failed with, if one did."""
        if self._failure is not None:
            raise self._failure

    def _write_steps(self, writes: Sequence[Write]) -> None:
        created: dict[str, Write] = {}
        changed: dict[str, Write] = {}
        stored: dict[str, Call | None] = {}
        moved: set[str] = set()
        relations: dict[tuple[str, str], tuple[bool, tuple[object, ...]]] = {}
        due: dict[CallKey, int | None] = {}
        events: list[tuple[object, ...]] = []
        for write in writes:
            step, call = write.step, write.step.call
            into = created if step.before is None or call.uid in created else changed
            into[call.uid] = write
            stored.setdefault(call.uid, step.before)
            if step.before is not None and step.before.starts_at != call.starts_at:
                moved.add(call.uid)
            last = step.events[-1]
            events.append((step.position, last.uid, last.seq, last.time, encode_events(step.events)))
            for user, relation in write.relations:
                # Plain numbers and texts: for all else Python looks for an adapter, which takes longer than to write.
                relations[user, call.uid] = (
                    relation.ended,
                    (
                        user,
                        call.uid,
                        str(relation.calling_state),
                        None if relation.direction is None else str(relation.direction),
                        relation.last_ring,
                        int(relation.missed),
                        int(relation.listed),
                        int(relation.member),
                        call.created_at,
                        step.position,
                    ),
                )
            if write.due_changed:
                due[call.type, call.id] = write.due
        self._write_calls(created, changed, moved)
        self._write_pieces(stored, {**created, **changed})
        again = {uid for uid, write in {**created, **changed}.items() if write.step.call.session > 1}
        self._write_users(relations.values(), again)
        many = self._connection.executemany
        many("INSERT INTO events (position, uid, seq, time, body) VALUES (?, ?, ?, ?, ?)", events)
        many(_UPSERT_TIMER, [(*key, at) for key, at in due.items() if at is not None])
        many("DELETE FROM timers WHERE type = ? AND id = ?", [key for key, at in due.items() if at is None])
        self._connection.execute("UPDATE meta SET head = ?", (writes[-1].step.position,))

    def _write_calls(self, created: dict[str, Write], changed: dict[str, Write], moved: set[str]) -> None:
        self._connection.executemany(
            "INSERT INTO calls (position, state, updated_at, large, body, uid, starts_at, type, id, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*_changed_row(write), call.starts_at, call.type, call.id, call.created_at)
                for write in created.values()
                for call in (write.step.call,)
            ],
        )
        if not changed:
            return
        updated = self._connection.executemany(
            "UPDATE calls SET position = ?, state = ?, updated_at = ?, large = ?, body = ? WHERE uid = ?",
            [_changed_row(write) for write in changed.values()],
        )
        if updated.rowcount != len(changed):
            raise sqlite3.IntegrityError(f"{len(changed)} calls changed and only {updated.rowcount} are there")
        # By itself: naming the column, even with the value that it has, makes SQLite write its index anew.
        self._connection.executemany(
            "UPDATE calls SET starts_at = ? WHERE uid = ?",
            [(write.step.call.starts_at, uid) for uid, write in changed.items() if uid in moved],
        )

    def _write_pieces(self, stored: Mapping[str, Call | None], writes: Mapping[str, Write]) -> None:
        """Write of large calls what is other than it is stored."""
        cut: list[tuple[object, ...]] = []
        written: list[tuple[object, ...]] = []
        for uid, write in writes.items():
            before, call = stored[uid], write.step.call
            if is_large(call) or (before is not None and is_large(before)):
                found = pieces(before, call)
                cut += [(uid, *one) for one in found.cut]
                written += [(uid, *one) for one in found.written]
        self._connection.executemany(
            "DELETE FROM call_pieces WHERE uid = ? AND part = ? AND ring = ? AND number >= ?", cut
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO call_pieces (uid, part, ring, number, body) VALUES (?, ?, ?, ?, ?)", written
        )

    def _write_users(self, rows: Collection[tuple[bool, tuple[object, ...]]], again: Collection[str]) -> None:
        """Write what calls are to users, each with whether the call has ended.

        ``again`` are the calls in their second session or a later one: only they can have rows of the past that are
        none any more.
        """
        present = [row for is_over, row in rows if not is_over]
        past = [row for is_over, row in rows if is_over]
        many = self._connection.executemany
        if present:
            many(_UPSERT_CALL_USER, present)
            if again:
                many(_DELETE_PAST_CALL_USER, [(row[0], row[-2], row[1]) for row in present if row[1] in again])
        if past:
            many(_UPSERT_PAST_CALL_USER, past)
            many(_DELETE_CALL_USER, [(row[0], row[-2], row[1]) for row in past])

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn an error of SQLite's into one of the port's, which also ends the transaction."""
        self.require_sound()
        try:
            yield
        except _Failure as error:
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

_UPSERT_TIMER = "INSERT INTO timers (type, id, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET due = excluded.due"

_UPSERT_CALL_USER = (
    "INSERT INTO call_users "
    "(user_id, uid, calling_state, direction, last_ring, missed, listed, member, created_at, changed_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calling_state = excluded.calling_state, "
    "direction = excluded.direction, last_ring = excluded.last_ring, missed = excluded.missed, "
    "listed = excluded.listed, member = excluded.member, changed_at = excluded.changed_at"
)

_DELETE_CALL_USER = "DELETE FROM call_users WHERE user_id = ? AND created_at = ? AND uid = ?"

_UPSERT_PAST_CALL_USER = _UPSERT_CALL_USER.replace("call_users", "past_call_users")

_DELETE_PAST_CALL_USER = _DELETE_CALL_USER.replace("call_users", "past_call_users")


def _changed_row(write: Write) -> tuple[object, ...]:
    call = write.step.call
    return (write.step.position, str(call.state), call.updated_at, int(is_large(call)), encode_call(call), call.uid)


def _request_row(one: Remembered) -> tuple[object, ...]:
    return (*one.key, one.method, one.fingerprint, *one.call, encode_answer(one.answer), one.expires_at)


# What is known after an error.


def _failure(what: str, error: Exception) -> StoreError:
    """Return the error of a transaction that was certainly not committed."""
    kind = StoreBroken if _code(error) in _LOST_SYNC else CommitFailed
    return kind(f"{what}: {describe(error)}")


def _roll_back(connection: sqlite3.Connection) -> None:
    """Undo the transaction, if SQLite has not already; raise CommitUnknown if the connection is unusable."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except _Failure as error:
        raise CommitUnknown(f"cannot roll back: {describe(error)}") from error


def _after_failed_commit(connection: sqlite3.Connection, error: Exception) -> StoreError:
    """Return what a failed COMMIT means.

    An I/O error leaves what is on the disk unknown for good: pages that could not be synced are dropped by the kernel.
    """
    text = f"cannot commit: {describe(error)}"
    if is_io_error(error):
        return StoreBroken(text)
    family = _code(error) & _PRIMARY
    known = connection.in_transaction or family in _ROLLED_BACK
    try:
        _roll_back(connection)
    except CommitUnknown:
        known = False
    return CommitFailed(text) if known else CommitUnknown(text)


def _code(error: Exception) -> int:
    if isinstance(error, MemoryError):
        return sqlite3.SQLITE_NOMEM
    return getattr(error, "sqlite_errorcode", -1)


def is_io_error(error: Exception) -> bool:
    """Whether the disk has failed."""
    return _code(error) & _PRIMARY == sqlite3.SQLITE_IOERR


def describe(error: Exception) -> str:
    """Return SQLite's name of the error, and its text."""
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
