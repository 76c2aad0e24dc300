"""A grpc.aio server that answers a 1:1 call with canned bytes and does nothing else: the floor of load.py."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import grpc

from ringline.v1 import call_pb2, call_service_pb2

CALL = call_pb2.Call(
    type="default",
    id="0-0",
    cid="default:0-0",
    uid="0" * 26,
    session=1,
    created_by_id="caller-0",
    state=call_pb2.CALL_STATE_RINGING,
    members=[call_pb2.Member(user_id=user, role="call_member") for user in ("caller-0", "callee-0")],
    rings=[
        call_pb2.Ring(
            id="0" * 28,
            session=1,
            ringer_id="caller-0",
            state=call_pb2.RING_STATE_RINGING,
            targets=[call_pb2.RingTarget(ring_id="0" * 28, user_id="callee-0")],
        )
    ],
    revision=1,
)
VIEWER = call_pb2.ViewerState(user_id="callee-0", ring_id="0" * 28, ringer_id="caller-0")
RESPONSE = call_service_pb2.GetOrCreateCallResponse(call=CALL, viewer=VIEWER, created=True).SerializeToString()


def _change(kind: call_service_pb2.ChangeKind.ValueType) -> bytes:
    change = call_service_pb2.CallChange(kind=kind, call=CALL, viewer=VIEWER)
    return call_service_pb2.WatchCallsResponse(change=change, resume_token="0" * 60).SerializeToString()


ADDED = _change(call_service_pb2.CHANGE_KIND_ADDED)
REMOVED = _change(call_service_pb2.CHANGE_KIND_REMOVED)

Context = grpc.aio.ServicerContext[bytes, bytes]


def _user(context: Context) -> str:
    return str(dict(context.invocation_metadata() or ())["x-user-id"])


class Floor(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs only
    """Every RPC of a call, without doing anything."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method.rpartition("/")[2]
        if method == "WatchCalls":
            return grpc.unary_stream_rpc_method_handler(self._watch)
        return grpc.unary_unary_rpc_method_handler(
            {"GetOrCreateCall": self._ring, "JoinCall": self._join}.get(method, self._leave)
        )

    async def _watch(self, request: bytes, context: Context) -> None:
        queue = self._streams[_user(context)]
        while True:
            await context.write(await queue.get())

    def _tell(self, context: Context, message: bytes) -> None:
        number = _user(context).rpartition("-")[2]
        for side in ("caller", "callee"):
            self._streams[f"{side}-{number}"].put_nowait(message)

    async def _ring(self, request: bytes, context: Context) -> bytes:
        self._tell(context, ADDED)
        return RESPONSE

    async def _join(self, request: bytes, context: Context) -> bytes:
        self._tell(context, REMOVED)
        return RESPONSE

    async def _leave(self, request: bytes, context: Context) -> bytes:
        return RESPONSE


async def main() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Floor(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"floor: serving on 127.0.0.1:{port} ", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
