"""Learning what became of a commit whose outcome is not known."""

from __future__ import annotations

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.clock import Clock
from ringline_server.engine.decider import Decided
from ringline_server.store.port import Snapshot, Store, StoreBroken, StoreError

RETRY_AFTER = 1.0

_log: FilteringBoundLogger = structlog.get_logger(__name__)


async def was_committed(store: Store, clock: Clock, decided: Decided) -> bool:
    """Return whether the log holds the steps of a batch; return only once it can be read.

    A batch is one transaction, so its last event speaks for all. No other batch may run meanwhile: what comes after
    must be told after. Raises StoreBroken.
    """
    if not decided.writes:
        return False
    last = decided.writes[-1].step

    def read(snapshot: Snapshot) -> bool:
        found = snapshot.events(last.position - 1, 1)
        return [(position, event.uid, event.seq) for position, event in found] == [
            (last.position, last.call.uid, last.call.seq)
        ]

    while True:
        try:
            return await store.read(read)
        except StoreBroken:
            raise
        except StoreError as error:
            _log.warning("log_unreadable", error=str(error))
        await clock.sleep(RETRY_AFTER)
