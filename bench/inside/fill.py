"""Makes a database with a history, or adds a ring that is over soon.

    python -m bench.inside.fill DATABASE history CALLS PAST RINGS
    python -m bench.inside.fill DATABASE ring USER SECONDS

A history is so many ended calls, PAST of them of the user ``history-callee``, and so many open rings besides.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.inside.book import Story, write
from ringline_server.rules.settings import DAY, SECOND

EACH = 100
"""Past calls of each pair."""
FOR_GOOD = 3650 * DAY
CACHE_KIB = 512 * 1024
"""Of memory in which indexes are sorted."""


def now() -> int:
    return time.time_ns() // 1000


def history(calls: int, past: int, rings: int) -> Iterator[Story]:
    """Return the calls of the last 20 days, in order, and then the rings."""
    begin, every = now() - 20 * DAY, 20 * DAY * EACH // calls
    yield Story("history", "history-caller", "history-callee", begin, times=past)
    for number in range((calls - past) // EACH):
        yield Story(f"past{number}", f"p{number}-caller", f"p{number}-callee", begin + number * every, times=EACH)
    for number in range(rings):
        yield Story(f"open{number}", f"o{number}-caller", f"o{number}-callee", now(), ended=False, timeout=FOR_GOOD)


@contextmanager
def without_indexes(path: Path) -> Iterator[None]:
    """Leave a database without its indexes within the block: made afterwards, at once, they take less time.

    Ids are random, so that each call's would be written to a page of its own.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        indexes = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql != ''").fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
    yield
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        for _, statement in indexes:
            database.execute(statement)


def main() -> None:
    database, what, *rest = sys.argv[1:]
    path = Path(database)
    if what == "history":
        calls, past, rings = map(int, rest)
        asyncio.run(write(path, ()))
        with without_indexes(path):
            asyncio.run(write(path, history(calls, past, rings)))
    else:
        user, seconds = rest
        at = now()
        name = f"soon-{at}"
        timeout = int(float(seconds) * SECOND)
        asyncio.run(write(path, [Story(name, "soon-caller", user, at, ended=False, timeout=timeout)]))


if __name__ == "__main__":
    main()
