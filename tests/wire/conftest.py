"""A server for tests that leave it as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.wire.canned_envoy import Served, serve


@pytest.fixture
async def one_server() -> AsyncIterator[Served]:
    async with serve() as served:
        yield served
