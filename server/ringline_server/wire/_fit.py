"""How much of an error a client can be told."""

from __future__ import annotations

import structlog

from ringline_server.api.port import RpcError

MAX_STATUS_BYTES = 6 * 1024
"""Clients on grpc's core refuse trailers over 8 KiB, and then see another status than the one sent."""

_log = structlog.get_logger(__name__)


def fitting(error: RpcError) -> tuple[str, bytes]:
    """Return the error's message and details, the details left out if both are longer than a client could read."""
    message, details = error.message, error.details
    if len(message.encode(errors="replace")) + len(details) > MAX_STATUS_BYTES:
        _log.warning("status_too_long", code=error.code.name, message_chars=len(message), details_bytes=len(details))
        return message[: MAX_STATUS_BYTES // 8], b""
    return message, details
