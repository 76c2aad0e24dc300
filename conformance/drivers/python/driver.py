#!/usr/bin/env python3
"""The conformance driver for Python: what it must do is in conformance/protocol.md.

Run it with a Python that has the distribution ``ringline``: commands come on stdin, reports go to stdout.
"""

# ruff: noqa: D103, TID251 -- the protocol says what each function does; clients are made of stubs

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import importlib.metadata
import json
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, TextIO, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import aio

import ringline
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline.v1.call_service_pb2_grpc import CallServiceStub

Json = dict[str, Any]
M = TypeVar("M", bound=Message)

OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
)


class Reports:
    """Where reports go, a line each."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def send(self, **report: object) -> None:
        self._out.write(json.dumps(report, ensure_ascii=False) + "\n")
        self._out.flush()


# On stubs alone.


class Stubs:
    """A client of the generated stubs: one channel, and the metadata of every RPC."""

    def __init__(self, address: str, metadata: Mapping[str, str]) -> None:
        self.metadata = tuple(
            (key, base64.b64decode(value) if key.endswith("-bin") else value) for key, value in metadata.items()
        )
        self._channel = aio.insecure_channel(address, options=OPTIONS)
        self._stub = CallServiceStub(self._channel)
        self.watches: list[StubWatch] = []

    async def unary(self, method: str, request: Json, timeout: float | None) -> Json:
        message = parsed(getattr(pb, f"{method}Request")(), request)
        return shown(await getattr(self._stub, method)(message, timeout=timeout, metadata=self.metadata))

    def watch(self, request: Json) -> aio.UnaryStreamCall[pb.WatchCallsRequest, pb.WatchCallsResponse]:
        return self._stub.WatchCalls(parsed(pb.WatchCallsRequest(), request), metadata=self.metadata)

    async def close(self) -> None:
        for watch in self.watches:
            watch.cancel()
        await self._channel.close(None)


class StubWatch:
    """A stream that can be paused: while nothing is read, flow control holds the server back."""

    def __init__(
        self, name: str, stream: aio.UnaryStreamCall[pb.WatchCallsRequest, pb.WatchCallsResponse], reports: Reports
    ) -> None:
        self._name = name
        self._stream = stream
        self._reports = reports
        self._reading = asyncio.Event()
        self._reading.set()

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    def cancel(self) -> None:
        self._stream.cancel()
        self._reading.set()

    async def report(self) -> None:
        end: Json = {"code": "OK"}
        try:
            async for message in self._stream:
                self._reports.send(watch=self._name, message=shown(message))
                await self._reading.wait()
        except aio.AioRpcError as error:
            end = explained(error)
        except asyncio.CancelledError:
            end = {"code": "CANCELLED", "message": "cancelled by the client"}
        self._reports.send(watch=self._name, end=end)


def parsed(message: M, fields: Json) -> M:
    return json_format.ParseDict(fields, message)


def shown(message: Message) -> Json:
    return json_format.MessageToDict(message)


def explained(error: aio.AioRpcError) -> Json:
    """Return an RPC's failure, its details read without the SDK."""
    report: Json = {"code": error.code().name, "message": error.details() or ""}
    trailers: Any = error.trailing_metadata() or ()
    raw = next((value for key, value in trailers if key == "grpc-status-details-bin"), None)
    if raw is None:
        return report
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    fields = error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(raw).details:
        if detail.Unpack(info):
            report |= {"reason": info.reason, "metadata": dict(info.metadata)}
        elif detail.Unpack(fields):
            report["fields"] = [violation.field for violation in fields.field_violations]
        elif detail.Unpack(retry):
            report["retryAfter"] = retry.retry_delay.ToTimedelta().total_seconds()
    return report


# With the SDK.


class Sdk:
    """A client of the SDK, and the calls as it has shown them last: the verbs mean those."""

    def __init__(self, address: str, user: str, device: str | None) -> None:
        self.client = ringline.Client(address, user=user, device=device)
        self.shown: dict[tuple[str, str], ringline.Call] = {}

    async def do(self, verb: str, type_: str, call_id: str, args: Json) -> Json:
        key = (type_, call_id)
        call = self.shown.setdefault(key, self.client.call(type_, call_id))
        participant = await VERBS[verb](call, args)
        result = told(call)
        if isinstance(participant, ringline.Participant):
            result["participant"] = {"userId": participant.user_id, "deviceId": participant.device_id}
        return result

    async def follow(self, args: Json) -> AsyncGenerator[list[Json], None]:
        async with contextlib.aclosing(self.client.watch_calls(**watch_filter(args))) as lists:
            async for found in lists:
                self.shown |= {(call.type, call.id): call for call in found}
                yield [told(call) for call in sorted(found, key=lambda call: call.cid)]

    async def close(self) -> None:
        await self.client.close()


def told(call: ringline.Call) -> Json:
    """Return a call as the SDK shows it."""
    result: Json = {
        "cid": call.cid,
        "uid": call.uid,
        "revision": call.revision,
        "state": call.state.name,
        "callingState": call.calling_state.name,
        "direction": call.direction.name,
        "createdByMe": call.is_created_by_me,
        "ringId": call.ring_id,
    }
    if (left := call.seconds_left) is not None:
        result["secondsLeft"] = left
    return result


