"""The floors ``aio`` and ``aio-durable``: grpc.aio with canned bytes, and with one group commit an RPC.

CANNED=file [DATABASE=file] python -m bench.floors.aio [port]
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

from bench.floors import canned
from bench.floors.group_commit import GroupCommit

Context = grpc.aio.ServicerContext[bytes, bytes]

REPLIES = canned.load()
OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
]


def _group(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "x-user-id":
            return canned.group_of(str(value))
    raise LookupError


class Floor(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs only
    """Every RPC of a call, without doing anything."""

    def __init__(self, disk: GroupCommit | None) -> None:
        self._disk = disk
        self._streams: canned.Streams[asyncio.Queue[bytes]] = canned.Streams()
        self._handlers = {
            method: grpc.unary_unary_rpc_method_handler(self._unary(reply))
            for method, reply in REPLIES.items()
            if method != "WatchCalls"
        }
        self._handlers["WatchCalls"] = grpc.unary_stream_rpc_method_handler(self._watch)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(handler_call_details.method.rpartition("/")[2])

    async def _watch(self, request: bytes, context: Context) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        group = _group(context)
        await context.write(REPLIES["WatchCalls"].answer)
        self._streams.add(group, queue)
        try:
            while True:
                await context.write(await queue.get())
        finally:
            self._streams.remove(group, queue)

    def _unary(self, reply: canned.Reply) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def answer(request: bytes, context: Context) -> bytes:
            if self._disk is not None:
                await self._disk.write(reply.answer)
            for queue in self._streams.told_by(_group(context), reply):
                queue.put_nowait(reply.message)
            return reply.answer

        return answer


async def main() -> None:
    database = os.environ.get("DATABASE")
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Floor(GroupCommit(Path(database)) if database else None),))
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1] if len(sys.argv) > 1 else 0}")
    await server.start()
    print(f"serving on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
