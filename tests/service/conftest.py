"""The servers that the tests of the service talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.service.host import Process, Server, in_process, subprocess_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server in this process, on a file of its own; time stands still until the test lets it go on."""
    async with in_process(tmp_path / "ringline.db", FakeClock()) as running:
        yield running


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """A server in a process of its own, with the clock of this machine."""
    async with subprocess_server(tmp_path / "ringline.db", tmp_path / "server.log") as running:
        yield running
