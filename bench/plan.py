"""How much is measured, and where."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.generator import record
from bench.servers import ROOT, WIRES, NotServedError, ringline, running
from bench.verdict import LEAST_RATIOS

T = TypeVar("T")

CACHE = ROOT / "bench/.cache"
"""On the disk that the project is on: on one in memory a commit would cost nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of the benchmarks."""

    quick: bool
    folder: Path
    """For databases; empty at the beginning, and gone afterwards."""
    lacking: Mapping[str, str]
    """Wires that the server does not serve, with what it says when asked to."""
    canned: Path
    """What a real server says in a call of two."""

    def choose(self, thorough: T, quick: T) -> T:
        return quick if self.quick else thorough

    def recorded(self) -> dict[str, dict[str, str]]:
        """Return what is in ``canned``."""
        return dict(json.loads(self.canned.read_text(encoding="utf-8")))

    @property
    def rounds(self) -> int:
        return self.choose(LEAST_RATIOS, 1)

    def rounds_of(self, measures: Sequence[Callable[[], T]]) -> list[list[T]]:
        """Measure all in turn, several times, every second time backwards; return one list for each of them."""
        results: list[list[T]] = [[] for _ in measures]
        for number in range(self.rounds):
            order = range(len(measures)) if number % 2 == 0 else reversed(range(len(measures)))
            for at in order:
                results[at].append(measures[at]())
        return results

    def database(self, name: str) -> Path:
        """Return where no database is yet."""
        return self.folder / f"{name}-{uuid.uuid4().hex}.db"


def make(*, quick: bool, folder: Path) -> Plan:
    """See what the server can do, and record what it says."""
    lacking = {}
    canned = folder / "canned.json"
    for wire in WIRES:
        try:
            with running(ringline(wire, folder / f"probe-{wire}.db")) as server:
                record(server, canned)
        except NotServedError as error:
            lacking[wire] = str(error)
    if len(lacking) == len(WIRES):
        raise NotServedError(f"no wire is served: {lacking}")
    return Plan(quick, folder, lacking, canned)


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    print(text, file=sys.stderr, flush=True)
