"""The floors ``envoy`` and ``envoy-durable``: the same as ``aio``, carried by Envoy with Python inside.

CANNED=file [DATABASE=file] python -m bench.floors.envoy [port]
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from pyvoy import PyvoyServer


async def main() -> None:
    server = PyvoyServer(
        "bench.floors.envoy_app:app",
        port=int(sys.argv[1]) if len(sys.argv) > 1 else 0,
        env={key: os.environ[key] for key in ("CANNED", "DATABASE") if key in os.environ},
        lifespan=False,
        stdout=None,
        stderr=None,
        additional_envoy_args=["--concurrency", "1"],
    )
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"serving on 127.0.0.1:{server.listener_port}", flush=True)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
