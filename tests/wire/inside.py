"""RPCs that do what a request says, in Envoy's process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import structlog
from grpc_health.v1.health_pb2 import HealthCheckResponse

from ringline_server.api.port import Code, RequestContext, RpcError, Rpcs, Send
from ringline_server.wire.envoy_inside import Inside, application

left: list[str] = []
"""What was cancelled."""

sent: dict[str, int] = {}
"""Of each stream by name: how many messages were taken from it."""

raised: list[str] = []
"""What the loop was told of as nobody's exception."""


async def echo(context: RequestContext, request: bytes) -> bytes:
    return request


async def seen(context: RequestContext, request: bytes) -> bytes:
    metadata = [(key, value.hex() if isinstance(value, bytes) else value) for key, value in context.metadata]
    return json.dumps([context.method, metadata, context.peer, context.timeout]).encode()


async def notes(context: RequestContext, request: bytes) -> bytes:
    return json.dumps({"left": left, "sent": sent, "raised": raised}).encode()


async def refuse(context: RequestContext, request: bytes) -> bytes:
    code, message, details = json.loads(request)
    raise RpcError(Code(code), message, bytes.fromhex(details))


async def crash(context: RequestContext, request: bytes) -> bytes:
    raise SystemExit("the secret") if request == b"exit" else ValueError("the secret")


async def wait(context: RequestContext, request: bytes) -> bytes:
    try:
        await asyncio.sleep(float(request or b"1000"))
    except asyncio.CancelledError:
        left.append("wait")
        raise
    return b"finished"


async def stream(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
    """Send messages, then do what is to be done at the end."""
    asked = json.loads(await anext(requests))
    name, size, then = asked["name"], asked.get("size", 0), asked.get("then", "")
    try:
        try:
            async with asyncio.timeout(asked.get("within")):
                for number in range(asked["count"]):
                    if then == "tell":
                        await send(b"%d" % len(left))
                        continue
                    await send(bytes(size) if size else b"%d" % number)
                    sent[name] = sent.get(name, 0) + 1
        except TimeoutError:
            raise RpcError(Code.UNAVAILABLE, "too slow", b"details") from None
        if then == "wait":
            await asyncio.Event().wait()
        elif then == "crash":
            raise ValueError("the secret")
    except asyncio.CancelledError:
        left.append(name)
        raise


async def shout(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for request in requests:
            await send(request.upper())
    except asyncio.CancelledError:
        left.append("shout")
        raise


async def check(context: RequestContext, request: bytes) -> bytes:
    return bytes(HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString())


async def watch(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
    await send(await check(context, await anext(requests)))


async def main(inside: Inside) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: raised.append(str(about)))
    sys.unraisablehook = lambda about: raised.append(repr(about.exc_value))
    unary = {"Unary": echo, "Seen": seen, "Notes": notes, "Refuse": refuse, "Crash": crash, "Wait": wait}
    wire = inside.wire(
        Rpcs(
            {f"/canned.Service/{name}": rpc for name, rpc in unary.items()} | {"/grpc.health.v1.Health/Check": check},
            {"/canned.Service/ServerStream": stream, "/grpc.health.v1.Health/Watch": watch},
            {"/canned.Service/BidiStream": shout},
        ),
        "",
        0,
    )
    inside.link.say(serving=await wire.start())
    while (await inside.hear())["op"] != "stop":
        pass
    await wire.stop(float(str(inside.first)))
    inside.link.say(stopped=True)


asgi = application(main)
