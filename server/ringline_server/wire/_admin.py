"""Envoy's administration, which listens on a socket in a folder of ours: nobody else can ask it."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from pathlib import Path


class Admin:
    """Asks Envoy. Raises OSError as long as it does not answer, and when it no longer does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def port(self) -> int | None:
        """Return the port that Envoy listens on, or None if it does not yet."""
        for listener in json.loads(await self._ask("GET", "/listeners?format=json")).get("listener_statuses", ()):
            port = listener["local_address"]["socket_address"].get("port_value", 0)
            if port:
                return int(port)
        return None

    async def close_listener(self) -> None:
        """Let nobody connect any more. What is connected stays."""
        await self._ask("POST", "/drain_listeners")

    async def open_requests(self) -> int:
        """Return how many requests have not ended for their clients."""
        found = re.search(
            rb"downstream_rq_active: (\d+)", await self._ask("GET", "/stats?filter=rpcs.downstream_rq_active")
        )
        return int(found[1]) if found else 0

    async def _ask(self, method: str, target: str) -> bytes:
        return await asyncio.to_thread(self._ask_now, method, target)

    def _ask_now(self, method: str, target: str) -> bytes:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, target)
            return connection.getresponse().read()
        except http.client.HTTPException as error:
            raise OSError(f"Envoy's administration answers {error!r}") from error
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
