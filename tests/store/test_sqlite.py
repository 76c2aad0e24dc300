from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ringline_server.store.port import Store
from ringline_server.store.sqlite import SqliteStore
from tests.store.suite import StoreSuite


class TestSqliteAsAStore(StoreSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "ringline.db")
