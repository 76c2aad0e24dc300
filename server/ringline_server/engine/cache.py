"""The calls that go on and were used last, as they are in the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from ringline_server.rules.call import Call
from ringline_server.store.port import CallKey

MAX_CALLS = 10_000


class HotCalls:
    """A bounded cache of calls, as they were last committed.

    Two threads use it and there is no lock. What holds instead: **it is touched by the work function of the batch
    that runs, or, while no batch runs, by the event loop**; and there is one batch at a time. It is filled only after
    a commit, so that it never knows what the store does not.
    """

    def __init__(self, size: int = MAX_CALLS) -> None:
        self._size = size
        self._calls: OrderedDict[CallKey, Call] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, keys: Iterable[CallKey]) -> dict[CallKey, Call]:
        """Return those of the calls that are here; they count as used."""
        found = {}
        for key in keys:
            call = self._calls.get(key)
            if call is not None:
                self._calls.move_to_end(key)
                found[key] = call
        return found

    def update(self, calls: Mapping[CallKey, Call]) -> None:
        """Take calls as they were committed, and drop those that were not used for longest.

        A call that has ended is dropped at once. It is seldom asked for again, and to free it takes longer once the
        processor no longer has it at hand.
        """
        for key, call in calls.items():
            if call.ended:
                self._calls.pop(key, None)
                continue
            self._calls[key] = call
            self._calls.move_to_end(key)
        while len(self._calls) > self._size:
            self._calls.popitem(last=False)

    def clear(self) -> None:
        """Forget everything, because what the store holds is in doubt."""
        self._calls.clear()
