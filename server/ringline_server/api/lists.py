"""ListCalls: pages of the calls that a viewer may read (P2, W10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace

from ringline_server.api.encode import CallEncoder
from ringline_server.api.identity import Identity
from ringline_server.api.page_token import bad_token, make_token, read_token, viewer_name
from ringline_server.api.port import RequestContext, Unary
from ringline_server.api.requests import list_calls_request
from ringline_server.api.rpc import note_actor
from ringline_server.api.splice import message_field, text_field
from ringline_server.engine.port import CallTypes
from ringline_server.rules.access import readable
from ringline_server.rules.call import Call
from ringline_server.rules.context import Actor
from ringline_server.store.port import ListQuery, Order, Store

MAX_PAGE_BYTES = 2 * 1024 * 1024 - 4096
"""A page ends before it would take more; the rest is room for its token."""

MAX_READS = 10
"""How often the store is asked for one page when the viewer may not read much of what is listed for them."""

_SORT_KEYS: dict[Order, Callable[[Call], int | None]] = {
    Order.CREATED_AT_DESC: lambda call: call.created_at,
    Order.CREATED_AT_ASC: lambda call: call.created_at,
    Order.UPDATED_AT_DESC: lambda call: call.updated_at,
    Order.STARTS_AT_ASC: lambda call: call.starts_at,
}

Place = tuple[int | None, str]


def list_calls_rpc(store: Store, identity: Identity, encoder: CallEncoder, call_types: CallTypes) -> Unary:
    """Return the RPC."""

    async def handle(context: RequestContext, data: bytes) -> bytes:
        actor = identity.identify(context)
        note_actor(context, actor)
        query, token = list_calls_request(data, actor, call_types)
        known_by = ("calls", viewer_name(actor), _fingerprint(query))
        if token:
            after = read_token(token, *known_by)
            if after is None:
                raise bad_token("page_token")
            query = replace(query, after=after)
        page = _Page(encoder, actor, call_types)
        end = await page.fill(store, query)
        return b"".join(page.items) + (text_field(2, make_token(end, *known_by)) if end else b"")

    return handle


class _Page:
    """A page being filled."""

    def __init__(self, encoder: CallEncoder, actor: Actor, call_types: CallTypes) -> None:
        self.items: list[bytes] = []
        self._size = 0
        self._encoder = encoder
        self._actor = actor
        self._call_types = call_types

    async def fill(self, store: Store, query: ListQuery) -> Place | None:
        """Take calls until the page is full; return where the next one begins, or None at the end of the list.

        The next page may turn out to be empty: whether there is more is looked at before whether it may be read.
        """
        wanted, sort_key = query.limit, _SORT_KEYS[query.order]
        for _ in range(MAX_READS):
            asked = replace(query, limit=wanted - len(self.items) + 1)
            rows = await store.read(lambda snapshot, asked=asked: snapshot.list_calls(asked))  # type: ignore[misc]
            for placed in rows:
                if len(self.items) == wanted or not self._add(placed.call):
                    return query.after
                query = replace(query, after=(sort_key(placed.call), placed.call.uid))
            if len(rows) < asked.limit:
                return None
        return query.after

    def _add(self, call: Call) -> bool:
        """Add a call if its viewer may read it; return whether there was room for it."""
        call_type = self._call_types.get(call.type)
        # A type that the operator has taken out of use grants nothing to anybody.
        if call_type is None or not readable(call, self._actor, call_type):
            return True
        item = message_field(1, b"".join(self._encoder.seen(call, self._actor)))
        if self.items and self._size + len(item) > MAX_PAGE_BYTES:
            return False
        self.items.append(item)
        self._size += len(item)
        return True


def _fingerprint(query: ListQuery) -> object:
    """Return what is the same for every page of a list."""
    return [
        sorted(value) if isinstance(value, frozenset) else value
        for value in astuple(replace(query, limit=0, after=None))
    ]
