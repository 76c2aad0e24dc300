"""A call and what belongs to it, as immutable values.

Times are microseconds since the epoch, ``custom`` is the deterministic encoding of the contract's ``Struct`` and is
never looked into, and no name of a device is a name: the empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from ringline_server.rules.settings import NO_OVERRIDE, SettingsOverride
from ringline_server.rules.terms import CallState, EndReason, EventType, Gone, RingState, TargetState
from ringline_server.rules.value import replace, value

if TYPE_CHECKING:
    from ringline_server.rules.viewer import Relation, ViewerState

# To look one up in its enumeration takes longer than to compare it, and these are compared all the time.
_ALERTED = TargetState.RINGING
_UNANSWERED = RingState.RINGING

_UNKNOWN = -1
"""In place of a time that was not asked for yet."""

Role = Literal["call_member", "host"]
"""A member's role; the creator is always a host (P1)."""


@value
class Member:
    """A user who is listed on the call."""

    user_id: str
    role: Role
    custom: bytes
    created_at: int
    updated_at: int


@value
class Participant:
    """A user on a device who is in the call; unclaimed while ``device_id`` is empty (A9)."""

    user_id: str
    device_id: str
    joined_at: int
    ring: int = 0
    """The number of the ring that brought them in, as target or ringer; 0 if none did (X6)."""


@value
class Target:
    """A member whom a ring alerts."""

    user_id: str
    state: TargetState
    rung_at: int
    updated_at: int
    expires_at: int
    online_devices: int = 0
    missed: bool = False
    reason: str = ""
    device_id: str = ""
    """Which of their devices answered or declined."""
    end_reason: EndReason | None = None
    """What cancelled them, if anything did (W3 tells an ended call from a cancelled one)."""

    @property
    def rings(self) -> bool:
        return self.state is _ALERTED


@value
class Ring:
    """One attempt to alert some members."""

    number: int
    """1 for the call's first ring, and so on; with the call's uid it makes the ring's id (X6)."""
    session: int
    ringer_id: str
    ringer_device_id: str
    state: RingState
    video: bool
    started_at: int
    expires_at: int
    targets: Mapping[str, Target] = field(hash=False)
    """By user, in the order in which they were asked to be rung."""
    accepted_at: int | None = None
    accepted_by_id: str = ""
    ended_at: int | None = None
    end_reason: EndReason | None = None
    reason: str = ""
    ringer_gone: bool = False
    """The ringer has been in and gone since they rang, and so waits no more."""
    _next_stop: int | None = field(default=_UNKNOWN, init=False, repr=False, compare=False)
    """What ``next_stop`` is, once it was asked for."""
    _stop_then: int = field(default=0, init=False, repr=False, compare=False)
    """How many of the targets stop then."""
    _text_bytes: int = field(default=_UNKNOWN, init=False, repr=False, compare=False)
    """What ``text_bytes`` is, once it was asked for."""

    @property
    def unanswered(self) -> bool:
        return self.state is _UNANSWERED

    @property
    def open(self) -> bool:
        """Whether a target of it still rings."""
        return self.next_stop is not None

    @property
    def next_stop(self) -> int | None:
        """When the next of its targets stops ringing by itself; None if none rings. Worked out once."""
        if self._next_stop == _UNKNOWN:
            stops = [one.expires_at for one in self.targets.values() if one.state is _ALERTED]
            stop = min(stops, default=None)
            # It follows from the rest, and is no part of the value.
            self._next_stop = stop  # type: ignore[misc]
            self._stop_then = stops.count(stop) if stop is not None else 0  # type: ignore[misc]
        return self._next_stop

    @property
    def text_bytes(self) -> int:
        """How many bytes the texts of its targets have. Worked out once."""
        if self._text_bytes == _UNKNOWN:
            texts = [*self.targets]
            # Whom it alerts has neither device nor reason yet.
            texts += [one.device_id + one.reason for one in self.targets.values() if one.state is not _ALERTED]
            self._text_bytes = len("".join(texts).encode())  # type: ignore[misc]
        return self._text_bytes

    def with_finished(self, finished: Mapping[str, Target]) -> Ring:
        """Return the ring with these targets, all of which ring so far, in their final states.

        One who answers among hundreds makes nothing to be worked out anew.
        """
        stop, then = self._next_stop, self._stop_then
        then -= sum([self.targets[user].expires_at == stop for user in finished])
        if then <= 0:
            stop, then = _UNKNOWN, 0
        size = self._text_bytes
        if size != _UNKNOWN:
            size += len("".join([one.device_id + one.reason for one in finished.values()]).encode())
        targets = {**self.targets, **finished}
        return replace(self, targets=targets, _next_stop=stop, _stop_then=then, _text_bytes=size)

    @property
    def waited_for(self) -> bool:
        """Whether its ringer waits, in the sense of docs/rules.md, chapter 1."""
        return self.state is _UNANSWERED and not self.ringer_gone

    def target(self, user_id: str) -> Target | None:
        """Return the target that is ``user_id``, if it has one."""
        return self.targets.get(user_id)


