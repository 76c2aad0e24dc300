"""A phone: one user on one device that calls the server as a client does, and keeps what its streams tell.

    ann, bob = server.phone("ann"), server.phone("bob", "tablet")
    screen = await bob.watch()
    await ann.create("standup", "bob", ring=True)
    ringing = await screen.change()

A verb is expected to work and returns its response; ``refused`` expects an error and explains it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import aio

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline.v1.call_service_pb2_grpc import CallServiceStub

PATIENCE = 20.0
"""Seconds after which what was expected is taken not to come: long, for machines that are busy with other tests."""

T = TypeVar("T")
M = TypeVar("M", bound=Message)

Metadata = tuple[tuple[str, str | bytes], ...]

ADDED, UPDATED, REMOVED = pb.CHANGE_KIND_ADDED, pb.CHANGE_KIND_UPDATED, pb.CHANGE_KIND_REMOVED


# What was refused.


@dataclass(frozen=True)
class Refused:
    """An error as a client reads it (X4)."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    retry: bool = False
    """Whether it carries a RetryInfo."""


def explain(error: aio.AioRpcError) -> Refused:
    """Return what an error says, having checked that its details are as X4 promises."""
    trailers: Any = error.trailing_metadata() or ()
    raw = dict(trailers).get("grpc-status-details-bin")
    message = error.details() or ""
    if raw is None:
        return Refused(error.code(), message)
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    assert status.code == error.code().value[0], "X4: the details speak of another code"
    assert status.message == message
    info, fields, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), False
    infos = 0
    for detail in status.details:
        if detail.Unpack(info):
            infos += 1
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = True
        else:
            assert detail.Unpack(fields), f"X4: an unexpected detail {detail.type_url}"
    assert infos == 1, "X4: not one ErrorInfo"
    assert info.domain == "ringline"
    paths = tuple(violation.field for violation in fields.field_violations)
    return Refused(error.code(), message, info.reason, dict(info.metadata), paths, retry)


async def refused(answer: Awaitable[object]) -> Refused:
    """Expect an RPC to fail, and return how."""
    try:
        response = await answer
    except aio.AioRpcError as error:
        return explain(error)
    raise AssertionError(f"it was not refused, but answered: {response}")


async def outcome(answer: Awaitable[T]) -> T | Refused:
    """Return what an RPC comes to, one way or the other."""
    try:
        return await answer
    except aio.AioRpcError as error:
        return explain(error)


# What a stream tells.


@dataclass(frozen=True)
class Shown:
    """A call on a client's screen."""

    call: calls.Call
    viewer: calls.ViewerState


class Picture:
    """The calls that a client shows, by cid, having done what a stream's messages say."""

    def __init__(self, shown: dict[str, Shown] | None = None) -> None:
        self.shown: dict[str, Shown] = dict(shown or {})
        self._told: set[str] | None = set()
        """The calls told since the stream began; None once its beginning is complete."""

    def apply(self, message: pb.WatchCallsResponse) -> None:
        match message.WhichOneof("event"):
            case "change":
                self._change(message.change)
            case "reset":
                self.shown.clear()
                self._told = set()
            case "snapshot_complete":
                if not message.snapshot_complete.resumed:
                    self.shown = {cid: one for cid, one in self.shown.items() if cid in (self._told or ())}
                self._told = None
            case _:
                pass

    def _change(self, change: pb.CallChange) -> None:
        cid = change.call.cid
        if change.kind == REMOVED:
            self.shown.pop(cid, None)
            return
        known = self.shown.get(cid)
        if known is not None and known.call.uid == change.call.uid:
            assert change.call.revision >= known.call.revision, "W3: a revision went back"
        self.shown[cid] = Shown(change.call, change.viewer)
        if self._told is not None:
            self._told.add(cid)


