"""Whole functions on a connection's thread: one hop for a transaction, instead of one for each statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import aiosqlite

T = TypeVar("T")


class _Job(Generic[T]):
    """A function on its way to the thread and what it returned on its way back."""

    result: T

    def __init__(self, function: Callable[[sqlite3.Connection], T]) -> None:
        self._function = function

    def run(self, connection: sqlite3.Connection) -> None:
        self.result = self._function(connection)

    def __iter__(self) -> Any:  # noqa: ANN401 -- only there so that it may be handed to executemany
        raise TypeError("a job is run, not read")


class ThreadConnection(sqlite3.Connection):
    """A connection whose ``executemany`` also takes a job: what aiosqlite calls on the connection's own thread."""

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        if isinstance(parameters, _Job):
            parameters.run(self)
            return self.cursor()
        return super().executemany(sql, parameters)


async def run(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run the function on the connection's thread, after all that was asked of it before, and return what it returns.

    What it raises passes. Once asked for, it runs to its end even if the caller is cancelled. The connection must
    have been made with ``ThreadConnection`` as its factory.
    """
    job = _Job(function)
    await connection.executemany("", job)
    return job.result
