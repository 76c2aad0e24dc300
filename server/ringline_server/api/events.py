"""ListCallEvents and ListEvents: what happened, as far as it is kept."""

from __future__ import annotations

from collections.abc import Sequence

from ringline_server.api.errors import fail, moment
from ringline_server.api.identity import Identity
from ringline_server.api.lists import MAX_PAGE_BYTES
from ringline_server.api.messages import event_bytes
from ringline_server.api.page_token import bad_token, make_token, read_number, viewer_name
from ringline_server.api.port import RequestContext, Unary
from ringline_server.api.requests import PageRequest, list_call_events_request, list_events_request
from ringline_server.api.rpc import note, note_actor
from ringline_server.api.splice import message_field, text_field
from ringline_server.engine.port import CallTypes
from ringline_server.rules.access import require_readable
from ringline_server.rules.context import Actor, Context
from ringline_server.rules.outcome import Event, MetadataValue
from ringline_server.rules.terms import Reason
from ringline_server.store.port import Snapshot, Store


def list_call_events_rpc(store: Store, identity: Identity, call_types: CallTypes) -> Unary:
    """Return the RPC: one call's timeline, for whoever may read the call."""

    async def handle(context: RequestContext, data: bytes) -> bytes:
        actor = identity.identify(context)
        note_actor(context, actor)
        request = list_call_events_request(data, call_types)
        type_, id_ = request.key
        note(context, cid=f"{type_}:{id_}")
        viewer = Context(actor, call_types[type_])
        uid, events = await store.read(lambda snapshot: _call_events(snapshot, request, viewer, store.epoch))
        page = _page(events, request.page_size)
        if len(page) == len(events):
            return b"".join(page)
        token = make_token(events[len(page) - 1].seq, *_timeline(store.epoch, actor, uid))
        return b"".join(page) + text_field(2, token)

    return handle


def list_events_rpc(store: Store, identity: Identity) -> Unary:
    """Return the RPC: every event of every call, for a service that names no user (W10)."""

    async def handle(context: RequestContext, data: bytes) -> bytes:
        actor = identity.identify(context)
        note_actor(context, actor)
        token, page_size = list_events_request(data)
        if not actor.is_service_itself:
            raise fail(
                Reason.NOT_ALLOWED,
                "Only a service that names no user may list every event. Leave out x-user-id and use a service's "
                "credentials, or list one call's with ListCallEvents.",
            )
        after = None
        if token:
            after = read_number(token, "events", store.epoch)
            if after is None:
                raise bad_token("after_token")
        reached, rows = await store.read(lambda snapshot: _events(snapshot, after, page_size))
        page = _page([event for _, event in rows], page_size)
        if page:
            reached = rows[len(page) - 1][0]
        return b"".join(page) + text_field(2, make_token(reached, "events", store.epoch))

    return handle


def _call_events(snapshot: Snapshot, request: PageRequest, viewer: Context, epoch: str) -> tuple[str, list[Event]]:
    """Return the call's uid and one event more than the page holds, if there are as many."""
    placed = snapshot.call(request.key)
    call = require_readable(placed.call if placed else None, viewer)
    after = 0
    if request.page_token:
        number = read_number(request.page_token, *_timeline(epoch, viewer.actor, call.uid))
        if number is None:
            raise bad_token("page_token")
        after = number
    return call.uid, snapshot.call_events(call.uid, after, request.page_size + 1)


def _timeline(epoch: str, actor: Actor, uid: str) -> tuple[str, ...]:
    """Return what a page token of a call's events belongs to."""
    return ("call_events", epoch, viewer_name(actor), uid)


def _events(snapshot: Snapshot, after: int | None, limit: int) -> tuple[int, list[tuple[int, Event]]]:
    """Return the place reached if there are no events, and the events after the place given."""
    head, oldest = snapshot.head(), snapshot.oldest()
    if after is None:
        return head, snapshot.events(0, limit)
    if after > head:
        raise bad_token("after_token")
    if after < head and (oldest is None or oldest[0] > after + 1):
        kept: dict[str, MetadataValue] = {} if oldest is None else {"oldest_time": moment(oldest[1])}
        raise fail(
            "EVENTS_GONE",
            "Events after this token are not kept any more, so that some are lost to you. Start anew with an empty "
            "after_token.",
            metadata=kept,
        )
    return after, snapshot.events(after, limit)


def _page(events: Sequence[Event], limit: int) -> list[bytes]:
    """Return the events that fit into one page, as fields of the answer: at least one, if there is one."""
    page: list[bytes] = []
    size = 0
    for event in events[:limit]:
        field = message_field(1, event_bytes(event))
        size += len(field)
        if page and size > MAX_PAGE_BYTES:
            break
        page.append(field)
    return page
