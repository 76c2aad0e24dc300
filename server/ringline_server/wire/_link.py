"""Between the command and the server in Envoy's process: a JSON object a line, over a pair of sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

Json = dict[str, Any]

INSIDE = "_RINGLINE_INSIDE"
"""The variable that tells the server in Envoy's process what it is to be."""

_LONGEST_LINE = 1 << 24


class Link:
    """One end. The link is cut when the process at the other end is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Link:
        """Return the link at this end."""
        end.settimeout(0)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST_LINE))

    def say(self, **words: object) -> None:
        """Send an object."""
        self._writer.write(json.dumps(words).encode() + b"\n")

    async def flush(self) -> None:
        """Return once what was said is on its way."""
        await self._writer.drain()

    async def hear(self) -> Json | None:
        """Return the next object, or None once the link is cut."""
        try:
            line = await self._reader.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        heard: Json = json.loads(line)
        return heard

    def close(self) -> None:
        """Let go of this end."""
        self._writer.close()
