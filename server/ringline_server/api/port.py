"""What a wire hands to the RPCs and gets from them. Nothing here, or above it, knows which wire it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

Metadata = Sequence[tuple[str, str | bytes]]
"""Keys in lower case; the values of ``-bin`` keys are bytes, already out of base64."""


class Code(IntEnum):
    """The canonical status codes that RPCs here end with."""

    OK = 0
    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """The way in which an RPC ends other than with OK. ``details`` is an encoded ``google.rpc.Status``."""

    def __init__(self, code: Code, message: str, details: bytes) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


@dataclass(slots=True)
class RequestContext:
    """One RPC as a wire sees it."""

    method: str
    """The full path: ``/ringline.v1.CallService/JoinCall``."""
    metadata: Metadata
    peer: str
    timeout: float | None
    """Seconds until the client's deadline; None if it named none."""
    notes: dict[str, str] = field(default_factory=dict)
    """What the RPC's line in the log says beside how it ended."""


class _Ready:
    """An awaitable that is over at once."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


READY: Awaitable[None] = _Ready()
"""What ``Send`` returns when the message is sent and the next one may be."""

Send = Callable[[bytes], Awaitable[None]]
"""Sends one message of a stream. What it returns is over when the wire's flow control lets the next one be sent.

Until then it has to be awaited, for some wires send no sooner; only if it is ``READY`` there is no need to.
"""

Unary = Callable[[RequestContext, bytes], Awaitable[bytes]]
"""Takes the request's bytes, returns the response's; raises RpcError and nothing else, save CancelledError."""

Stream = Callable[[RequestContext, AsyncIterator[bytes], Send], Awaitable[None]]
"""Takes the requests' bytes, sends the responses'; a server-streaming RPC takes one request. Raises as Unary does."""


@dataclass(frozen=True, slots=True)
class Rpcs:
    """All RPCs of the server, by full path."""

    unary: Mapping[str, Unary]
    server_stream: Mapping[str, Stream]
    bidi_stream: Mapping[str, Stream]


MAX_REQUEST_BYTES = 256 * 1024
"""A larger request is refused by the wire with RESOURCE_EXHAUSTED (C6)."""
