"""The servers that the tests of the SDK talk to, and their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ringline import Client
from tests.client.scripted import ClientClock, ScriptedServer, scripted_server
from tests.clock import FakeClock
from tests.service.host import InProcess, Server, serving

Connect = Callable[..., Client]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A real server, whose time stands still until the test lets it go on."""
    async with serving(InProcess(tmp_path / "ringline.db", FakeClock())) as running:
        yield running


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A server that does what the test says."""
    async with scripted_server() as running:
        yield running


@pytest.fixture
def clock() -> ClientClock:
    """The time of the client of a scripted server; it stands still."""
    return ClientClock()


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    """Makes clients of the real server."""
    async with AsyncExitStack() as stack:

        def make(user: str, device: str | None = None, **options: Any) -> Client:  # noqa: ANN401 -- Client's own
            client = Client(options.pop("address", server.address), user=user, device=device, **options)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
async def client(scripted: ScriptedServer, clock: ClientClock) -> AsyncIterator[Client]:
    """A client of the scripted server, whose jitter is always the middle."""
    async with Client(scripted.address, user="ann", clock=clock, chance=lambda: 0.5) as made:
        yield made
