"""What the floors ``envoy`` and ``envoy-durable`` run inside Envoy: gRPC's framing on ASGI, with canned bytes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.floors import canned
from bench.floors.group_commit import GroupCommit

Send = Callable[[dict[str, Any]], Awaitable[None]]

REPLIES = canned.load()
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/grpc")],
    "trailers": True,
}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}

streams: canned.Streams[Send] = canned.Streams()
_disks: list[GroupCommit] = []


def _body(message: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": b"\0" + len(message).to_bytes(4, "big") + message, "more_body": more}


ANSWERS = {method: _body(reply.answer, more=method == "WatchCalls") for method, reply in REPLIES.items()}
MESSAGES = {method: _body(reply.message, more=True) for method, reply in REPLIES.items()}


def _disk() -> GroupCommit | None:
    if not _disks and (database := os.environ.get("DATABASE")):
        _disks.append(GroupCommit(Path(database)))
    return _disks[0] if _disks else None


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    method = scope["path"].rpartition("/")[2]
    group = ""
    for key, value in scope["headers"]:
        if key == b"x-user-id":
            group = canned.group_of(value.decode())
            break
    while (await receive()).get("more_body"):
        pass
    if method == "WatchCalls":
        await _watch(group, receive, send)
        return
    reply = REPLIES[method]
    disk = _disk()
    if disk is not None:
        await disk.write(reply.answer)
    message = MESSAGES[method]
    for stream in streams.told_by(group, reply):
        # It acts when it is called; to await it is flow control only.
        stream(message)  # type: ignore[unused-awaitable]
    send(START)  # type: ignore[unused-awaitable]
    send(ANSWERS[method])  # type: ignore[unused-awaitable]
    await send(TRAILERS)


async def _watch(group: str, receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    await send(START)
    await send(ANSWERS["WatchCalls"])
    streams.add(group, send)
    try:
        # That a client has left is never pushed.
        while (await receive())["type"] != "http.disconnect":  # noqa: ASYNC110
            await asyncio.sleep(5)
    finally:
        streams.remove(group, send)
