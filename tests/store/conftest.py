from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringline_server.store.sqlite import SqliteStore

pytest.register_assert_rewrite(
    "tests.store.suite_fixtures",
    "tests.store.suite_lists",
    "tests.store.suite_queries",
    "tests.store.suite_reading",
    "tests.store.suite_writing",
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "ringline.db")
    await store.open()
    yield store
    await store.close()
