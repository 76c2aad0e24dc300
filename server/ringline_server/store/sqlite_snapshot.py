"""A consistent view for reading, on a connection that can only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from ringline_server.rules.outcome import Event
from ringline_server.rules.terms import CallingState, CallState
from ringline_server.store.codec import decode_events
from ringline_server.store.port import CallKey, ListQuery, Placed, Snapshot, StoreError, Timer
from ringline_server.store.sqlite_call import CALL_BY_NAME, CALL_BY_ROW, placed
from ringline_server.store.sqlite_errors import describe
from ringline_server.store.sqlite_list import descends, list_statements

T = TypeVar("T")

_NEWEST = 2**63 - 1
"""Above every position."""


def run_reads(
    connection: sqlite3.Connection, works: Sequence[Callable[[Snapshot], object]]
) -> list[tuple[object, Exception | None]]:
    """Run all of it in one read transaction, which is over when this returns; return what each returned, or raised.

    An error of SQLite's is a StoreError. Raises StoreError if there can be no transaction.
    """
    try:
        connection.execute("BEGIN")
        try:
            snapshot = SqliteSnapshot(connection)
            return [_result(work, snapshot) for work in works]
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _cannot_read(error) from error


def _result(work: Callable[[Snapshot], object], snapshot: Snapshot) -> tuple[object, Exception | None]:
    try:
        return work(snapshot), None
    except sqlite3.Error as error:
        failure = _cannot_read(error)
        failure.__cause__ = error
        return None, failure
    except Exception as error:  # noqa: BLE001 -- it belongs to who asked for this one
        return None, error


def _cannot_read(error: sqlite3.Error) -> StoreError:
    return StoreError(f"cannot read: {describe(error)}")


class SqliteSnapshot:
    """The port's ``Snapshot``. Rows are read before a method returns: a statement left open would hold up the log."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        # Many reads share a view, and ask for these.
        self._head: int | None = None
        self._oldest: tuple[int, int] | None = None

    def head(self) -> int:
        if self._head is None:
            (self._head,) = self._execute("SELECT head FROM meta").fetchone()
        return int(self._head)

    def oldest(self) -> tuple[int, int] | None:
        if self._oldest is None:
            row = self._execute("SELECT position, body FROM events ORDER BY position LIMIT 1").fetchone()
            if row is not None:
                events = decode_events(row[1])
                self._oldest = row[0] - len(events) + 1, events[0].time
        return self._oldest

    def call(self, key: CallKey) -> Placed | None:
        row = self._execute(CALL_BY_NAME, key).fetchone()
        return None if row is None else placed(self._connection, row)

    def calls(self, keys: Collection[CallKey]) -> list[Placed]:
        return [one for key in dict.fromkeys(keys) if (one := self.call(key)) is not None]

    def user_calls(self, user_id: str, states: Collection[CallingState], limit: int) -> list[Placed]:
        if not states:
            return []
        statement = user_calls_statement(frozenset(states))
        return self._placed(row for _, row in self._execute(statement, (user_id, limit)).fetchall())

    def user_changes(
        self, user_id: str, states: Collection[CallingState], after: int, limit: int
    ) -> tuple[list[Placed], list[Placed]]:
        statement = user_changes_statement(frozenset(states))
        own: list[Placed] = []
        others: list[Placed] = []
        for row in self._execute(statement, (user_id, after, limit)).fetchall():
            (own if row[4] else others).append(placed(self._connection, row[:4]))
        return own, others

    def calls_in_states(self, states: Collection[CallState], before: int | None, limit: int) -> list[Placed]:
        below = _NEWEST if before is None else before
        rows = [row for state in states for row in self._execute(IN_STATE, (state, below, limit)).fetchall()]
        rows.sort(reverse=True)
        return self._placed(row for _, row in rows[:limit])

    def changed_calls(self, after: int, limit: int) -> list[Placed]:
        rows = [row for state in CallState for row in self._execute(CHANGED_IN_STATE, (state, after, limit)).fetchall()]
        rows.sort()
        return self._placed(row for _, row in rows[:limit])

    def list_calls(self, query: ListQuery) -> list[Placed]:
        rows = [row for parts in list_statements(query) for row in self._execute(*parts).fetchall()]
        rows.sort(reverse=descends(query.order))
        return self._placed(row for *_, row in rows[: query.limit])

    def call_events(self, uid: str, after_seq: int, limit: int) -> list[Event]:
        steps = self._execute(CALL_EVENTS, (uid, after_seq, limit)).fetchall()
        return [event for (body,) in steps for event in decode_events(body) if event.seq > after_seq][:limit]

    def events(self, after: int, limit: int) -> list[tuple[int, Event]]:
        found: list[tuple[int, Event]] = []
        for last, body in self._execute(EVENTS, (after, limit)).fetchall():
            events = decode_events(body)
            placed = enumerate(events, start=last - len(events) + 1)
            found += [one for one in placed if one[0] > after]
            if len(found) >= limit:
                break
        return found[:limit]

    def timers(self) -> Iterator[Timer]:
        rows = self._execute("SELECT type, id, due FROM timers").fetchall()
        return (Timer((type_, id_), due) for type_, id_, due in rows)

    def participant_calls(self) -> Iterable[CallKey]:
        return [(type_, id_) for type_, id_ in self._execute(ACTIVE_CALLS).fetchall()]

    def _placed(self, rows: Iterable[int]) -> list[Placed]:
        """Return the calls in these rows of ``calls``, in the same order."""
        return [placed(self._connection, self._execute(CALL_BY_ROW, (row,)).fetchone()) for row in rows]


