from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from ringline_server.rules.terms import CallingState, CallState
from ringline_server.store import sqlite_call, sqlite_snapshot, sqlite_transaction
from ringline_server.store.port import ListQuery, Order
from ringline_server.store.sqlite_list import list_statements
from ringline_server.store.sqlite_schema import bring_up_to_date


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        bring_up_to_date(connection)
        yield connection


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    numbered = 3 if "?3" in statement else statement.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * numbered).fetchall()]


_STATES = [frozenset({CallingState.RINGING}), frozenset(CallingState)]
_CALLS = [sqlite_snapshot.user_calls_statement(states) for states in _STATES]
_CHANGES = [sqlite_snapshot.user_changes_statement(states) for states in (frozenset[CallingState](), *_STATES)]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        *[(one, "call_users_by_state (user_id=? AND calling_state=?)") for one in _CALLS],
        *[(one, "call_users_by_state (user_id=? AND calling_state=? AND changed_at>?)") for one in _CHANGES],
        *[(one, "past_call_users_by_change (user_id=? AND changed_at>?)") for one in _CHANGES],
        *[(one, "call_users_by_state (user_id=? AND calling_state=? AND changed_at<?)") for one in _CHANGES[1:]],
        (sqlite_snapshot.IN_STATE, "calls_by_state (state=? AND position<?)"),
        (sqlite_snapshot.CHANGED_IN_STATE, "calls_by_state (state=? AND position>?)"),
        (sqlite_snapshot.ACTIVE_CALLS, "calls_by_state (state=?)"),
        (sqlite_snapshot.CALL_EVENTS, "events_by_call (uid=? AND seq>?)"),
        (sqlite_call.CALL_BY_NAME, "sqlite_autoindex_calls_2 (type=? AND id=?)"),
        (sqlite_call._PIECES, "PRIMARY KEY (uid=?)"),
        (sqlite_snapshot.EVENTS, "INTEGER PRIMARY KEY (rowid>?)"),
        (sqlite_transaction._DELETE_EXPIRED, "requests_by_expires_at (expires_at<?)"),
        (sqlite_transaction._SELECT_REQUEST, "PRIMARY KEY (service_id=? AND user_id=? AND request_id=?)"),
    ],
)
def test_W9_no_query_reads_more_rows_than_it_answers_with(
    connection: sqlite3.Connection, statement: str, index: str
) -> None:
    steps = plan(connection, statement)
    assert any(step.startswith("SEARCH") and step.endswith(index) for step in steps), steps
    assert not any(step.startswith("SCAN") and step != "SCAN u" for step in steps), steps


@pytest.mark.parametrize("statement", _CHANGES)
def test_W4_what_a_user_has_missed_is_not_sorted(connection: sqlite3.Connection, statement: str) -> None:
    assert not any("TEMP B-TREE" in step for step in plan(connection, statement))


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("member", ["", "bob"])
@pytest.mark.parametrize("user", ["ann", None])
@pytest.mark.parametrize("after", [None, (1, "u1"), (None, "u1")])
@pytest.mark.parametrize("states", [frozenset[CallState](), frozenset({CallState.ENDED, CallState.IDLE})])
def test_a_page_of_a_list_is_found_by_an_index(
    connection: sqlite3.Connection,
    order: Order,
    member: str,
    user: str | None,
    after: tuple[int | None, str] | None,
    states: frozenset[CallState],
) -> None:
    query = ListQuery(user, order=order, member_user_id=member, after=after, call_states=states)
    statements = [statement for statement, _ in list_statements(query)]
    assert len(statements) == (2 if user or member else 1)
    for statement in statements:
        steps = plan(connection, statement)
        if user or member:
            assert not any("SCAN" in step for step in steps), steps
        else:
            by = order.name.lower().rsplit("_", 1)[0]
            assert steps[0].startswith("SEARCH" if after else "SCAN"), steps
            assert f"calls_by_{by}" in steps[0], steps
        whole = bool(user or member) and order in (Order.UPDATED_AT_DESC, Order.STARTS_AT_ASC)
        assert any("TEMP B-TREE" in step for step in steps) == whole, steps


@pytest.mark.parametrize(
    ("states", "tables"),
    [
        (frozenset[CallState](), ["call_users", "past_call_users"]),
        (frozenset({CallState.ENDED}), ["past_call_users"]),
        (frozenset({CallState.RINGING, CallState.ACTIVE}), ["call_users"]),
        (frozenset({CallState.RINGING, CallState.ENDED}), ["call_users", "past_call_users"]),
    ],
)
def test_a_list_reads_only_where_its_states_are(states: frozenset[CallState], tables: list[str]) -> None:
    statements = [statement for statement, _ in list_statements(ListQuery("ann", call_states=states))]
    assert [statement.split(" FROM ")[1].split()[0] for statement in statements] == tables
