"""A watch that lives for ever: it is cut, and goes on where it was."""

from __future__ import annotations

import asyncio

import grpc
from grpc import aio

from ringline._clock import Backoff
from ringline._connection import Connection, is_cancelled
from ringline.call import Call
from ringline.enums import CallEventType, ChangeKind, ResetReason, StopReason
from ringline.errors import RinglineError, Unauthenticated, WatchReplaced, error_of
from ringline.model import Change, Notification, Reset, SnapshotComplete, WatchEvent, seconds_of, time_of
from ringline.v1 import call_service_pb2 as pb

SILENCE = 2.5
"""A connection is dead after so many heartbeat intervals without a message."""

_RECONNECT = Backoff(base=0.5, limit=10.0)

_HOPELESS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
"""What trying again does not heal."""

_MAX_UNREAD = 1000
"""Events that an app has not taken: beyond, the stream is not read, and the server merges what it owes."""

_MAX_REVISIONS = 10_000


class Watch:
    """One watch, over all its connections. It reads in the background from the first ``take`` on."""

    def __init__(self, connection: Connection, request: pb.WatchCallsRequest) -> None:
        self._connection = connection
        self._clock = connection.clock
        self._request = request
        self._patience = SILENCE * request.heartbeat_interval.ToTimedelta().total_seconds()
        self._token = ""
        self._revisions: dict[str, int] = {}
        self._told = False
        """Whether something was told, be it that there is nothing, that is not to be forgotten yet."""
        self._settled = False
        """Whether the present stream has told all that there was."""
        self._heard = 0.0
        self._silent = False
        self._events: list[WatchEvent] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    async def take(self) -> list[WatchEvent]:
        """Return what has come, at least one event; nothing once it is closed. Raises what ended it otherwise."""
        if self._reader is None:
            self._reader = self._connection.spawn(self._read())
            self._reader.add_done_callback(lambda _: self._news.set())
        while not self._events:
            if self._reader.done():
                if self._error is not None:
                    raise self._error
                return []
            self._news.clear()
            await self._news.wait()
        events, self._events = self._events, []
        self._room.set()
        return events

    async def aclose(self) -> None:
        """End it."""
        if self._reader is None:
            return
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            await self._follow()
        except Exception as error:  # noqa: BLE001 -- it is raised where the app takes the events
            self._error = error

    async def _follow(self) -> None:
        attempt = 0
        while True:
            self._settled = False
            metadata = self._connection.metadata()
            error = await self._stream(metadata)
            if error is not None and not self._heals(error, metadata):
                raise error
            if self._settled:
                attempt = 0
            retry_after = None if error is None else error.retry_after
            await self._clock.sleep(_RECONNECT.delay(attempt, self._connection.chance(), retry_after))
            attempt += 1

    def _heals(self, error: RinglineError, metadata: object) -> bool:
        if isinstance(error, Unauthenticated):
            # An app that renews its tokens has another one by now.
            return self._connection.metadata() != metadata
        return error.code not in _HOPELESS and not isinstance(error, WatchReplaced)

    async def _stream(self, metadata: tuple[tuple[str, str | bytes], ...]) -> RinglineError | None:
        """Follow one stream to its end; return the error that it ended with."""
        fresh = not self._token
        self._request.resume_token = self._token
        stub = self._connection.stub
        stream = stub.WatchCalls(self._request, metadata=metadata)
        self._heard, self._silent = self._clock.monotonic(), False
        guard = asyncio.create_task(self._guard(stream))
        try:
            async for message in stream:
                self._heard = self._clock.monotonic()
                self._connection.hears()
                if fresh:
                    self._forget(ResetReason.UNSPECIFIED)
                    fresh = False
                self._apply(message)
                self._news.set()
                while len(self._events) >= _MAX_UNREAD:
                    self._room.clear()
                    await self._room.wait()
        except aio.AioRpcError as error:
            return error_of(error)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            if self._silent:
                self._connection.renew(stub)
        finally:
            guard.cancel()
            stream.cancel()
        return None

    async def _guard(self, stream: aio.UnaryStreamCall[pb.WatchCallsRequest, pb.WatchCallsResponse]) -> None:
        """Cut the stream when nothing has come for too long: then the connection is dead."""
        while (left := self._heard + self._patience - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)
        self._silent = True
        stream.cancel()

    def _apply(self, message: pb.WatchCallsResponse) -> None:
        if message.HasField("server_time"):
            self._connection.server_time.told(seconds_of(message.server_time))
        self._token = message.resume_token or self._token
        match message.WhichOneof("event"):
            case "change":
                self._change(message.change)
            case "notification":
                told = message.notification
                call = Call(self._connection, told.call.type, told.call.id, told.call, told.viewer)
                self._events.append(Notification(call, told.actor_user_id, told.video, time_of(told.time)))
            case "snapshot_complete":
                self._settled = self._told = True
                self._events.append(SnapshotComplete(message.snapshot_complete.resumed))
            case "reset":
                self._token = ""
                self._forget(ResetReason(message.reset.reason))
            case _:
                pass  # a heartbeat, going_away (the end follows), or what a newer server says

    def _change(self, change: pb.CallChange) -> None:
        told = change.call
        if told.revision < self._revisions.get(told.uid, 0):
            return
        self._told = True
        self._revisions.pop(told.uid, None)
        self._revisions[told.uid] = told.revision
        if len(self._revisions) > _MAX_REVISIONS:
            del self._revisions[next(iter(self._revisions))]
        self._events.append(
            Change(
                ChangeKind(change.kind),
                Call(self._connection, told.type, told.id, told, change.viewer),
                CallEventType(change.cause),
                StopReason(change.stop_reason),
                change.actor_user_id,
                change.reason,
            )
        )

    def _forget(self, reason: ResetReason) -> None:
        # A server restored from a backup counts the same revisions again.
        self._revisions.clear()
        if self._told:
            self._told = False
            self._events.append(Reset(reason))
