from __future__ import annotations

import uvloop

from ringline_server.clock import SystemClock


def test_T4_a_sleep_is_never_too_short_on_the_loop_that_the_server_runs_on() -> None:
    """Whoever waits for a deadline and wakes before it would have to sleep again, and again."""

    async def early() -> list[int]:
        clock, too_early = SystemClock(), []
        for microseconds in range(100, 5000, 130):
            until = clock.now() + microseconds
            await clock.sleep(microseconds / 1_000_000)
            if clock.now() < until:
                too_early.append(microseconds)
        return too_early

    assert uvloop.run(early()) == []
