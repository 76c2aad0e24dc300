"""Things by key, where most keys have one or two: a tuple for each takes a fifth of a set's or dictionary's memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Groups(Generic[K, V]):
    """Some things under each key, in the order in which they came.

    To add or discard one takes as long as there are others under its key.
    """

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[K, tuple[V, ...]] = {}

    def of(self, key: K) -> tuple[V, ...]:
        """Return what is under the key."""
        return self._groups.get(key, ())

    def of_all(self, keys: Iterable[K]) -> list[V]:
        """Return what is under any of the keys, which are all different."""
        get = self._groups.get
        return [one for key in keys for one in get(key, ())]

    def add(self, key: K, one: V) -> None:
        """Put one more under the key."""
        self._groups[key] = (*self.of(key), one)

    def discard(self, key: K, one: V) -> None:
        """Take one away, if it is there."""
        left = tuple([other for other in self.of(key) if other is not one])
        if left:
            self._groups[key] = left
        else:
            self._groups.pop(key, None)