# Most of these only pick and sort rows, from indexes as far as can be; what is left is then read whole. CROSS JOIN and
# INDEXED BY hold the planner to the index that makes the cost independent of a user's history (W9).

_USER_CALLS = (
    "SELECT c.position, c.rowid FROM call_users AS u INDEXED BY call_users_by_state CROSS JOIN calls AS c "
    "ON c.uid = u.uid WHERE u.user_id = ? AND u.calling_state IN ({}) ORDER BY c.position DESC LIMIT ?"
)


@cache
def user_calls_statement(states: frozenset[CallingState]) -> str:
    """Return the statement with the states in it: binding them at each read takes a third of the read's time."""
    return _USER_CALLS.format(_named(states))


def _named(states: Iterable[CallingState]) -> str:
    return ", ".join([repr(str(state)) for state in states])


# All states, named: with them the index is searched for what is newer. Not sorted: for nearly all users nothing is
# found, and then preparing to sort would take as long as all the rest.
_OWN_CHANGES = (
    "SELECT 1 AS is_own, uid FROM call_users INDEXED BY call_users_by_state WHERE user_id = ?1 "  # noqa: S608 -- the rules' own words
    f"AND calling_state IN ({_named(CallingState)}) AND changed_at > ?2 "
    "UNION ALL "
    "SELECT 1, uid FROM past_call_users INDEXED BY past_call_users_by_change WHERE user_id = ?1 AND changed_at > ?2"
)

# Calls that changed while the user's row did not.
_OTHER_CHANGES = (
    " UNION ALL "
    "SELECT 0, o.uid FROM call_users AS o INDEXED BY call_users_by_state CROSS JOIN calls AS p ON p.uid = o.uid "
    "WHERE o.user_id = ?1 AND o.calling_state IN ({}) AND o.changed_at <= ?2 AND p.position > ?2"
)


@cache
def user_changes_statement(states: frozenset[CallingState]) -> str:
    """Return the statement with the states in it; its parameters are user, position and limit."""
    changes = _OWN_CHANGES + (_OTHER_CHANGES.format(_named(states)) if states else "")
    return (
        f"SELECT c.position, c.uid, c.large, c.body, u.is_own FROM ({changes} LIMIT ?3) AS u "  # noqa: S608 -- as above
        "CROSS JOIN calls AS c ON c.uid = u.uid"
    )


# One statement for each state, merged by the caller: SQLite would sort all rows of all the states.

IN_STATE = "SELECT position, rowid FROM calls WHERE state = ? AND position < ? ORDER BY position DESC LIMIT ?"

CHANGED_IN_STATE = "SELECT position, rowid FROM calls WHERE state = ? AND position > ? ORDER BY position LIMIT ?"

CALL_EVENTS = "SELECT body FROM events WHERE uid = ? AND seq > ? ORDER BY seq LIMIT ?"

EVENTS = "SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?"

ACTIVE_CALLS = "SELECT type, id FROM calls WHERE state = 'ACTIVE'"
