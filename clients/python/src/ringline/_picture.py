"""What a watch shows, from what it tells."""

from __future__ import annotations

from ringline.call import Call
from ringline.enums import ChangeKind
from ringline.model import Change, Reset, SnapshotComplete, WatchEvent


class Picture:
    """The calls to show, from the events of a watch."""

    def __init__(self) -> None:
        self._shown: dict[str, Call] = {}
        self._next: dict[str, Call] | None = {}
        """What is told anew and is not complete yet: until then the old picture stands, so that nothing flickers."""

    @property
    def is_complete(self) -> bool:
        """Whether it may be shown."""
        return self._next is None

    @property
    def calls(self) -> list[Call]:
        """The calls, the newest first."""
        return list(self._shown.values())

    def apply(self, event: WatchEvent) -> None:
        """Take an event."""
        match event:
            case Reset():
                self._next = {}
            case Change():
                self._change(event)
            case SnapshotComplete() if self._next is not None:
                self._shown, self._next = self._next, None
            case _:
                pass

    def _change(self, change: Change) -> None:
        calls = self._shown if self._next is None else self._next
        cid = change.call.cid
        if change.kind is ChangeKind.REMOVED:
            calls.pop(cid, None)
        elif cid in calls:
            calls[cid] = change.call
        elif self._next is None:
            self._shown = {cid: change.call, **calls}
        else:
            calls[cid] = change.call
