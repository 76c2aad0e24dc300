"""What the canned floors say: bytes recorded from a real server, read from the file that ``CANNED`` names.

Users are named ``group-name``. An RPC is answered with its canned bytes, and then its message goes to ``told`` streams
of the caller's group, in turn; 0 is all of them.
"""

from __future__ import annotations

import base64
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Stream = TypeVar("Stream")


@dataclass(frozen=True, slots=True)
class Reply:
    """What one RPC is worth."""

    answer: bytes
    message: bytes
    told: int


def load() -> Mapping[str, Reply]:
    """Return the reply of each method; that of WatchCalls has the first message of a stream as its answer."""
    recorded = json.loads(Path(os.environ["CANNED"]).read_text(encoding="utf-8"))
    return {
        method: Reply(base64.b64decode(one["answer"]), base64.b64decode(one.get("message", "")), one.get("told", 0))
        for method, one in recorded.items()
    }


def group_of(user: str) -> str:
    return user.partition("-")[0]


class Streams(Generic[Stream]):
    """Who watches, by group."""

    def __init__(self) -> None:
        self._groups: defaultdict[str, list[Stream]] = defaultdict(list)
        self._next: defaultdict[str, int] = defaultdict(int)

    def add(self, group: str, stream: Stream) -> None:
        self._groups[group].append(stream)

    def remove(self, group: str, stream: Stream) -> None:
        self._groups[group].remove(stream)

    def told_by(self, group: str, reply: Reply) -> list[Stream]:
        """Return the streams that the reply's message goes to."""
        streams = self._groups[group]
        if not reply.message:
            return []
        if not reply.told or reply.told >= len(streams):
            return streams
        first = self._next[group]
        self._next[group] = (first + reply.told) % len(streams)
        return [streams[(first + at) % len(streams)] for at in range(reply.told)]
