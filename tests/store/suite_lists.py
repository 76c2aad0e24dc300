"""Lists of calls, against the slow way to make one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from ringline_server.rules.call import Call
from ringline_server.rules.settings import SECOND
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.viewer import relation
from ringline_server.store.port import (
    ListQuery,
    Order,
    Store,
)
from tests.rules.world import START
from tests.store.book import Book
from tests.store.suite_fixtures import SuiteFixtures, uids, write_mixed_calls


class ListSuite(SuiteFixtures):
    """Every order, filter and page."""

    # Lists.

    @pytest.mark.parametrize("user", ["ann", "bob", "cid", "nobody", None])
    async def test_a_list_is_paged_in_every_order(self, store: Store, book: Book, user: str | None) -> None:
        await write_mixed_calls(store, book)
        for order in Order:
            query = ListQuery(user, order=order)
            expected = _expected(book, query)
            assert (not expected) == (user == "nobody")
            for limit in (1, 2, 3, 100):
                assert await pages(store, replace(query, limit=limit)) == expected, order

    @pytest.mark.parametrize(
        "query",
        [
            ListQuery("bob", directions=frozenset({Direction.INCOMING})),
            ListQuery("bob", directions=frozenset({Direction.OUTGOING})),
            ListQuery("bob", directions=frozenset(Direction)),
            ListQuery("bob", calling_states=frozenset({CallingState.RINGING, CallingState.JOINED})),
            ListQuery("bob", calling_states=frozenset({CallingState.LEFT})),
            ListQuery("bob", missed=True),
            ListQuery("bob", missed=True, call_states=frozenset({CallState.ENDED})),
            ListQuery("bob", call_states=frozenset({CallState.RINGING, CallState.ACTIVE})),
            ListQuery("bob", types=frozenset({"audio_room"})),
            ListQuery("bob", types=frozenset({"audio_room", "nothing"}), member_user_id="dee"),
            ListQuery("bob", created_from=START + 2 * SECOND, created_before=START + 5 * SECOND),
            ListQuery("bob", member_user_id="cid"),
            ListQuery("ann", member_user_id='o\'dd "user"'),
            ListQuery(None, member_user_id="dee"),
            ListQuery(None, member_user_id="nobody"),
            ListQuery(None, call_states=frozenset({CallState.ENDED})),
            ListQuery(None, types=frozenset({"default"}), created_from=START + 3 * SECOND),
            ListQuery(None, created_before=START + 3 * SECOND),
        ],
    )
    async def test_a_list_is_filtered_and_paged(self, store: Store, book: Book, query: ListQuery) -> None:
        await write_mixed_calls(store, book)
        for order in Order:
            ordered = replace(query, order=order)
            expected = _expected(book, ordered)
            assert len(expected) < len(_expected(book, ListQuery(query.user_id)))
            assert (not expected) == (query.member_user_id == "nobody")
            for limit in (2, 100):
                assert await pages(store, replace(ordered, limit=limit)) == expected, order


def _expected(book: Book, query: ListQuery) -> list[str]:
    return expected_list((step.call for step in book.present.values()), query)


def _key(call: Call, order: Order) -> int | None:
    match order:
        case Order.CREATED_AT_DESC | Order.CREATED_AT_ASC:
            return call.created_at
        case Order.UPDATED_AT_DESC:
            return call.updated_at
        case Order.STARTS_AT_ASC:
            return call.starts_at


def expected_list(calls: Iterable[Call], query: ListQuery) -> list[str]:
    """Return the uids of the whole list, found the slow way."""
    found = sorted(
        (call for call in calls if _listed(call, query)),
        key=lambda call: ((key := _key(call, query.order)) is None, key or 0, call.uid),
        reverse=query.order in (Order.CREATED_AT_DESC, Order.UPDATED_AT_DESC),
    )
    return [call.uid for call in found]


def _listed(call: Call, query: ListQuery) -> bool:
    if query.user_id is not None:
        row = relation(call, query.user_id)
        if not row.listed or (query.missed and not row.missed):
            return False
        if query.directions and row.direction not in query.directions:
            return False
        if query.calling_states and row.calling_state not in query.calling_states:
            return False
    return (
        (not query.call_states or call.state in query.call_states)
        and (not query.types or call.type in query.types)
        and (not query.member_user_id or query.member_user_id in call.members)
        and (query.created_from is None or call.created_at >= query.created_from)
        and (query.created_before is None or call.created_at < query.created_before)
    )


async def pages(store: Store, query: ListQuery) -> list[str]:
    """Return the uids of a list, page after page."""
    found: list[str] = []
    while page := await store.read(lambda s, q=query: s.list_calls(q)):  # type: ignore[misc]
        assert len(page) <= query.limit
        found += uids(page)
        last = page[-1].call
        query = replace(query, after=(_key(last, query.order), last.uid))
    return found
