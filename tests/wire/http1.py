"""HTTP/1.1 as browsers and curl speak it."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str], *, tls: ssl.SSLContext | None = None
) -> Answer:
    """Send a request, and return the whole answer."""

    def now() -> Answer:
        if tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        else:
            connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=tls)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            found = {name.lower(): text for name, text in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(now)
