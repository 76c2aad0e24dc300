"""A whole server inside this process: what the command runs, and what tests run with a clock of theirs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from ringline_server.api.encode import CallEncoder
from ringline_server.api.health import HealthState
from ringline_server.api.identity import DevelopmentIdentity
from ringline_server.api.port import Rpcs
from ringline_server.api.rpcs import build_rpcs
from ringline_server.api.watch import WatchHandler
from ringline_server.app.errors import StartError
from ringline_server.clock import Clock, SystemClock
from ringline_server.config import Settings
from ringline_server.engine.engine import Engine
from ringline_server.engine.port import EngineError
from ringline_server.hub.hub import Hub
from ringline_server.store.port import Store, StoreError
from ringline_server.store.sqlite import SqliteStore
from ringline_server.wire.port import BuildWire, ListenError, Wire

HEAD_START = 0.05
"""Seconds between saying NOT_SERVING and telling the streams to go: on the way, that must not overtake this."""


LAST_WORDS = 1.0
"""Seconds at the most until the streams have ended of themselves; then the grace of all RPCs begins."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that serves, and the parts that it is made of."""

    port: int
    settings: Settings
    clock: Clock
    store: Store
    hub: Hub
    engine: Engine
    encoder: CallEncoder
    health: HealthState
    wire: Wire


def new_uid() -> str:
    """Return an id that nobody can guess: a UUID of version 7 with 72 random bits.

    It begins with the time, so that what is kept of new calls lies together in every index.
    """
    at, chance = f"{time.time_ns() // 1_000_000:012x}", os.urandom(9).hex()
    return f"{at[:8]}-{at[8:]}-7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"


@asynccontextmanager
async def running_server(
    settings: Settings,
    *,
    clock: Clock | None = None,
    new_uid: Callable[[], str] = new_uid,
    store: Store | None = None,
    build_wire: BuildWire | None = None,
) -> AsyncIterator[RunningServer]:
    """Run a server within the block. It serves from the beginning, and has stopped in good order at the end.

    Starts from the bottom up: what is overdue is decided before the first request (T4). Stops from the top down:
    NOT_SERVING first, then every stream is told to go elsewhere, RPCs under way finish within the grace, what was
    decided is written. Raises StartError.

    The wire is grpcio unless another one is given: the settings' wire is about processes, see ``serve``.
    """
    clock = SystemClock() if clock is None else clock
    store = SqliteStore(settings.database) if store is None else store
    async with AsyncExitStack() as stack:
        try:
            await store.open()
        except StoreError as error:
            raise StartError(f"{error} (the database is chosen with --database)") from error
        stack.push_async_callback(store.close)
        hub = Hub(store, clock, settings.call_types)
        stack.push_async_callback(hub.stop)
        engine = Engine(store, hub, hub, clock, settings.call_types, new_uid)
        hub.on_presence = engine.presence_changed
        stack.push_async_callback(engine.stop)
        try:
            await hub.start()
            await engine.start()
        except (StoreError, EngineError) as error:
            raise StartError(
                f"cannot read the database or decide what is overdue, {type(error).__name__}: {error}"
            ) from error
        encoder = CallEncoder(settings.call_types)
        health = HealthState()
        rpcs = _rpcs(settings, clock, store, hub, engine, encoder, health)
        wire = (build_wire or _grpcio)(rpcs, settings.listen.host, settings.listen.port)
        try:
            port = await wire.start()
        except ListenError as error:
            raise StartError(f"{error}. Choose another address with --listen; port 0 takes any free one") from error
        stack.push_async_callback(wire.stop, settings.drain_grace)
        stack.push_async_callback(_send_away, hub)
        # So that whoever is told to go elsewhere is no longer sent here.
        stack.push_async_callback(asyncio.sleep, HEAD_START)
        stack.callback(health.stop)
        health.set_serving(True)
        yield RunningServer(port, settings, clock, store, hub, engine, encoder, health, wire)


def log_serving(settings: Settings, port: int) -> None:
    """Log where RPCs are served, and what stands behind them."""
    listen = str(settings.listen._replace(port=port))
    database = str(settings.database.resolve())
    _log.info("serving", listen=listen, database=database, wire=settings.wire, identity="development")


def _grpcio(rpcs: Rpcs, host: str, port: int) -> Wire:
    from ringline_server.wire.grpcio import GrpcioWire  # noqa: PLC0415 -- another wire does without

    return GrpcioWire(rpcs, host, port)


async def _send_away(hub: Hub) -> None:
    """Let every stream end before its connection is told to: some clients lose what comes together with that."""
    hub.going_away()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            while len(hub):  # noqa: ASYNC110 -- a few looks, once, instead of an event that every stream keeps up to date
                await asyncio.sleep(HEAD_START / 5)
    await asyncio.sleep(HEAD_START)


def _rpcs(
    settings: Settings,
    clock: Clock,
    store: Store,
    hub: Hub,
    engine: Engine,
    encoder: CallEncoder,
    health: HealthState,
) -> Rpcs:
    # Until there are tokens; Settings refuses an address on which this would be a trap.
    identity = DevelopmentIdentity()
    call_types = settings.call_types
    watch = WatchHandler(hub=hub, store=store, clock=clock, identity=identity, encoder=encoder, call_types=call_types)
    return build_rpcs(
        engine=engine,
        store=store,
        encoder=encoder,
        identity=identity,
        call_types=call_types,
        health=health,
        watch=watch,
    )
