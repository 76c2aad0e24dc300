"""Lists of calls: one statement for each combination of order and filters."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ringline_server.rules.terms import CallState
from ringline_server.store.port import ListQuery, Order
from ringline_server.store.sqlite_schema import NEVER

_STARTS_AT = f"coalesce(c.starts_at, {NEVER})"


@dataclass(slots=True)
class _Where:
    """Conditions and their parameters, in order."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)

    def add(self, condition: str, *parameters: object) -> None:
        self.conditions.append(condition)
        self.parameters += parameters

    def add_any(self, column: str, values: Collection[str]) -> None:
        """Require one of the values, if there are any."""
        if values:
            self.add(f"{column} IN ({', '.join('?' * len(values))})", *sorted(values))


def list_statement(query: ListQuery) -> tuple[str, list[object]]:
    """Return the statement for a page, whose rows are rowids of ``calls`` in order, with its parameters.

    A list is walked along an index of its order until the page is full; only a user's list by another order than the
    calls' creation is sorted as a whole.
    """
    where = _Where()
    tables, created_at, uid = "calls AS c", "c.created_at", "c.uid"
    user = query.member_user_id if query.user_id is None else query.user_id
    if user:
        # Both tables have these two; the index that a user's list is walked by has them from call_users.
        tables, created_at, uid = "call_users AS u CROSS JOIN calls AS c ON c.uid = u.uid", "u.created_at", "u.uid"
        where.add(f"u.user_id = ? AND u.{'member' if query.user_id is None else 'listed'} = 1", user)
    if query.user_id is not None:
        _add_viewer(where, query)
    _add_call(where, query, created_at)
    key, descending = {
        Order.CREATED_AT_DESC: (created_at, True),
        Order.CREATED_AT_ASC: (created_at, False),
        Order.UPDATED_AT_DESC: ("c.updated_at", True),
        Order.STARTS_AT_ASC: (_STARTS_AT, False),
    }[query.order]
    if query.after is not None:
        sign, value = "<" if descending else ">", NEVER if query.after[0] is None else query.after[0]
        # The first condition is implied by the second, which SQLite cannot look up for an expression.
        where.add(f"{key} {sign}= ? AND ({key}, {uid}) {sign} (?, ?)", value, value, query.after[1])
    condition = f"WHERE {' AND '.join(where.conditions)}" if where.conditions else ""
    direction = "DESC" if descending else "ASC"
    # All that is put together here is our own text; every value is a parameter.
    statement = f"SELECT c.rowid FROM {tables} {condition} ORDER BY {key} {direction}, {uid} {direction} LIMIT ?"  # noqa: S608
    return statement, [*where.parameters, query.limit]


def _add_viewer(where: _Where, query: ListQuery) -> None:
    """Add the filters on the viewer's own row."""
    where.add_any("u.direction", query.directions)
    where.add_any("u.calling_state", query.calling_states)
    if query.missed:
        where.add("u.missed = 1")
    if query.member_user_id:
        where.add(
            "EXISTS (SELECT 1 FROM call_users AS m "
            "WHERE m.user_id = ? AND m.created_at = u.created_at AND m.uid = u.uid AND m.member = 1)",
            query.member_user_id,
        )


def _add_call(where: _Where, query: ListQuery, created_at: str) -> None:
    """Add the filters on the call."""
    # Few calls are not ENDED and are best found by their state; a plus keeps SQLite from sorting all that are.
    where.add_any("+c.state" if CallState.ENDED in query.call_states else "c.state", query.call_states)
    where.add_any("c.type", query.types)
    if query.created_from is not None:
        where.add(f"{created_at} >= ?", query.created_from)
    if query.created_before is not None:
        where.add(f"{created_at} < ?", query.created_before)
