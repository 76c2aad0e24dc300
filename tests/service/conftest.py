"""The servers that the tests of the service talk to."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.clock import START, FakeClock
from tests.envoy import need_envoy
from tests.service.host import InEnvoy, InProcess, Process, Server, serving, subprocess_server


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Run the tests on the loop that the command serves on: servers in their own process are as they are released."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["grpcio", pytest.param("envoy", marks=pytest.mark.envoy)])
def wire(request: pytest.FixtureRequest) -> str:
    """What carries the RPCs: every test of the service is run on both wires."""
    if request.param == "envoy":
        need_envoy()
    return str(request.param)


@pytest.fixture
async def server(tmp_path: Path, wire: str) -> AsyncIterator[Server]:
    """A server on a file of its own; time stands still until the test lets it go on."""
    database = tmp_path / "ringline.db"
    async with serving(InEnvoy(database, START) if wire == "envoy" else InProcess(database, FakeClock())) as running:
        yield running


@pytest.fixture
async def process(tmp_path: Path, wire: str) -> AsyncIterator[Process]:
    """A server in a process of its own, with the clock of this machine."""
    async with subprocess_server(tmp_path / "ringline.db", tmp_path / "server.log", wire) as running:
        yield running
