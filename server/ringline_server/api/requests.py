"""What the RPCs that only read are asked for, checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ringline.v1 import call_pb2, call_service_pb2
from ringline_server.api.splice import enum_terms
from ringline_server.api.validate import Checks, parse
from ringline_server.hub.filter import Filter
from ringline_server.rules.context import Actor
from ringline_server.rules.settings import SECOND
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.value import replace, value
from ringline_server.store.port import CallKey, ListQuery, Order

MIN_HEARTBEAT = 5 * SECOND
MAX_HEARTBEAT = 60 * SECOND
DEFAULT_HEARTBEAT = 15 * SECOND

_CALL_STATES = enum_terms(call_pb2.CallState, "CALL_STATE", CallState)
_CALLING_STATES = enum_terms(call_pb2.CallingState, "CALLING_STATE", CallingState)
_DIRECTIONS = enum_terms(call_pb2.CallDirection, "CALL_DIRECTION", Direction)
_ORDERS = {
    call_service_pb2.CALL_ORDER_CREATED_AT_DESC: Order.CREATED_AT_DESC,
    call_service_pb2.CALL_ORDER_CREATED_AT_ASC: Order.CREATED_AT_ASC,
    call_service_pb2.CALL_ORDER_UPDATED_AT_DESC: Order.UPDATED_AT_DESC,
    call_service_pb2.CALL_ORDER_STARTS_AT_ASC: Order.STARTS_AT_ASC,
}
_ORDER_NUMBERS = {int(number): order for number, order in _ORDERS.items()}

_USERS_ONLY = "must be left out by a service that names no user: it is about one user's side of a call"


@value
class WatchRequest:
    """A checked ``WatchCallsRequest``."""

    actor: Actor
    """On the device that watches."""
    filter: Filter
    resume_token: str
    heartbeat: int
    """In microseconds."""


@value
class PageRequest:
    """Which page of a call's events to return."""

    key: CallKey
    page_size: int
    page_token: str


def on_device(actor: Actor, device_id: str) -> Actor:
    """Return the actor on the device that a request names, else on that of the metadata."""
    return replace(actor, device_id=device_id) if device_id else actor


def watch_request(data: bytes, actor: Actor, call_types: Collection[str]) -> WatchRequest:
    """Return what a ``WatchCallsRequest`` asks for; raise RpcError that names all its bad fields."""
    request = parse(call_service_pb2.WatchCallsRequest, data)
    checks = Checks(call_types)
    _check_side(checks, request, actor)
    if request.call_states and not actor.is_service_itself:
        checks.bad("call_states", "must be left out by a user: it is for services that name no user")
    device_id = checks.optional_id("device_id", request.device_id)
    heartbeat = DEFAULT_HEARTBEAT
    if request.HasField("heartbeat_interval"):
        heartbeat = checks.duration("heartbeat_interval", request.heartbeat_interval, MIN_HEARTBEAT, MAX_HEARTBEAT)
    filter_ = Filter.of(
        directions=checks.terms("directions", request.directions, _DIRECTIONS),
        calling_states=checks.terms("calling_states", request.calling_states, _CALLING_STATES),
        call_states=checks.terms("call_states", request.call_states, _CALL_STATES),
        types=checks.types("types", request.types),
        cids=_cids(checks, request.cids),
    )
    checks.done()
    return WatchRequest(on_device(actor, device_id), filter_, request.resume_token, heartbeat)


def list_calls_request(data: bytes, actor: Actor, call_types: Collection[str]) -> tuple[ListQuery, str]:
    """Return what a ``ListCallsRequest`` asks for, and its page token; raise RpcError that names all its bad fields."""
    request = parse(call_service_pb2.ListCallsRequest, data)
    checks = Checks(call_types)
    _check_side(checks, request, actor)
    if request.missed and actor.is_service_itself:
        checks.bad("missed", _USERS_ONLY)
    after = before = None
    if request.HasField("created_after"):
        after = checks.timestamp("created_after", request.created_after, up=True)
    if request.HasField("created_before"):
        before = checks.timestamp("created_before", request.created_before, up=True)
    query = ListQuery(
        user_id=None if actor.is_service_itself else actor.user_id,
        directions=checks.terms("directions", request.directions, _DIRECTIONS),
        calling_states=checks.terms("calling_states", request.calling_states, _CALLING_STATES),
        missed=request.missed,
        call_states=checks.terms("call_states", request.call_states, _CALL_STATES),
        types=checks.types("types", request.types),
        member_user_id=checks.optional_id("member_user_id", request.member_user_id),
        created_from=after,
        created_before=before,
        order=checks.term("order", request.order, _ORDER_NUMBERS, Order.CREATED_AT_DESC),
        limit=checks.page_size(request.page_size),
    )
    checks.done()
    return query, request.page_token


def list_call_events_request(data: bytes, call_types: Collection[str]) -> PageRequest:
    """Return what a ``ListCallEventsRequest`` asks for; raise RpcError that names all its bad fields."""
    request = parse(call_service_pb2.ListCallEventsRequest, data)
    checks = Checks(call_types)
    key = checks.type("type", request.type), checks.id("id", request.id)
    page_size = checks.page_size(request.page_size)
    checks.done()
    return PageRequest(key, page_size, request.page_token)


def list_events_request(data: bytes) -> tuple[str, int]:
    """Return token and page size of a ``ListEventsRequest``; raise RpcError that names all its bad fields."""
    request = parse(call_service_pb2.ListEventsRequest, data)
    checks = Checks(())
    page_size = checks.page_size(request.page_size)
    checks.done()
    return request.after_token, page_size


def _check_side(
    checks: Checks,
    request: call_service_pb2.WatchCallsRequest | call_service_pb2.ListCallsRequest,
    actor: Actor,
) -> None:
    """Refuse a service that names no user and filters by a user's side of a call."""
    if not actor.is_service_itself:
        return
    if request.directions:
        checks.bad("directions", _USERS_ONLY)
    if request.calling_states:
        checks.bad("calling_states", _USERS_ONLY)


def _cids(checks: Checks, cids: Sequence[str]) -> frozenset[str]:
    if not cids:
        return frozenset()
    return frozenset([_cid(checks, f"cids[{i}]", cid) for i, cid in enumerate(checks.few("cids", cids))])


def _cid(checks: Checks, path: str, cid: str) -> str:
    type_, colon, id_ = cid.partition(":")
    if not colon:
        checks.bad(path, "must be a call's cid: its type, a colon, and its id")
        return cid
    checks.type(path, type_)
    checks.id(path, id_)
    return cid
