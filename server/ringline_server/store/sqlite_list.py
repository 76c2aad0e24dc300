"""Lists of calls: the statements for each combination of order and filters."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ringline_server.rules.terms import CallState
from ringline_server.store.port import ListQuery, Order
from ringline_server.store.sqlite_schema import NEVER

_ENDED = frozenset({CallState.ENDED})

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


def descends(order: Order) -> bool:
    """Whether the order is from high to low."""
    return order in (Order.CREATED_AT_DESC, Order.UPDATED_AT_DESC)


def list_statements(query: ListQuery) -> Iterator[tuple[str, list[object]]]:
    """Return the statements of which one page is the beginning, merged: key, uid and rowid of ``calls``, in order.

    A user's list has one for calls that have ended and one for others. A list is walked along an index of its order
    until the page is full; only a user's list by another order than the calls' creation is sorted as a whole.
    """
    if query.user_id is None and not query.member_user_id:
        yield _statement(query, "")
        return
    if query.call_states != _ENDED:
        yield _statement(query, "call_users")
    if not query.call_states or CallState.ENDED in query.call_states:
        yield _statement(query, "past_call_users")


def _statement(query: ListQuery, users: str) -> tuple[str, list[object]]:
    """Return one statement with its parameters. ``users`` is the table by which a user's calls are found."""
    where = _Where()
    tables, created_at, uid = "calls AS c", "c.created_at", "c.uid"
    if users:
        # Both tables have these two; the index that a user's list is walked by has them from the users' table.
        tables, created_at, uid = f"{users} AS u CROSS JOIN calls AS c ON c.uid = u.uid", "u.created_at", "u.uid"
        if query.user_id is None:
            where.add("u.user_id = ? AND u.member = 1", query.member_user_id)
        else:
            where.add("u.user_id = ? AND u.listed = 1", query.user_id)
            _add_viewer(where, query, users)
    _add_call(where, query, created_at)
    key = {
        Order.CREATED_AT_DESC: created_at,
        Order.CREATED_AT_ASC: created_at,
        Order.UPDATED_AT_DESC: "c.updated_at",
        Order.STARTS_AT_ASC: _STARTS_AT,
    }[query.order]
    direction, sign = ("DESC", "<") if descends(query.order) else ("ASC", ">")
    if query.after is not None:
        value = NEVER if query.after[0] is None else query.after[0]
        # The first condition is implied by the second, which SQLite cannot look up for an expression.
        where.add(f"{key} {sign}= ? AND ({key}, {uid}) {sign} (?, ?)", value, value, query.after[1])
    condition = f"WHERE {' AND '.join(where.conditions)}" if where.conditions else ""
    # All that is put together here is our own text; every value is a parameter.
    statement = (
        f"SELECT {key}, {uid}, c.rowid FROM {tables} {condition} "  # noqa: S608
        f"ORDER BY {key} {direction}, {uid} {direction} LIMIT ?"
    )
    return statement, [*where.parameters, query.limit]


def _add_viewer(where: _Where, query: ListQuery, users: str) -> None:
    """Add the filters on the viewer's own row."""
    where.add_any("u.direction", query.directions)
    where.add_any("u.calling_state", query.calling_states)
    if query.missed:
        where.add("u.missed = 1")
    if query.member_user_id:
        where.add(
            f"EXISTS (SELECT 1 FROM {users} AS m "  # noqa: S608 -- a table's name
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
