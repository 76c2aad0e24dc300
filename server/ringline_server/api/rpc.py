"""What surrounds every RPC: its time, its errors and its line in the log.

A handler may raise whatever the layers below it raise. Out of here comes RpcError and nothing else, save
CancelledError, which is the wire's own news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

import structlog

from ringline_server.api.errors import ApiError, deadline_exceeded, internal, not_decided, refused
from ringline_server.api.port import RequestContext, RpcError, Send, Stream, Unary
from ringline_server.engine.port import EngineError
from ringline_server.rules.context import Actor
from ringline_server.rules.outcome import Refusal

DEFAULT_TIMEOUT = 10.0
"""Seconds that a unary RPC gets whose client named no deadline."""

_log = structlog.get_logger(__name__)

_notes: ContextVar[dict[str, str] | None] = ContextVar("notes", default=None)


def note(**facts: str) -> None:
    """Add facts to the log line of the RPC being handled: ``cid``, ``ring_id``, ``request_id``. Empty ones are not."""
    notes = _notes.get()
    if notes is not None:
        notes.update({key: value for key, value in facts.items() if value})


def note_actor(actor: Actor) -> None:
    """Add who sends the RPC to its log line."""
    note(user=actor.user_id, service=actor.service_id, device=actor.device_id)


def unary(rpc: Unary, *, default_timeout: float = DEFAULT_TIMEOUT, quiet: bool = False) -> Unary:
    """Return the unary RPC with all that surrounds it. A ``quiet`` one gets its log line only at level debug."""

    async def surrounded(context: RequestContext, request: bytes) -> bytes:
        with _told(context, quiet=quiet):
            limit = default_timeout if context.timeout is None else context.timeout
            timeout = asyncio.timeout(limit)
            try:
                async with timeout:
                    return await rpc(context, request)
            except TimeoutError:
                if not timeout.expired():
                    raise
                raise deadline_exceeded() from None

    return surrounded


def stream(rpc: Stream, *, quiet: bool = False) -> Stream:
    """Return the streaming RPC with all that surrounds it, save a deadline: its client may name one."""

    async def surrounded(context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        with _told(context, quiet=quiet):
            await rpc(context, requests, send)

    return surrounded


@contextmanager
def _told(context: RequestContext, *, quiet: bool) -> Iterator[None]:
    """Log how an RPC ended, and make an RpcError of whatever it raised."""
    notes: dict[str, str] = {}
    token = _notes.set(notes)
    started = perf_counter()
    code, reason = "OK", ""
    try:
        yield
    except asyncio.CancelledError:
        code = "CANCELLED"
        raise
    except Exception as error:  # noqa: BLE001 -- whatever it is, its text must not leave the server
        answer = _rpc_error(error, context)
        code, reason = answer.code.name, answer.reason if isinstance(answer, ApiError) else ""
        raise answer from None
    finally:
        _notes.reset(token)
        if reason:
            notes["reason"] = reason
        milliseconds = round((perf_counter() - started) * 1000, 1)
        log = _log.debug if quiet else _log.info
        log("rpc", method=context.method, code=code, ms=milliseconds, peer=context.peer, **notes)


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
