"""What every engine of the store has to do: subclass ``StoreSuite`` and say how one is made."""

from __future__ import annotations

from tests.store.suite_lists import ListSuite
from tests.store.suite_queries import QuerySuite
from tests.store.suite_reading import ReadingSuite
from tests.store.suite_writing import WritingSuite


class StoreSuite(WritingSuite, ReadingSuite, QuerySuite, ListSuite):
    """The whole suite. ``make`` has to return a new store on the same storage each time it is called in one test."""
