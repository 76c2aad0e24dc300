"""A process that opens streams, reads one message of each, and then reads no more: PORT METHOD STREAMS [REQUEST]."""

from __future__ import annotations

import asyncio
import sys

from grpc import aio


async def main(port: str, method: str, streams: str, request: str = "") -> None:
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = [channel.unary_stream(method, None, None)(request.encode()) for _ in range(int(streams))]
        for call in calls:
            await call.read()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