def watch_filter(args: Json) -> dict[str, Any]:
    request = parsed(pb.WatchCallsRequest(), args)
    only(request, "directions", "calling_states", "call_states", "types", "cids", "heartbeat_interval")
    found: dict[str, Any] = {
        "directions": [ringline.CallDirection(value) for value in request.directions],
        "calling_states": [ringline.CallingState(value) for value in request.calling_states],
        "call_states": [ringline.CallState(value) for value in request.call_states],
        "types": list(request.types),
        "cids": list(request.cids),
    }
    if request.HasField("heartbeat_interval"):
        found["heartbeat_interval"] = request.heartbeat_interval.ToTimedelta().total_seconds()
    return found


def only(request: Message, *fields: str) -> None:
    """Refuse what the SDK has no word for, so that nothing is left out silently."""
    unknown = [field.name for field, _ in request.ListFields() if field.name not in fields]
    if unknown:
        raise ValueError(f"the SDK has no option for {', '.join(unknown)}")


def member(given: pb.MemberInput) -> ringline.Member:
    custom = json_format.MessageToDict(given.custom) if given.HasField("custom") else None
    return ringline.Member(given.user_id, given.role, custom)


def settings(given: calls.CallSettings) -> ringline.Settings:
    def seconds(part: Message, name: str) -> float | None:
        return getattr(part, name).ToTimedelta().total_seconds() if part.HasField(name) else None

    return ringline.Settings(
        auto_cancel_timeout=seconds(given.ring, "auto_cancel_timeout"),
        incoming_call_timeout=seconds(given.ring, "incoming_call_timeout"),
        max_duration=seconds(given.limits, "max_duration"),
        participant_timeout=seconds(given.limits, "participant_timeout"),
        end_when_empty=given.end_when_empty if given.HasField("end_when_empty") else None,
        drop_when_alone=given.drop_when_alone if given.HasField("drop_when_alone") else None,
    )


def given_data(data: pb.CallData | pb.UpdateCallRequest) -> dict[str, Any]:
    """Return what is given of that which a call can be created with and changed in."""
    found: dict[str, Any] = {}
    if data.HasField("custom"):
        found["custom"] = json_format.MessageToDict(data.custom)
    if data.HasField("settings"):
        found["settings"] = settings(data.settings)
    if data.HasField("starts_at"):
        found["starts_at"] = data.starts_at.ToDatetime(tzinfo=dt.UTC)
    return found


async def get_or_create(call: ringline.Call, args: Json) -> object:
    request = parsed(pb.GetOrCreateCallRequest(), args)
    only(request, "data", "ring", "notify", "video")
    only(request.data, "members", "custom", "settings", "starts_at", "team")
    return await call.get_or_create(
        ring=request.ring,
        notify=request.notify,
        video=request.video,
        members=[member(one) for one in request.data.members],
        team=request.data.team,
        **given_data(request.data),
    )


async def get(call: ringline.Call, args: Json) -> object:
    request = parsed(pb.GetCallRequest(), args)
    only(request, "ring", "notify", "video")
    return await call.get(ring=request.ring, notify=request.notify, video=request.video)


async def ring(call: ringline.Call, args: Json) -> object:
    request = parsed(pb.RingCallRequest(), args)
    only(request, "user_ids", "video")
    return await call.ring(request.user_ids, video=request.video)


async def join(call: ringline.Call, args: Json) -> object:
    request = parsed(pb.JoinCallRequest(), args)
    only(request, "mode", "ring_id")
    return await call.join(ringline.JoinMode(request.mode), ring_id=request.ring_id or None)


async def reject(call: ringline.Call, args: Json) -> None:
    request = parsed(pb.RejectCallRequest(), args)
    only(request, "reason", "ring_id")
    await call.reject(request.reason, ring_id=request.ring_id or None)


async def cancel(call: ringline.Call, args: Json) -> None:
    request = parsed(pb.CancelCallRequest(), args)
    only(request, "reason", "ring_id")
    await call.cancel(request.reason, ring_id=request.ring_id or None)


async def leave(call: ringline.Call, args: Json) -> None:
    await call.leave(**args)


async def end(call: ringline.Call, args: Json) -> None:
    await call.end_call(**args)


async def update(call: ringline.Call, args: Json) -> None:
    request = parsed(pb.UpdateCallRequest(), args)
    only(request, "custom", "settings", "starts_at", "update_mask", "expected_revision")
    await call.update(
        update_mask=request.update_mask.paths, expected_revision=request.expected_revision, **given_data(request)
    )


async def update_members(call: ringline.Call, args: Json) -> object:
    request = parsed(pb.UpdateCallMembersRequest(), args)
    only(request, "upsert_members", "remove_user_ids", "ring", "video")
    return await call.update_members(
        [member(one) for one in request.upsert_members],
        remove=request.remove_user_ids,
        ring=request.ring,
        video=request.video,
    )


