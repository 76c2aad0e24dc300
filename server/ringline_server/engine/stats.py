"""What the engine counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    batches: int = 0
    commands: int = 0
    """Taken into a batch."""
    abandoned: int = 0
    """Dropped because the client had left before."""
    overloaded: int = 0
    refused: int = 0
    raised: int = 0
    parked: int = 0
    """Deadlines that were given up until their call changes again, because deciding them raised or changed nothing."""
    failed: int = 0
    """Commands of batches that were not committed, or of which that is not known."""
