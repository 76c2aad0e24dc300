"""What the server asks of the operating system's scheduler."""

from __future__ import annotations

import contextlib
import os


def work_in_batches() -> None:
    """Let no thread of the server's interrupt another one that it has just been woken by.

    One command goes through three threads, each of which wakes the next, and does so for every one of many. Linux
    would rather run who is woken at once, so that a batch is taken apart into its pieces; with ``SCHED_BATCH`` it lets
    the one who works finish first. A core that is idle still takes what is woken at once.

    To be called before there are other threads or processes: they inherit it. What the operator has chosen stays.
    """
    if not hasattr(os, "SCHED_BATCH"):
        return
    # It may be forbidden, and with musl it is not there at all; the server then works as well, only slower.
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
