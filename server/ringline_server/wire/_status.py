"""How an RPC ends other than with OK: the port's status, put into the library's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog
from grpc import aio

from ringline_server.api.port import Code, RpcError
from ringline_server.wire._fit import fitting

if TYPE_CHECKING:
    # Generic in the stubs only.
    Context = aio.ServicerContext[Any, Any]


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_log = structlog.get_logger(__name__)


async def end_with(context: Context, error: RpcError) -> NoReturn:
    """End the RPC with the error's status, without its details if those are longer than a client could read.

    The status is sent behind the messages that the client has not read. As long as it does not read, a few KB stay
    with the connection; the handler and what it holds are free.
    """
    message, details = fitting(error)
    trailers = (("grpc-status-details-bin", details),) if details else ()
    await context.abort(_CODES[error.code], message, trailers)


async def end_unforeseen(context: Context, method: str) -> NoReturn:
    """Log the exception being handled, and end the RPC with INTERNAL: nothing of its text leaves the server."""
    _log.exception("rpc_failed", method=method)
    await end_with(context, RpcError(Code.INTERNAL, "The server failed to handle this RPC; its log says why.", b""))
