"""How many requests are let in at a time: one too many is refused at once, before anything is spent on it."""

from __future__ import annotations

import asyncio

import structlog

from ringline_server.api.errors import ApiError, not_decided
from ringline_server.api.port import RequestContext, Unary
from ringline_server.engine.port import Overloaded

MAX_AT_ONCE = 1000
"""RPCs that may be under way. As many are answered within a second; more would only wait, until their clients
have given up, and take the time of those that could still be answered in time."""

LOG_PAUSE = 1.0
"""Seconds that one line in the log is about."""

_OVERLOADED = not_decided(Overloaded())

_log = structlog.get_logger(__name__)


class Admission:
    """The door of some RPCs, which together may be so many at a time."""

    def __init__(self, at_once: int = MAX_AT_ONCE) -> None:
        self._free = at_once
        self._refused = 0

    def limited(self, rpc: Unary) -> Unary:
        """Return the RPC, refused with OVERLOADED if too many are under way.

        What is refused has no line of its own in the log: then there is too much to do already.
        """

        async def admitted(context: RequestContext, request: bytes) -> bytes:
            if not self._free:
                raise self._refusal()
            self._free -= 1
            try:
                return await rpc(context, request)
            finally:
                self._free += 1

        return admitted

    def _refusal(self) -> ApiError:
        if not self._refused:
            asyncio.get_running_loop().call_later(LOG_PAUSE, self._tell)
        self._refused += 1
        of = _OVERLOADED
        return ApiError(of.code, of.message, of.details, of.reason)

    def _tell(self) -> None:
        _log.warning("overloaded", refused=self._refused)
        self._refused = 0