@value
class Cause:
    """The main event of a call's latest step (X2)."""

    type: EventType
    actor_user_id: str = ""
    reason: str = ""


_CREATED = Cause(EventType.CALL_CREATED)


@dataclass(slots=True)
class Call:
    """Everything that is known of a call, of its present or last session and its latest rings.

    A call is changed only by the draft that has made it, before anybody else knows it; from then on it is as immutable
    as all that it is made of.
    """

    type: str
    id: str
    uid: str
    created_by_id: str
    created_at: int
    updated_at: int
    team: str = ""
    custom: bytes = b""
    settings: SettingsOverride = NO_OVERRIDE
    starts_at: int | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    rings: tuple[Ring, ...] = ()
    """The open ones, the latest closed ones, and each user's latest; oldest first. Never empty after the first."""
    ring_count: int = 0
    participants: tuple[Participant, ...] = ()
    session: int = 1
    session_rang: bool = False
    session_joined: bool = False
    session_peak: int = 0
    """The most users that were in at once in this session (L5)."""
    session_over: bool = False
    gone: Mapping[str, Gone] = field(default_factory=dict)
    """Who was in during this session and no longer is, and how they went."""
    started_at: int | None = None
    ended: bool = False
    ended_for_good: bool = False
    ended_at: int | None = None
    ended_by_id: str = ""
    end_reason: EndReason | None = None
    last_notified_at: int | None = None
    last_notified_by_id: str = ""
    revision: int = 0
    seq: int = 0
    """The number of the call's latest event."""
    cause: Cause = _CREATED
    views: dict[str, ViewerState] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the call is to those for whom that was asked, once it changes no more; see ``viewer``."""
    relations: dict[str, Relation] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The rows of those for whom they were asked, likewise."""
    _known_in: tuple[tuple[Participant, ...], frozenset[str]] = field(
        default=((), frozenset()), init=False, repr=False, compare=False
    )
    """The participants when ``users_in`` was last asked for, and which users they were."""
    _known_bytes: tuple[Mapping[str, Member] | None, int] = field(
        default=(None, 0), init=False, repr=False, compare=False
    )
    """The members when ``member_bytes`` was last asked for, and what it was."""

    def copy(self) -> Call:
        """Return another call with the same content, for a draft to change."""
        other = Call(*_all_fields(self))
        other._known_in, other._known_bytes = self._known_in, self._known_bytes
        return other

    @property
    def cid(self) -> str:
        return f"{self.type}:{self.id}"

    @property
    def state(self) -> CallState:
        if self.ended:
            return CallState.ENDED
        if self.participants:
            return CallState.ACTIVE
        if any(ring.open for ring in self.rings):
            return CallState.RINGING
        return CallState.IDLE

    def ring_id(self, number: int) -> str:
        """Return the public id of the call's ring with this number."""
        return f"{self.uid}.{number}" if number else ""

    def ring(self, number: int) -> Ring | None:
        """Return the ring with this number, if it is still kept."""
        for ring in reversed(self.rings):
            if ring.number == number:
                return ring
        return None

    def ring_number(self, ring_id: str) -> int | None:
        """Return the number behind a ring id, or None if it never was this call's (X6)."""
        uid, _, number = ring_id.rpartition(".")
        if uid != self.uid or len(number) > len(str(self.ring_count)):
            return None
        if not number.isascii() or not number.isdecimal() or number.startswith("0"):
            return None
        return int(number) if int(number) <= self.ring_count else None

    def is_in(self, user_id: str) -> bool:
        """Whether the user is in the call, on any device."""
        return user_id in self.users_in

    @property
    def users_in(self) -> frozenset[str]:
        """Who is in the call. Worked out once, for it is asked for all the time and there may be hundreds."""
        known, users = self._known_in
        if known is not self.participants:
            users = frozenset([participant.user_id for participant in self.participants])
            self._known_in = (self.participants, users)
        return users

    def let_in(self, participant: Participant) -> None:
        """Add a participation to a draft's own copy; ``users_in`` is carried on instead of found anew."""
        users = self.users_in | {participant.user_id}
        self.participants = (*self.participants, participant)
        self._known_in = (self.participants, users)

    @property
    def member_bytes(self) -> int:
        """How many bytes the members' names and ``custom`` have. Worked out once for the same members."""
        members, size = self._known_bytes
        if members is not self.members:
            size = len("".join(self.members).encode()) + sum([len(one.custom) for one in self.members.values()])
            self._known_bytes = (self.members, size)
        return size

    def ringing_target(self, user_id: str) -> tuple[Ring, Target] | None:
        """Return the ring that is alerting the user now, with their target; there is at most one (R2)."""
        for ring in reversed(self.rings):
            target = ring.targets.get(user_id)
            if target is not None and target.state is _ALERTED:
                return ring, target
        return None

    def known_users(self) -> set[str]:
        """Everybody who has or had to do with the call, as far as it still knows."""
        users = {*self.members, *self.gone, *self.users_in}
        for ring in self.rings:
            users.add(ring.ringer_id)
            users.update(ring.targets)
        return users


_all_fields = attrgetter(*[one.name for one in fields(Call) if one.init])
