"""WatchCalls: puts what the hub tells into bytes and hands it to the wire (W1 to W10)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from functools import partial

from ringline.v1 import call_pb2, call_service_pb2
from ringline_server.api.encode import CallEncoder
from ringline_server.api.errors import ApiError, fail
from ringline_server.api.identity import Identity
from ringline_server.api.port import READY, RequestContext, Send
from ringline_server.api.requests import watch_request
from ringline_server.api.rpc import note_actor
from ringline_server.api.splice import (
    enum_fields,
    head,
    int_field,
    new_time_field,
    optional_enum_fields,
    text_field,
    time_field,
)
from ringline_server.clock import Clock
from ringline_server.hub.filter import Filter
from ringline_server.hub.hub import MAX_USER_WATCHES, Hub
from ringline_server.hub.message import (
    Change,
    GoingAway,
    Heartbeat,
    Kind,
    Leaving,
    Message,
    Notified,
    Replaced,
    Reset,
    SnapshotComplete,
    Told,
    TooManyCalls,
    TooManyWatches,
    WatchError,
)
from ringline_server.hub.snapshot import MAX_SNAPSHOT_CALLS
from ringline_server.hub.token import ResetReason
from ringline_server.rules.access import require_readable
from ringline_server.rules.context import Actor, CallType, Context
from ringline_server.rules.terms import EventType, StopReason
from ringline_server.store.port import Store

_KINDS = enum_fields(1, call_service_pb2.ChangeKind, "CHANGE_KIND", Kind)
_CAUSES = enum_fields(2, call_pb2.CallEventType, "CALL_EVENT_TYPE", EventType)
_STOP_REASONS = optional_enum_fields(3, call_pb2.StopReason, "STOP_REASON", StopReason)
_RESET_REASONS = enum_fields(1, call_service_pb2.ResetReason, "RESET_REASON", ResetReason)


class WatchHandler:
    """The RPC ``WatchCalls``, as a ``Stream``."""

    def __init__(
        self,
        *,
        hub: Hub,
        store: Store,
        clock: Clock,
        identity: Identity,
        encoder: CallEncoder,
        call_types: Mapping[str, CallType],
    ) -> None:
        self._hub = hub
        self._store = store
        self._clock = clock
        self._identity = identity
        self._encoder = encoder
        self._call_types = call_types

    async def __call__(self, context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        """Tell the viewer's calls until the client goes, the server does, or the reader is too slow."""
        actor = self._identity.identify(context)
        # A stream lasts; what came with its request need not.
        context.metadata = ()
        request = watch_request(await anext(requests), actor, self._call_types)
        note_actor(context, request.actor)
        if not request.resume_token:
            await self._require_readable(request.filter, request.actor)
        try:
            watch = self._hub.watch(
                request.actor, request.filter, resume_token=request.resume_token, heartbeat=request.heartbeat
            )
            try:
                await watch.run(partial(self._tell, request.actor, send))
            finally:
                self._hub.forget(watch)
        except WatchError as error:
            raise _ended(error, request.actor) from None

    async def _require_readable(self, filter_: Filter, actor: Actor) -> None:
        """Refuse a new watch that names a call which the viewer may not read (W1, P2)."""
        if not filter_.cids:
            return
        keys = [(type_, id_) for type_, _, id_ in (cid.partition(":") for cid in sorted(filter_.cids))]
        placed = await self._store.read(lambda snapshot: snapshot.calls(keys))
        calls = {(one.call.type, one.call.id): one.call for one in placed}
        for key in keys:
            require_readable(calls.get(key), Context(actor, self._call_types[key[0]]))

    def _tell(self, actor: Actor, send: Send, told: Told) -> Awaitable[None] | None:
        number, body = self._message(actor, told.message)
        size = sum(map(len, body))
        time = new_time_field(8, self._clock.now())
        sent = send(b"".join((head(number, size), *body, text_field(7, told.token), time)))
        return None if sent is READY else sent

    def _message(self, actor: Actor, message: Message) -> tuple[int, tuple[bytes, ...]]:
        """Return which field of the response it is, and its bytes in pieces."""
        match message:
            case Change():
                return 1, self._change(actor, message)
            case Notified(call, notification):
                return 2, (
                    *self._encoder.seen(call, actor),
                    text_field(3, notification.actor_user_id),
                    int_field(4, notification.video),
                    time_field(5, notification.time),
                )
            case SnapshotComplete(resumed):
                return 3, (int_field(1, resumed),)
            case Heartbeat():
                return 4, ()
            case Reset(reason):
                return 5, (_RESET_REASONS[reason],)
            case GoingAway():
                return 6, ()

    def _change(self, actor: Actor, change: Change) -> tuple[bytes, ...]:
        call, reason = change.call, change.stop_reason
        seen = self._encoder.seen(call, actor, 6)
        if reason is StopReason.ACCESS_LOST:
            return _KINDS[change.kind], _STOP_REASONS[reason], *seen
        cause = call.cause
        return (
            _KINDS[change.kind],
            _CAUSES[cause.type],
            _STOP_REASONS[reason],
            text_field(4, cause.actor_user_id),
            text_field(5, cause.reason),
            *seen,
        )


def _ended(error: WatchError, actor: Actor) -> ApiError:
    """Return the error of a stream that ends by a rule."""
    match error:
        case TooManyCalls():
            return fail(
                "TOO_MANY_CALLS",
                "More calls match than a watch can begin with. Narrow its filter: types, directions, calling_states or "
                "cids.",
                metadata={"limit": MAX_SNAPSHOT_CALLS},
            )
        case Leaving():
            return fail(
                "DRAINING",
                "This server is about to stop. Connect anew, and watch with the last resume_token; nothing is lost.",
            )
        case TooManyWatches():
            return fail(
                "TOO_MANY_WATCHES",
                f"You have {MAX_USER_WATCHES} streams open, as many as a user may have. End one of them, or name the "
                "device in x-device-id: its next stream then takes the place of its oldest.",
                metadata={"limit": MAX_USER_WATCHES},
            )
        case Replaced():
            return fail(
                "WATCH_REPLACED",
                f"A newer stream of device {actor.device_id!r} took the place of this one. Do not reconnect; where "
                "several installations are meant to watch, give each a device id of its own.",
                metadata={"device_id": actor.device_id},
            )
        case _:
            return fail(
                "TOO_SLOW",
                "The stream was not read for too long. Watch again with the last resume_token; nothing is lost.",
            )