class Screen:
    """A watch: collects what its stream tells, in the background."""

    def __init__(
        self, rpc: aio.UnaryStreamCall[pb.WatchCallsRequest, pb.WatchCallsResponse], picture: Picture, *, keep: bool
    ) -> None:
        self.messages: list[pb.WatchCallsResponse] = []
        self.count = 0
        """How many messages came, kept or not."""
        self.picture = picture
        self.token = ""
        self.trail: list[tuple[str, Picture]] = []
        """After each message that had one: its token, and what was shown."""
        self._rpc = rpc
        self._keep = keep
        self._read = 0
        self._revisions: dict[str, int] = {}
        self._news = asyncio.Event()
        self._end: Refused | None = None
        self._task = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        try:
            async for message in self._rpc:
                self._take(message)
                self._news.set()
            self._end = Refused(await self._rpc.code(), await self._rpc.details())
        except aio.AioRpcError as error:
            self._end = explain(error)
        finally:
            self._news.set()

    def _take(self, message: pb.WatchCallsResponse) -> None:
        assert message.HasField("server_time")
        if message.HasField("reset"):
            self._revisions.clear()
        if message.HasField("change"):
            call = message.change.call
            last = self._revisions.get(call.uid, 0)
            assert call.revision > last, f"W2, W3: told twice, or a revision went back: {last}, {describe(message)}"
            self._revisions[call.uid] = call.revision
        self.picture.apply(message)
        self.token = message.resume_token or self.token
        self.count += 1
        if self._keep:
            self.messages.append(message)
            if message.resume_token:
                self.trail.append((message.resume_token, Picture(self.shown)))

    @property
    def open(self) -> bool:
        return not self._task.done()

    @property
    def shown(self) -> dict[str, Shown]:
        return self.picture.shown

    @property
    def changes(self) -> list[pb.CallChange]:
        return [message.change for message in self.messages if message.HasField("change")]

    async def until(self, condition: Callable[[Screen], object], timeout: float = PATIENCE) -> None:
        """Wait until the stream has told what is waited for."""
        try:
            async with asyncio.timeout(timeout):
                while not condition(self):
                    if self._task.done():
                        self._task.result()
                        assert condition(self), f"the stream ended with {self._end} before what was waited for"
                        return
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = "\n".join(describe(message) for message in self.messages[-20:])
            raise AssertionError(f"what was waited for did not come; the last messages:\n{told}") from None

    async def next(self, timeout: float = PATIENCE) -> pb.WatchCallsResponse:
        """Return the next message that was not yet returned, heartbeats apart."""
        while True:
            await self.until(lambda screen: len(screen.messages) > self._read, timeout)
            self._read += 1
            message = self.messages[self._read - 1]
            if not message.HasField("heartbeat"):
                return message

    async def change(self, timeout: float = PATIENCE) -> pb.CallChange:
        """Return the next message, which has to be a change."""
        message = await self.next(timeout)
        assert message.HasField("change"), f"not a change but {describe(message)}"
        return message.change

    async def removed(self, cid: str, timeout: float = PATIENCE) -> pb.CallChange:
        """Return the first REMOVED of a call that comes, among those not yet returned."""
        while True:
            change = await self.change(timeout)
            if change.kind == REMOVED and change.call.cid == cid:
                return change

    async def shows(self, call: calls.Call, timeout: float = PATIENCE) -> Shown:
        """Wait until the screen shows the call as it is in an answer, or newer, and return it."""

        def up_to_date(screen: Screen) -> bool:
            one = screen.shown.get(call.cid)
            return one is not None and one.call.revision >= call.revision

        await self.until(up_to_date, timeout)
        return self.shown[call.cid]

    async def ended(self, timeout: float = PATIENCE) -> Refused:
        """Wait for the end of the stream, and return its status."""
        async with asyncio.timeout(timeout):
            await asyncio.wait([self._task])
        self._task.result()
        assert self._end is not None
        return self._end

    async def cut(self) -> None:
        """End the stream from this side, as a lost connection does."""
        self._rpc.cancel()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, aio.AioRpcError):
            await self._task


def describe(message: pb.WatchCallsResponse) -> str:
    """Return one line that says what a message of a stream says."""
    event = message.WhichOneof("event") or "nothing"
    if event != "change":
        return f"{event} {getattr(message, event, '')}".strip()
    change = message.change
    kind = pb.ChangeKind.Name(change.kind).removeprefix("CHANGE_KIND_")
    stop = calls.StopReason.Name(change.stop_reason).removeprefix("STOP_REASON_")
    return f"{kind} {change.call.cid} r{change.call.revision} {stop}"


# The phone.


def identity(user: str = "", device: str = "", *, role: str = "", teams: Iterable[str] = ()) -> Metadata:
    """Return the metadata by which a client says who it is (development mode)."""
    pairs = [*_named("x-user-id", user), *_named("x-device-id", device)]
    if role:
        pairs.append(("x-role", role))
    if team_list := ",".join(teams):
        pairs.append(("x-teams", team_list))
    return tuple(pairs)


def _named(key: str, value: str) -> list[tuple[str, str | bytes]]:
    if not value:
        return []
    if value.isascii():
        return [(key, value)]
    return [(f"{key}-bin", value.encode())]


def struct(**values: Any) -> Struct:  # noqa: ANN401 -- JSON
    """Return custom data."""
    made = Struct()
    made.update(values)
    return made


