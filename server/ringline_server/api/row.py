"""Many parts of one thing in their order, each encoded, of which few change at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Generic, TypeVar

V = TypeVar("V")
E = TypeVar("E")


@dataclass(slots=True)
class Row(Generic[V, E]):
    """Some parts of a kind, and what they are encoded as. A part that is the same object is encoded the same."""

    of: Sequence[V] = ()
    encoded: Sequence[E] = ()

    def next(self, of: Sequence[V], encode: Callable[[V], E]) -> Row[V, E]:
        """Return the row of these; only those that are others than before in their place are encoded."""
        if of is self.of:
            return self
        if not self.of:
            return Row(of, [encode(one) for one in of])
        encoded = list(self.encoded[: len(of)])
        same = list(map(is_, of, self.of))
        at = -1
        for _ in range(same.count(False)):
            at = same.index(False, at + 1)
            encoded[at] = encode(of[at])
        return Row(of, encoded + [encode(one) for one in of[len(encoded) :]])
