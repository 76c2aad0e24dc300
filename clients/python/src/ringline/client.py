"""The client of a Ringline server."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

import grpc

from ringline._clock import Clock, SystemClock
from ringline._connection import Connection, Token, identity
from ringline._picture import Picture
from ringline._watch import Watch
from ringline.call import Call
from ringline.enums import CallDirection, CallingState, CallOrder, CallState
from ringline.model import WatchEvent, timestamp_of
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb


class Client:
    """A user on a device, or a service, connected to a server.

    It connects when it is first needed, repeats what the server could not take, and reconnects by itself. Close it, or
    use it with ``async with``; watches then end.
    """

    def __init__(  # noqa: PLR0913 -- all by name
        self,
        address: str,
        *,
        user: str | None = None,
        device: str | None = None,
        token: Token | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        timeout: float = 10.0,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Make a client; nothing is sent yet.

        ``user``: who one is, on a server in development mode, or as whom a service acts. ``device``: names this
        installation, the same at every start; without one nobody is told "answered elsewhere".
        ``token``: the credentials, or a function that returns the present ones; it is asked for each request and must
        not block. ``metadata``: more to send with every request, such as ``{"x-role": "service"}`` in development.
        ``credentials``: those of TLS; without them the connection is not encrypted. ``timeout``: the seconds that a
        request may take, with all its repetitions. ``clock`` and ``chance`` are for tests.
        """
        self._connection = Connection(
            address,
            identity(user, device, metadata),
            token=token,
            credentials=credentials,
            timeout=timeout,
            clock=SystemClock() if clock is None else clock,
            chance=chance,
        )

    def call(self, type: str, id: str) -> Call:
        """Return a handle on a call, known to the server or not. It shows nothing until a verb is answered."""
        return Call(self._connection, type, id)

    async def watch_calls(
        self,
        *,
        directions: Iterable[CallDirection] = (),
        calling_states: Iterable[CallingState] = (),
        call_states: Iterable[CallState] = (),
        types: Iterable[str] = (),
        cids: Iterable[str] = (),
        heartbeat_interval: float = 15.0,
    ) -> AsyncGenerator[list[Call], None]:
        """Yield the calls that match, newest first: at once, and whenever one of them changes.

        Without filters these are the calls that ring, incoming and outgoing. It lives until the client is closed, the
        loop is left, or an error ends it that trying again does not heal: a bad filter, missing rights, or another
        watch of the same device that took its place. Whatever cuts the connection meanwhile, the next list is right.
        An app that is busy gets the latest list and not each one between.
        """
        request = _watch_request(directions, calling_states, call_states, types, cids, heartbeat_interval)
        picture, shown = Picture(), None
        async with contextlib.aclosing(Watch(self._connection, request)) as watch:
            while events := await watch.take():
                for event in events:
                    picture.apply(event)
                if picture.is_complete and picture.calls != shown:
                    shown = picture.calls
                    yield list(shown)

    async def watch_changes(
        self,
        *,
        directions: Iterable[CallDirection] = (),
        calling_states: Iterable[CallingState] = (),
        call_states: Iterable[CallState] = (),
        types: Iterable[str] = (),
        cids: Iterable[str] = (),
        heartbeat_interval: float = 15.0,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what ``watch_calls`` is made from: each Change, with the reason why a call stopped; and Notification.

        After a Reset all calls are to be forgotten; those that match follow. SnapshotComplete says that all has been
        told. Treat ADDED as "add or replace", and REMOVED of a call that is not known as a notice.
        """
        request = _watch_request(directions, calling_states, call_states, types, cids, heartbeat_interval)
        async with contextlib.aclosing(Watch(self._connection, request)) as watch:
            while events := await watch.take():
                for event in events:
                    yield event

    async def list_calls(  # noqa: PLR0913 -- the contract's filters, all by name
        self,
        *,
        directions: Iterable[CallDirection] = (),
        calling_states: Iterable[CallingState] = (),
        call_states: Iterable[CallState] = (),
        types: Iterable[str] = (),
        missed: bool = False,
        member_user_id: str = "",
        created_after: dt.datetime | None = None,
        created_before: dt.datetime | None = None,
        order: CallOrder = CallOrder.UNSPECIFIED,
        page_size: int = 0,
    ) -> AsyncGenerator[Call, None]:
        """Yield the user's calls, ended ones too, page after page as they are needed.

        ``missed`` keeps those whose latest ring of the user was missed. To follow calls, watch them.
        """
        request = pb.ListCallsRequest(
            directions=map(calls.CallDirection.ValueType, directions),
            calling_states=map(calls.CallingState.ValueType, calling_states),
            call_states=map(calls.CallState.ValueType, call_states),
            types=types,
            missed=missed,
            member_user_id=member_user_id,
            created_after=None if created_after is None else timestamp_of(created_after),
            created_before=None if created_before is None else timestamp_of(created_before),
            order=pb.CallOrder.ValueType(order),
            page_size=page_size,
        )
        while True:
            page = await self._connection.unary(lambda stub: stub.ListCalls, request)
            for item in page.items:
                yield Call(self._connection, item.call.type, item.call.id, item.call, item.viewer)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def close(self) -> None:
        """Close the connection. Watches end; requests under way fail."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _watch_request(
    directions: Iterable[CallDirection],
    calling_states: Iterable[CallingState],
    call_states: Iterable[CallState],
    types: Iterable[str],
    cids: Iterable[str],
    heartbeat_interval: float,
) -> pb.WatchCallsRequest:
    request = pb.WatchCallsRequest(
        directions=map(calls.CallDirection.ValueType, directions),
        calling_states=map(calls.CallingState.ValueType, calling_states),
        call_states=map(calls.CallState.ValueType, call_states),
        types=types,
        cids=cids,
    )
    request.heartbeat_interval.FromTimedelta(dt.timedelta(seconds=heartbeat_interval))
    return request