class Phone:
    """A user on a device. Of type ``default`` is a call unless its name says another: ``livestream:show``."""

    def __init__(
        self, channel: aio.Channel, user: str = "", device: str = "", *, role: str = "", teams: Iterable[str] = ()
    ) -> None:
        self.user = user
        self.device = device
        self.channel = channel
        self.metadata = identity(user, device, role=role, teams=teams)
        self.stub = CallServiceStub(channel)
        self.options: dict[str, Any] = {"metadata": self.metadata, "timeout": PATIENCE}
        self.screens: list[Screen] = []

    async def create(self, name: str, *members: str, **fields: Any) -> pb.GetOrCreateCallResponse:  # noqa: ANN401
        """GetOrCreateCall with me and others as members; ``data`` may hold further parts of it."""
        data = fields.pop("data", None) or pb.CallData()
        if not data.members:
            data.members.extend(pb.MemberInput(user_id=user) for user in dict.fromkeys((self.user, *members)))
        return await self.stub.GetOrCreateCall(
            named(pb.GetOrCreateCallRequest(data=data, **fields), name), **self.options
        )

    async def get(self, name: str, **fields: Any) -> pb.GetCallResponse:  # noqa: ANN401
        return await self.stub.GetCall(named(pb.GetCallRequest(**fields), name), **self.options)

    async def list(self, **fields: Any) -> pb.ListCallsResponse:  # noqa: ANN401
        return await self.stub.ListCalls(pb.ListCallsRequest(**fields), **self.options)

    async def update(self, name: str, **fields: Any) -> pb.UpdateCallResponse:  # noqa: ANN401
        return await self.stub.UpdateCall(named(pb.UpdateCallRequest(**fields), name), **self.options)

    async def add(self, name: str, *users: str, **fields: Any) -> pb.UpdateCallMembersResponse:  # noqa: ANN401
        upsert = [pb.MemberInput(user_id=user) for user in users]
        return await self.stub.UpdateCallMembers(
            named(pb.UpdateCallMembersRequest(upsert_members=upsert, **fields), name), **self.options
        )

    async def remove(self, name: str, *users: str) -> pb.UpdateCallMembersResponse:
        return await self.stub.UpdateCallMembers(
            named(pb.UpdateCallMembersRequest(remove_user_ids=users), name), **self.options
        )

    async def ring(self, name: str, *users: str, **fields: Any) -> pb.RingCallResponse:  # noqa: ANN401
        return await self.stub.RingCall(named(pb.RingCallRequest(user_ids=users, **fields), name), **self.options)

    async def join(self, name: str, **fields: Any) -> pb.JoinCallResponse:  # noqa: ANN401
        return await self.stub.JoinCall(named(pb.JoinCallRequest(**fields), name), **self.options)

    async def reject(self, name: str, **fields: Any) -> pb.RejectCallResponse:  # noqa: ANN401
        return await self.stub.RejectCall(named(pb.RejectCallRequest(**fields), name), **self.options)

    async def cancel(self, name: str, **fields: Any) -> pb.CancelCallResponse:  # noqa: ANN401
        return await self.stub.CancelCall(named(pb.CancelCallRequest(**fields), name), **self.options)

    async def leave(self, name: str, **fields: Any) -> pb.LeaveCallResponse:  # noqa: ANN401
        return await self.stub.LeaveCall(named(pb.LeaveCallRequest(**fields), name), **self.options)

    async def end(self, name: str, **fields: Any) -> pb.EndCallResponse:  # noqa: ANN401
        return await self.stub.EndCall(named(pb.EndCallRequest(**fields), name), **self.options)

    async def call_events(self, name: str) -> Sequence[calls.CallEvent]:
        """Return all events of a call, page after page."""
        events: list[calls.CallEvent] = []
        token = ""
        while True:
            page = await self.stub.ListCallEvents(
                named(pb.ListCallEventsRequest(page_size=100, page_token=token), name), **self.options
            )
            events.extend(page.events)
            token = page.next_page_token
            if not token:
                return events

    async def events(self, after_token: str = "", page_size: int = 100) -> pb.ListEventsResponse:
        return await self.stub.ListEvents(
            pb.ListEventsRequest(after_token=after_token, page_size=page_size), **self.options
        )

    def open_watch(
        self, picture: Picture | None = None, *, keep: bool = True, request: pb.WatchCallsRequest | None = None
    ) -> Screen:
        """Begin a watch and return at once."""
        rpc = self.stub.WatchCalls(request or pb.WatchCallsRequest(), metadata=self.metadata)
        screen = Screen(rpc, Picture(picture.shown) if picture else Picture(), keep=keep)
        self.screens.append(screen)
        return screen

    async def watch(self, *, keep: bool = True, **fields: Any) -> Screen:  # noqa: ANN401
        """Begin a watch, and wait until its beginning is told; ``change`` returns what comes then."""
        screen = self.open_watch(keep=keep, request=pb.WatchCallsRequest(**fields))
        await screen.until(lambda one: one.token)
        screen._read = next((i + 1 for i, one in enumerate(screen.messages) if one.HasField("snapshot_complete")), 0)
        return screen

    async def snapshot(self, **fields: Any) -> dict[str, Shown]:  # noqa: ANN401
        """Return what a new watch begins with."""
        screen = await self.watch(**fields)
        await screen.cut()
        return screen.shown

    async def hang_up(self) -> None:
        """Cut all streams."""
        for screen in self.screens:
            await screen.cut()
        self.screens.clear()


def named(request: M, name: str) -> M:
    """Give a request the call's type and id, from ``id`` or ``type:id``."""
    type_, colon, id_ = name.partition(":")
    request.type, request.id = (type_, id_) if colon else ("default", name)  # type: ignore[attr-defined]
    return request


@contextlib.asynccontextmanager
async def channel_to(address: str, *options: tuple[str, Any]) -> AsyncIterator[aio.Channel]:
    """Open a connection of its own."""
    async with aio.insecure_channel(
        address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *options]
    ) as channel:
        yield channel
