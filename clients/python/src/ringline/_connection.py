"""A client's connection: its channel, who it says it is, and requests that are repeated until they are answered."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from ringline._clock import Backoff, Clock, ServerTime
from ringline.errors import DeadlineExceeded, Unavailable, error_of
from ringline.v1.call_service_pb2_grpc import CallServiceStub

if TYPE_CHECKING:
    from ringline.v1.call_service_pb2_grpc import CallServiceAsyncStub

Token = str | Callable[[], str]
Metadata = tuple[tuple[str, str | bytes], ...]

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)

_RETRY = Backoff(base=0.1, limit=2.0)

_PATIENCE = 5.0
"""Seconds that an answer may take: it takes milliseconds, unless the connection is dead."""

_SECOND = 1000

_OPTIONS: tuple[tuple[str, int], ...] = (
    # By default channels to one address share a connection, and one that is dead would be found again.
    ("grpc.use_local_subchannel_pool", 1),
    # When to try again is decided above; the library's own pauses (up to 2 min) would come on top.
    ("grpc.initial_reconnect_backoff_ms", _SECOND // 10),
    ("grpc.min_reconnect_backoff_ms", _SECOND // 10),
    ("grpc.max_reconnect_backoff_ms", _SECOND),
    # A call is at most 1 MiB, a page of calls 2 MiB and a little more.
    ("grpc.max_receive_message_length", 8 << 20),
)


class Connection:
    """A channel to a server, opened when it is first needed."""

    def __init__(
        self,
        address: str,
        metadata: Mapping[str, str | bytes],
        *,
        token: Token | None,
        credentials: grpc.ChannelCredentials | None,
        timeout: float,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self.clock = clock
        self.chance = chance
        self.server_time = ServerTime(clock)
        self._address = address
        self._metadata: Metadata = tuple(metadata.items())
        self._token = token
        self._credentials = credentials
        self._timeout = timeout
        self._channel: aio.Channel | None = None
        self._stub: CallServiceAsyncStub | None = None
        self._heard = -math.inf
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def metadata(self) -> Metadata:
        """Return the metadata of the next RPC."""
        if self._token is None:
            return self._metadata
        token = self._token if isinstance(self._token, str) else self._token()
        return (("authorization", f"Bearer {token}"), *self._metadata)

    @property
    def stub(self) -> CallServiceAsyncStub:
        """The stub on the present channel."""
        if self._closed:
            raise RuntimeError("The client is closed. Make a new one.")
        if self._stub is None:
            if self._credentials is None:
                self._channel = aio.insecure_channel(self._address, options=_OPTIONS)
            else:
                self._channel = aio.secure_channel(self._address, self._credentials, options=_OPTIONS)
            self._stub = CallServiceStub(self._channel)
        return self._stub

    def hears(self) -> None:
        """Take it that the server has just said something: the connection is not dead."""
        self._heard = self.clock.monotonic()

    def renew(self, silent: CallServiceAsyncStub) -> None:
        """Take another connection from now on, if this stub's is the present one: it went silent.

        What is under way on it may still end well.
        """
        if silent is not self._stub or self._channel is None:
            return
        channel, self._channel, self._stub = self._channel, None, None
        _ = self.spawn(channel.close(self._timeout))  # in its own time

    async def unary(
        self,
        method: Callable[[CallServiceAsyncStub], aio.UnaryUnaryMultiCallable[_Request, _Response]],
        request: _Request,
    ) -> _Response:
        """Return the answer to a request; raise RinglineError.

        While the server is unavailable or silent it is repeated, as long as the time allows. Who repeats a request
        that acts must have given it a ``request_id``.
        """
        deadline = self.clock.monotonic() + self._timeout
        attempt = 0
        while True:
            stub, begun = self.stub, self.clock.monotonic()
            try:
                left = min(_PATIENCE, max(0.0, deadline - begun))
                answer = await method(stub)(request, timeout=left, metadata=self.metadata())
            except aio.AioRpcError as failure:
                error = error_of(failure)
                if error.reason:
                    self.hears()
                elif isinstance(error, DeadlineExceeded) and self._heard <= begun:
                    self.renew(stub)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                # It was the channel.
                error = Unavailable(grpc.StatusCode.UNAVAILABLE, "The connection was closed under way. Try again.")
                if self._closed:
                    raise error from None
            else:
                self.hears()
                return answer
            pause = _RETRY.delay(attempt, self.chance(), error.retry_after)
            again = isinstance(error, Unavailable | DeadlineExceeded)
            if not again or self.clock.monotonic() + pause >= deadline:
                raise error
            await self.clock.sleep(pause)
            if self._closed:
                raise error
            attempt += 1

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside, until it is done or the connection is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Close it; everything under way on it ends."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            await channel.close(None)


def identity(
    user: str | None, device: str | None, metadata: Mapping[str, str | bytes] | None
) -> dict[str, str | bytes]:
    """Return the metadata that say who one is: under ``-bin`` what gRPC's ASCII metadata cannot carry as it is."""
    found: dict[str, str | bytes] = {}
    for key, value in (("x-user-id", user), ("x-device-id", device)):
        if value is None:
            continue
        if value.isascii() and value.isprintable() and value == value.strip():
            found[key] = value
        else:
            found[f"{key}-bin"] = value.encode()
    return found | dict(metadata or {})


def new_request_id() -> str:
    """Return an id under which a request that acts can be repeated."""
    return str(uuid.uuid4())


def is_cancelled() -> bool:
    """Return whether somebody cancels this task; if not, a CancelledError is only an RPC's own end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
