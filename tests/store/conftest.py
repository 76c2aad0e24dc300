from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.store.suite_fixtures",
    "tests.store.suite_lists",
    "tests.store.suite_queries",
    "tests.store.suite_reading",
    "tests.store.suite_writing",
)
