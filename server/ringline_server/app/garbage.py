"""The garbage collector, set for a server."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Look for garbage seldom, and never among what lives as long as the process. To be called once it serves.

    Calls hold no cycles and thousands of them are kept: Python's defaults look through these over and over. What
    was imported is garbage hardly anywhere, and to look for that would take longer than to open the database. Each look
    at what is young takes a few milliseconds, in which nobody is answered: less often would be no cheaper.
    """
    gc.freeze()
    gc.set_threshold(5_000, 200, 2)
