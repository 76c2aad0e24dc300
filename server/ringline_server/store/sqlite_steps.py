"""Writing a batch of steps: of each table, only the rows that are others after all of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from ringline_server.rules.call import Call
from ringline_server.rules.viewer import Relation
from ringline_server.store.codec import encode_call, encode_events
from ringline_server.store.codec_large import is_large, pieces
from ringline_server.store.port import CallKey, Write

Row = tuple[object, ...]


def write_steps(connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
    """Write the steps, at least one, in order; a later one of the same call replaces what the earlier one left.

    Raises sqlite3.Error, also if a call that changed is not there.
    """
    stored: dict[str, Call | None] = {}
    latest: dict[str, Write] = {}
    present: dict[tuple[str, str], Row] = {}
    past: dict[tuple[str, str], Row] = {}
    due: dict[CallKey, int | None] = {}
    events: list[Row] = []
    for write in writes:
        step, call = write.step, write.step.call
        stored.setdefault(call.uid, step.before)
        latest[call.uid] = write
        last = step.events[-1]
        events.append((step.position, last.uid, last.seq, last.time, encode_events(step.events)))
        for user, relation in write.relations:
            now, other = (past, present) if relation.ended else (present, past)
            now[user, call.uid] = _user_row(user, call, relation, step.position)
            other.pop((user, call.uid), None)
        if write.due_changed:
            due[call.type, call.id] = write.due
    _write_calls(connection, stored, latest)
    _write_pieces(connection, stored, latest)
    _write_users(connection, present.values(), past.values(), latest)
    many = connection.executemany
    many("INSERT INTO events (position, uid, seq, time, body) VALUES (?, ?, ?, ?, ?)", events)
    many(_UPSERT_TIMER, [(*key, at) for key, at in due.items() if at is not None])
    many("DELETE FROM timers WHERE type = ? AND id = ?", [key for key, at in due.items() if at is None])
    connection.execute("UPDATE meta SET head = ?", (writes[-1].step.position,))


def _user_row(user: str, call: Call, relation: Relation, position: int) -> Row:
    # Plain numbers and texts: for all else Python looks for an adapter, which takes longer than to write.
    return (
        user,
        call.created_at,
        call.uid,
        str(relation.calling_state),
        None if relation.direction is None else str(relation.direction),
        relation.last_ring,
        int(relation.missed),
        int(relation.listed),
        int(relation.member),
        position,
    )


def _write_calls(
    connection: sqlite3.Connection, stored: Mapping[str, Call | None], latest: Mapping[str, Write]
) -> None:
    created, changed, moved = [], [], []
    for uid, write in latest.items():
        before, call = stored[uid], write.step.call
        large = is_large(call)
        row = (write.step.position, str(call.state), call.updated_at, int(large), encode_call(call, large=large), uid)
        if before is None:
            created.append((*row, call.starts_at, call.type, call.id, call.created_at))
            continue
        changed.append(row)
        if before.starts_at != call.starts_at:
            moved.append((call.starts_at, uid))
    connection.executemany(_INSERT_CALL, created)
    if not changed:
        return
    updated = connection.executemany(_UPDATE_CALL, changed)
    if updated.rowcount != len(changed):
        raise sqlite3.IntegrityError(f"{len(changed)} calls changed and only {updated.rowcount} are there")
    # By itself: naming the column, even with the value that it has, makes SQLite write its index anew.
    connection.executemany("UPDATE calls SET starts_at = ? WHERE uid = ?", moved)


def _write_pieces(
    connection: sqlite3.Connection, stored: Mapping[str, Call | None], latest: Mapping[str, Write]
) -> None:
    """Write of large calls what is other than it is stored."""
    cut: list[Row] = []
    written: list[Row] = []
    for uid, write in latest.items():
        before, call = stored[uid], write.step.call
        if is_large(call) or (before is not None and is_large(before)):
            found = pieces(before, call)
            cut += [(uid, *one) for one in found.cut]
            written += [(uid, *one) for one in found.written]
    connection.executemany("DELETE FROM call_pieces WHERE uid = ? AND part = ? AND ring = ? AND number >= ?", cut)
    connection.executemany(
        "INSERT OR REPLACE INTO call_pieces (uid, part, ring, number, body) VALUES (?, ?, ?, ?, ?)", written
    )


def _write_users(
    connection: sqlite3.Connection, present: Iterable[Row], past: Collection[Row], latest: Mapping[str, Write]
) -> None:
    """Write what calls that have not ended, and calls that have, are to users; a row is in one of the two tables."""
    rows = list(present)
    connection.executemany(_UPSERT_CALL_USER, rows)
    # Only a call in its second session or a later one can have ended before.
    again = [row[:3] for row in rows if latest[str(row[2])].step.call.session > 1]
    connection.executemany(_DELETE_PAST_CALL_USER, again)
    connection.executemany(_UPSERT_PAST_CALL_USER, past)
    connection.executemany(_DELETE_CALL_USER, [row[:3] for row in past])


_INSERT_CALL = (
    "INSERT INTO calls (position, state, updated_at, large, body, uid, starts_at, type, id, created_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_UPDATE_CALL = "UPDATE calls SET position = ?, state = ?, updated_at = ?, large = ?, body = ? WHERE uid = ?"

_UPSERT_CALL_USER = (
    "INSERT INTO call_users "
    "(user_id, created_at, uid, calling_state, direction, last_ring, missed, listed, member, changed_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calling_state = excluded.calling_state, "
    "direction = excluded.direction, last_ring = excluded.last_ring, missed = excluded.missed, "
    "listed = excluded.listed, member = excluded.member, changed_at = excluded.changed_at"
)

_DELETE_CALL_USER = "DELETE FROM call_users WHERE user_id = ? AND created_at = ? AND uid = ?"

_UPSERT_PAST_CALL_USER = _UPSERT_CALL_USER.replace("call_users", "past_call_users")

_DELETE_PAST_CALL_USER = _DELETE_CALL_USER.replace("call_users", "past_call_users")

_UPSERT_TIMER = "INSERT INTO timers (type, id, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET due = excluded.due"
