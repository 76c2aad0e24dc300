"""What a wire is to those who start it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ringline_server.api.port import Rpcs
from ringline_server.wire._address import ListenError

__all__ = ["BuildWire", "ListenError", "Wire"]


class Wire(Protocol):
    """Carries the RPCs on one address."""

    async def start(self) -> int:
        """Serve, and return the port: the one asked for, or for 0 a free one. Raises ListenError.

        A host with several addresses, such as ``localhost``, is served on all of them.
        """

    async def stop(self, grace: float) -> None:
        """Accept nothing more, let RPCs end within so many seconds, cancel the rest. May be called once started."""


BuildWire = Callable[[Rpcs, str, int], Wire]
"""Returns a wire that will carry the RPCs on a host and a port."""
