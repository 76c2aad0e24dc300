"""A server that refuses a method for a while of real time, says how long it still will, and counts who asks."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from ringline_server.api.errors import CODES, ApiReason, fail
from ringline_server.api.port import RequestContext, Rpcs, Send, Stream, Unary

Json = dict[str, Any]


@dataclass(slots=True)
class _Refusal:
    reason: ApiReason
    until: float
    refused: int = 0
    served: list[float] = field(default_factory=list)
    """When those came whom it no longer refused."""


class Refusals:
    """What one server refuses, by the path of the method."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._refusals: dict[str, _Refusal] = {}

    def refusing(self, rpcs: Rpcs) -> Rpcs:
        """Return the RPCs as they are, except while one is refused."""
        self._paths = {*rpcs.unary, *rpcs.server_stream}
        return Rpcs(
            {path: self._unary(rpc) for path, rpc in rpcs.unary.items()},
            {path: self._stream(rpc) for path, rpc in rpcs.server_stream.items()},
            rpcs.bidi_stream,
        )

    def answer(self, command: Json) -> Json:
        """Do what a command says: `refuse` from now on, or tell who `asked` since."""
        path = f"/ringline.v1.CallService/{command['method']}"
        if path not in self._paths or command.get("reason", "OVERLOADED") not in CODES:
            raise ValueError(f"no such method or reason: {command}")
        if command["op"] == "refuse":
            self._refusals[path] = _Refusal(command["reason"], time.monotonic() + command["seconds"])
            return {}
        refusal = self._refusals[path]
        return {"refused": refusal.refused, "served": refusal.served}

    def _check(self, path: str) -> None:
        refusal = self._refusals.get(path)
        if refusal is None:
            return
        now = time.monotonic()
        if now >= refusal.until:
            refusal.served.append(now)
            return
        refusal.refused += 1
        left = math.ceil((refusal.until - now) * 1_000_000)
        raise fail(refusal.reason, "The case says so. Repeat it after a moment.", retry_after=left)

    def _unary(self, rpc: Unary) -> Unary:
        async def call(context: RequestContext, request: bytes) -> bytes:
            self._check(context.method)
            return await rpc(context, request)

        return call

    def _stream(self, rpc: Stream) -> Stream:
        async def call(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
            self._check(context.method)
            await rpc(context, requests, send)

        return call
