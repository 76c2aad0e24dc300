"""What surrounds every RPC: its time, its errors and its line in the log.

A handler may raise whatever the layers below it raise. Out of here comes RpcError and nothing else, save
CancelledError, which is the wire's own news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.api.errors import ApiError, deadline_exceeded, internal, not_decided, refused
from ringline_server.api.port import RequestContext, RpcError, Send, Stream, Unary
from ringline_server.engine.port import EngineError
from ringline_server.rules.context import Actor
from ringline_server.rules.outcome import Refusal

DEFAULT_TIMEOUT = 10.0
"""Seconds that a unary RPC gets whose client named no deadline."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


def note(context: RequestContext, **facts: str) -> None:
    """Add facts to the RPC's log line: ``cid``, ``ring_id``, ``request_id``. Empty ones are not."""
    for name, fact in facts.items():
        if fact:
            context.notes[name] = fact


def note_actor(context: RequestContext, actor: Actor) -> None:
    """Add who sends the RPC to its log line."""
    note(context, user=actor.user_id, service=actor.service_id, device=actor.device_id)


def unary(rpc: Unary, *, default_timeout: float = DEFAULT_TIMEOUT, quiet: bool = False) -> Unary:
    """Return the unary RPC with all that surrounds it. A ``quiet`` one gets its log line only at level debug."""
    log = _log_of(quiet=quiet)

    async def surrounded(context: RequestContext, request: bytes) -> bytes:
        ending = _Ending(context, log)
        timeout = asyncio.timeout(default_timeout if context.timeout is None else context.timeout)
        try:
            async with timeout:
                return await rpc(context, request)
        except TimeoutError as error:
            raise ending.failed(deadline_exceeded() if timeout.expired() else error) from None
        except Exception as error:  # noqa: BLE001 -- whatever it is, its text must not leave the server
            raise ending.failed(error) from None
        except asyncio.CancelledError:
            ending.code = "CANCELLED"
            raise
        finally:
            ending.log()

    return surrounded


def stream(rpc: Stream, *, quiet: bool = False) -> Stream:
    """Return the streaming RPC with all that surrounds it, save a deadline: its client may name one."""
    log = _log_of(quiet=quiet)

    async def surrounded(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        ending = _Ending(context, log)
        try:
            await rpc(context, requests, send)
        except Exception as error:  # noqa: BLE001 -- see unary
            raise ending.failed(error) from None
        except asyncio.CancelledError:
            ending.code = "CANCELLED"
            raise
        finally:
            ending.log()

    return surrounded


def _log_of(*, quiet: bool) -> Callable[..., Any]:
    """Return what writes an RPC's line. Looked up once: to look it up anew takes as long as a seventh of the line."""
    log = _log.bind()
    return log.debug if quiet else log.info


class _Ending:
    """How an RPC ends, for its client and for the log."""

    __slots__ = ("_context", "_log", "_started", "code")

    def __init__(self, context: RequestContext, log: Callable[..., Any]) -> None:
        self._context = context
        self._log = log
        self._started = perf_counter()
        self.code = "OK"

    def failed(self, error: Exception) -> RpcError:
        """Return what the RPC that raised this ends with."""
        answer = _rpc_error(error, self._context)
        self.code = answer.code.name
        if isinstance(answer, ApiError):
            note(self._context, reason=answer.reason)
        return answer

    def log(self) -> None:
        context = self._context
        milliseconds = round((perf_counter() - self._started) * 1000, 1)
        self._log("rpc", method=context.method, code=self.code, ms=milliseconds, peer=context.peer, **context.notes)


def _rpc_error(error: Exception, context: RequestContext) -> RpcError:
    match error:
        case RpcError():
            return error
        case Refusal():
            return refused(error)
        case EngineError():
            answer = not_decided(error)
            if answer.reason == "INTERNAL":
                _log.error("rpc_not_decided", method=context.method, exc_info=error)
            return answer
        case _:
            _log.error("rpc_failed", method=context.method, exc_info=error)
            return internal()
