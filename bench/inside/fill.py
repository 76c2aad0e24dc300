"""Makes a database with a history, or adds a ring that is over soon.

    python -m bench.inside.fill DATABASE history CALLS PAST RINGS
    python -m bench.inside.fill DATABASE ring USER SECONDS

A history is so many ended calls, PAST of them of the user ``history-callee``, and so many open rings besides.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.inside.book import Story, write
from ringline_server.rules.settings import DAY, SECOND

EACH = 100
"""Past calls of each pair."""
FOR_GOOD = 3650 * DAY


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


def main() -> None:
    database, what, *rest = sys.argv[1:]
    if what == "history":
        calls, past, rings = map(int, rest)
        stories = history(calls, past, rings)
    else:
        user, seconds = rest
        at = now()
        name = f"soon-{at}"
        timeout = int(float(seconds) * SECOND)
        stories = iter([Story(name, "soon-caller", user, at, ended=False, timeout=timeout)])
    asyncio.run(write(Path(database), stories))


if __name__ == "__main__":
    main()
