"""Who is lost: participants whose device shows no sign of life (T6).

Leases are in memory only. A server that starts gives everybody their whole time anew: it cannot know who would have
come back while it was away.
"""

from __future__ import annotations

from collections import defaultdict

from ringline_server.engine.deadlines import Deadlines
from ringline_server.engine.decider import Lease
from ringline_server.engine.port import CallTypes, Presence
from ringline_server.rules.call import Call
from ringline_server.store.port import CallKey

Device = tuple[str, str]
"""A user, and a device of theirs. No name is a name: the empty one."""


class Leases:
    """A deadline for each participation whose device holds no stream, in calls that have a ``participant_timeout``.

    Calls without one cost a look at their settings, and nothing is kept of them.
    """

    def __init__(self, presence: Presence, call_types: CallTypes) -> None:
        self._presence = presence
        self._call_types = call_types
        self._calls: dict[CallKey, tuple[int, frozenset[Device]]] = {}
        """Timeout and participants of the calls that have a timeout."""
        self._of_device: defaultdict[Device, set[CallKey]] = defaultdict(set)
        self._deadlines: Deadlines[Lease] = Deadlines()

    def __len__(self) -> int:
        """How many participations may be lost if nothing happens."""
        return len(self._deadlines)

    def timeout(self, call: Call) -> int:
        """Return the call's ``participant_timeout``; 0 if it has none."""
        own = call.settings.participant_timeout
        if own is not None:
            return own
        type_ = self._call_types.get(call.type)
        return 0 if type_ is None else type_.settings.participant_timeout

    def follow(self, call: Call, now: int) -> None:
        """Take note of who is in a call, after it has changed."""
        key = (call.type, call.id)
        timeout = self.timeout(call) if call.participants else 0
        if not timeout and key not in self._calls:
            return
        former_timeout, former = self._calls.get(key, (0, frozenset()))
        present: frozenset[Device] = frozenset()
        if timeout:
            present = frozenset((one.user_id, one.device_id) for one in call.participants)
            self._calls[key] = (timeout, present)
        else:
            del self._calls[key]
        for device in former - present:
            self._deadlines.disarm((key, *device))
            self._of_device[device].discard(key)
            if not self._of_device[device]:
                del self._of_device[device]
        for device in present if timeout != former_timeout else present - former:
            self._of_device[device].add(key)
            self._begin(key, device, now)

    def renew(self, lease: Lease, now: int) -> None:
        """Give a participation its whole time again, because its device has joined again."""
        key, user, device = lease
        if (user, device) in self._calls.get(key, (0, frozenset()))[1]:
            self._begin(key, (user, device), now)

    def presence_changed(self, user_id: str, device_id: str, now: int, *, online: bool) -> None:
        """Take note that the first stream of a device has begun, or that its last one is over."""
        device = (user_id, device_id)
        for key in self._of_device.get(device, ()):
            if online:
                self._deadlines.disarm((key, *device))
            else:
                self._begin(key, device, now)

    def take(self, now: int) -> list[Lease]:
        """Return who is lost now; each is returned once, unless ``retry`` says otherwise."""
        return [lease for lease in self._deadlines.take(now) if self.lost(lease)]

    def lost(self, lease: Lease) -> bool:
        """Whether a participation whose time was up is still to be ended: no sign of life came after all."""
        key, user, device = lease
        known = (user, device) in self._calls.get(key, (0, frozenset()))[1]
        return known and lease not in self._deadlines and not self._presence.is_online(user, device)

    def retry(self, lease: Lease, at: int) -> None:
        """Take a participation that could not be ended as lost again, at that time."""
        if self.lost(lease):
            self._deadlines.arm(lease, at)

    def next_at(self) -> int | None:
        """Return when ``take`` has to be called next, if at all."""
        return self._deadlines.next_at()

    def _begin(self, key: CallKey, device: Device, now: int) -> None:
        """Give a participation its whole time, which it needs only while its device holds no stream."""
        if not self._presence.is_online(*device):
            self._deadlines.arm((key, *device), now + self._calls[key][0])