VERBS: dict[str, Callable[[ringline.Call, Json], Coroutine[Any, Any, object]]] = {
    "getOrCreate": get_or_create,
    "get": get,
    "ring": ring,
    "join": join,
    "leave": leave,
    "reject": reject,
    "cancel": cancel,
    "end": end,
    "update": update,
    "updateMembers": update_members,
}


def said(error: ringline.RinglineError) -> Json:
    """Return an error of the SDK."""
    report: Json = {"code": error.code.name, "message": error.message}
    if error.reason:
        report |= {"reason": error.reason, "metadata": error.metadata}
    if error.fields:
        report["fields"] = list(error.fields)
    if error.retry_after is not None:
        report["retryAfter"] = error.retry_after
    return report


# The driver.


class Driver:
    """Does what the runner says. Each command runs beside the others."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._stubs: dict[str, Stubs] = {}
        self._sdks: dict[str, Sdk] = {}
        self._watches: dict[str, StubWatch] = {}
        self._follows: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, command: Json) -> None:
        """Begin a command. Clients are there when it returns: the next command may need them."""
        op, id_ = command["op"], command["id"]
        try:
            match op:
                case "connect":
                    self._stubs[command["client"]] = Stubs(command["address"], command.get("metadata", {}))
                case "sdk.connect":
                    self._sdks[command["client"]] = Sdk(command["address"], command["user"], command.get("device"))
                case "watch":
                    self._watch(command)
                case "pause" | "resume" | "cancel":
                    getattr(self._watches[command["watch"]], op)()
                case "hello" | "unary" | "sdk.do" | "close":
                    self._beside(self._answer(command))
                    return
                case "sdk.follow":
                    self._reports.send(id=id_)
                    self._beside(self._follow(command), command["follow"])
                    return
                case "sdk.unfollow":
                    self._reports.send(id=id_)
                    self._follows[command["follow"]].cancel()
                    return
                case _:
                    raise ValueError(f"there is no op {op!r}")  # noqa: TRY301 -- reported as any other
        except (KeyError, ValueError, json_format.ParseError) as error:
            self._reports.send(id=id_, error=misunderstood(error))
            return
        self._reports.send(id=id_)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        clients: list[Stubs | Sdk] = [*self._stubs.values(), *self._sdks.values()]
        for client in clients:
            await client.close()

    def _beside(self, work: Coroutine[Any, Any, None], follow: str = "") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if follow:
            self._follows[follow] = task

    def _watch(self, command: Json) -> None:
        client = self._stubs[command["client"]]
        watch = StubWatch(command["watch"], client.watch(command.get("request", {})), self._reports)
        self._watches[command["watch"]] = watch
        client.watches.append(watch)
        self._beside(watch.report())

    async def _answer(self, command: Json) -> None:
        answer: Json
        try:
            answer = await self._answered(command)
        except aio.AioRpcError as error:
            answer = {"error": explained(error)}
        except ringline.RinglineError as error:
            answer = {"error": said(error)}
        except (KeyError, RuntimeError, TypeError, ValueError, json_format.ParseError) as error:
            answer = {"error": misunderstood(error)}
        self._reports.send(id=command["id"], **answer)

    async def _answered(self, command: Json) -> Json:
        match command["op"]:
            case "hello":
                versions = {name: importlib.metadata.version(name) for name in ("grpcio", "protobuf")}
                return {
                    "language": "python",
                    "sdk": True,
                    "versions": {"grpc": versions["grpcio"], "protobuf": versions["protobuf"]},
                }
            case "unary":
                client = self._stubs[command["client"]]
                response = await client.unary(command["method"], command.get("request", {}), command.get("timeout"))
                return {"response": response}
            case "sdk.do":
                sdk, args = self._sdks[command["client"]], command.get("args", {})
                return {"result": await sdk.do(command["verb"], command["type"], command["callId"], args)}
            case _:
                name = command["client"]
                client_: Stubs | Sdk = self._stubs.pop(name) if name in self._stubs else self._sdks.pop(name)
                await client_.close()
                return {}

    async def _follow(self, command: Json) -> None:
        name, end = command["follow"], {"code": "OK"}
        try:
            async with contextlib.aclosing(self._sdks[command["client"]].follow(command.get("args", {}))) as lists:
                async for found in lists:
                    self._reports.send(follow=name, calls=found)
        except ringline.RinglineError as error:
            end = said(error)
        except (KeyError, RuntimeError, ValueError, json_format.ParseError) as error:
            end = misunderstood(error)
        except asyncio.CancelledError:
            pass  # sdk.unfollow
        self._reports.send(follow=name, end=end)


def misunderstood(error: Exception) -> Json:
    """Return that the driver, not the server, could not do it."""
    return {"code": "UNKNOWN", "message": f"driver: {type(error).__name__}: {error}"}


async def main() -> None:
    """Take commands until stdin ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    driver = Driver(Reports(sys.stdout))
    while line := await lines.readline():
        if line.strip():
            driver.take(json.loads(line))
            # What has begun gets its turn before the next command.
            await asyncio.sleep(0)
    await driver.close()


if __name__ == "__main__":
    asyncio.run(main())
