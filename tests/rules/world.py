"""One call, some people and a clock: the driver of all tests of the rules.

    w = World()
    w.create("ann", ["ann", "bob"], ring=True)
    w.join("bob", "phone")
    assert w.state == "ACTIVE"

A verb is expected to work and returns its Decision; ``refused`` expects a Refusal. Times are in seconds here and in
microseconds in the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ringline_server.rules.call import Call, Participant, Ring, Target
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    Lose,
    MemberInput,
    Reject,
    RingMembers,
    Tick,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import CLOCK, Actor, CallType, Context, CredentialRole, GrantRole
from ringline_server.rules.deadline import next_deadline
from ringline_server.rules.decide import decide
from ringline_server.rules.outcome import Answer, AskedTarget, Decision, Event, Refusal
from ringline_server.rules.settings import NO_OVERRIDE, SECOND, Settings, SettingsOverride
from ringline_server.rules.terms import CallState, Capability, JoinMode, Reason, StopReason
from ringline_server.rules.viewer import Relation, ViewerState, relation, stop_reason, viewer_state

_MEMBER = frozenset({Capability.READ_CALL, Capability.JOIN_CALL, Capability.RING_CALL})
_HOST = _MEMBER | {Capability.UPDATE_CALL, Capability.UPDATE_CALL_MEMBER, Capability.END_CALL}
_ANY = frozenset({Capability.CREATE_CALL})
_GUEST = _ANY | {Capability.READ_CALL, Capability.JOIN_CALL}

CLOSED: Mapping[GrantRole, frozenset[Capability]] = {
    "user": _ANY,
    "call_member": _MEMBER,
    "host": _HOST,
    "admin": _HOST,
}
OPEN: Mapping[GrantRole, frozenset[Capability]] = {**CLOSED, "user": _GUEST}
FREE: Mapping[GrantRole, frozenset[Capability]] = {**CLOSED, "call_member": _HOST}

LASTING = Settings(end_when_empty=False, drop_when_alone=False)
"""The settings of the built-in types for rooms."""

BUILT_IN = {
    "default": CallType("default", Settings(), CLOSED),
    "development": CallType("development", Settings(), FREE),
    "audio_room": CallType("audio_room", LASTING, OPEN),
    "livestream": CallType("livestream", LASTING, OPEN),
}
"""The call types that every server has (P1, L5, E3)."""

START = 1_800_000_000 * SECOND


class World:
    """A call that may not exist yet, the clock, and who everybody is."""

    def __init__(self, type: str = "default", settings: Settings | None = None) -> None:
        known = BUILT_IN[type]
        self.type = known if settings is None else replace(known, settings=settings)
        self.id = "standup"
        self.now = START
        self.credentials: dict[str, Actor] = {}
        self.online: dict[str, int] = {}
        self.maybe: Call | None = None
        """The call, or None while there is none."""
        self.latest: Decision | None = None
        """The latest decision, also one that changed nothing."""
        self.history: list[Event] = []
        """Every event, oldest first."""
        self._uids = 0

    # Who, and when.

    def user(self, user: str, *, role: CredentialRole = "user", teams: Iterable[str] = (), service: str = "") -> None:
        """Give a user other credentials than the usual ones; ``service`` then acts as this user."""
        self.credentials[user] = Actor(user, service, role, frozenset(teams))

    def actor(self, user: str = "", device: str = "", service: str = "") -> Actor:
        known = self.credentials.get(user, Actor(user))
        return replace(known, device_id=device, service_id=service or known.service_id)

    def at(self, seconds: float) -> int:
        """Return the moment this many seconds from now, as the call tells times."""
        return self.now + round(seconds * SECOND)

    def jump(self, seconds: float) -> None:
        """Let time pass although nothing decides what is due."""
        self.now = self.at(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, deciding what is due when it is due."""
        until = self.at(seconds)
        while (due := self.next_deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.tick()
        self.now = until

    @property
    def next_deadline(self) -> int | None:
        return None if self.maybe is None else next_deadline(self.maybe, self.type.settings)

    # What is asked.

    def decide(self, command: Command, actor: Actor) -> Decision | Refusal:
        """Decide without doing it."""
        context = Context(actor, self.type, f"uid-{self._uids + 1}", self.online)
        return decide(self.maybe, (self.type.name, self.id), command, context, self.now)

    def ok(self, command: Command, user: str = "", device: str = "", *, service: str = "") -> Decision:
        """Do what must be possible."""
        return self.run(command, self.actor(user, device, service))

    def run(self, command: Command, actor: Actor) -> Decision:
        outcome = self.decide(command, actor)
        assert isinstance(outcome, Decision), (
            f"{type(command).__name__} of {actor.user_id or actor.service_id!r}: {outcome}"
        )
        if self.maybe is None:
            self._uids += 1
        self.maybe = outcome.call
        self.latest = outcome
        self.history += outcome.events
        return outcome

    def refused(
        self, reason: Reason, command: Command, user: str = "", device: str = "", *, service: str = ""
    ) -> Refusal:
        """Do what must be refused for this reason."""
        outcome = self.decide(command, self.actor(user, device, service))
        assert isinstance(outcome, Refusal), f"{type(command).__name__} of {user!r} was not refused"
        assert outcome.reason is reason, str(outcome)
        return outcome

    def no_change(self, command: Command, user: str = "", device: str = "", *, service: str = "") -> Decision:
        """Do what must be OK without any effect."""
        before = self.maybe
        decision = self.ok(command, user, device, service=service)
        assert (decision.call, decision.events) == (before, ()), decision.events
        return decision

    def create(
        self,
        user: str,
        members: Iterable[str | MemberInput] = (),
        *,
        ring: bool = False,
        notify: bool = False,
        video: bool = False,
        settings: SettingsOverride = NO_OVERRIDE,
        team: str = "",
        device: str = "",
    ) -> Decision:
        """GetOrCreateCall; the members are given as they are, so with ``ring`` name the creator too (C4)."""
        command = GetOrCreate(
            members=inputs(members), settings=settings, team=team, ring=ring, notify=notify, video=video
        )
        return self.ok(command, user, device)

    def get(self, user: str, device: str = "", *, ring: bool = False, notify: bool = False) -> Decision:
        return self.ok(Get(ring, notify), user, device)

    def ring(self, user: str, *asked: str, device: str = "", video: bool = False) -> Decision:
        return self.ok(RingMembers(asked, video), user, device)

    def join(
        self, user: str, device: str = "", *, ring_id: str = "", mode: JoinMode = JoinMode.SINGLE_DEVICE
    ) -> Decision:
        return self.ok(Join(ring_id, mode), user, device)

    def reject(self, user: str, device: str = "", *, reason: str = "", ring_id: str = "") -> Decision:
        return self.ok(Reject(ring_id, reason), user, device)

    def cancel(self, user: str, device: str = "", *, reason: str = "", ring_id: str = "") -> Decision:
        return self.ok(Cancel(ring_id, reason), user, device)

    def leave(self, user: str, device: str = "", *, reason: str = "") -> Decision:
        return self.ok(Leave(reason), user, device)

    def lose(self, user: str, device: str = "") -> Decision:
        return self.run(Lose(user, device), CLOCK)

    def end(self, user: str, *, reason: str = "") -> Decision:
        return self.ok(End(reason), user)

    def add(self, user: str, *members: str | MemberInput, ring: bool = False, device: str = "") -> Decision:
        return self.ok(UpdateMembers(inputs(members), ring=ring), user, device)

    def remove(self, user: str, *removed: str) -> Decision:
        return self.ok(UpdateMembers(remove=removed), user)

    def update(self, user: str, **settings: int | bool) -> Decision:
        """Override settings of the call."""
        command = Update(frozenset(settings), settings=replace(NO_OVERRIDE, **settings))  # type: ignore[arg-type]
        return self.ok(command, user)

    def tick(self) -> Decision:
        return self.run(Tick(), CLOCK)

    # What is.

    @property
    def call(self) -> Call:
        assert self.maybe is not None, "there is no call yet"
        return self.maybe

    @property
    def state(self) -> CallState:
        return self.call.state

    @property
    def decision(self) -> Decision:
        assert self.latest is not None, "nothing was decided yet"
        return self.latest

    @property
    def answer(self) -> Answer:
        return self.decision.answer

    @property
    def cause(self) -> str:
        """The main event of the call's latest step (X2)."""
        return self.call.cause.type

    @property
    def happened(self) -> list[str]:
        """The types of the latest decision's events."""
        return [str(event.type) for event in self.decision.events]

    def event(self, type_: str) -> Event:
        """Return the latest decision's one event of this type."""
        (found,) = [event for event in self.decision.events if event.type == type_]
        return found

    def asked(self, user: str) -> AskedTarget:
        """Return what the latest answer says of this asked member."""
        (found,) = [one for one in self.answer.targets if one.user_id == user]
        return found

    @property
    def users_in(self) -> set[str]:
        return set(self.call.users_in)

    def participant(self, user: str) -> Participant:
        """Return the user's one participation."""
        (found,) = [one for one in self.call.participants if one.user_id == user]
        return found

    def devices(self, user: str) -> list[str]:
        return sorted(one.device_id for one in self.call.participants if one.user_id == user)

    @property
    def ringing(self) -> set[str]:
        """Everybody whose devices ring."""
        return {
            target.user_id for ring in self.call.rings for target in ring.targets.values() if target.state == "RINGING"
        }

    @property
    def last_ring(self) -> Ring:
        return self.call.rings[-1]

    @property
    def ring_id(self) -> str:
        """The id of the latest ring."""
        return self.call.ring_id(self.last_ring.number)

    def ring_number(self, number: int) -> Ring:
        found = self.call.ring(number)
        assert found is not None, f"ring {number} is not kept"
        return found

    def target(self, user: str, number: int = 0) -> Target:
        """Return the user's target of the ring with this number, else of the latest ring that rang them."""
        for ring in reversed(self.call.rings):
            found = ring.target(user)
            if found is not None and number in (0, ring.number):
                return found
        raise AssertionError(f"{user!r} was not rung")

    def waits(self, user: str) -> bool:
        """Whether the user waits as a ringer, on any of their rings."""
        return any(ring.ringer_id == user and ring.waited_for for ring in self.call.rings)

    def viewer(self, user: str) -> ViewerState:
        return viewer_state(self.call, user)

    def relation(self, user: str) -> Relation:
        return relation(self.call, user)

    def stopped(self, user: str, device: str = "", *, watches_joined: bool = False) -> StopReason | None:
        """Return why the call no longer matches the user's watch (W3)."""
        return stop_reason(self.call, user, device, watches_joined=watches_joined)


def inputs(members: Iterable[str | MemberInput]) -> tuple[MemberInput, ...]:
    """Return members as commands take them."""
    return tuple(MemberInput(one) if isinstance(one, str) else one for one in members)


def rung(*users: str, device: str = "", type: str = "default", settings: Settings | None = None) -> World:
    """Return a world in which the first user has just created the call and rings the others."""
    w = World(type, settings)
    w.create(users[0], users, ring=True, device=device)
    return w


def talking(*users: str, type: str = "default", settings: Settings | None = None) -> World:
    """Return a world in which the first user rang the others and all of them have answered."""
    w = rung(*users, type=type, settings=settings)
    for user in users[1:]:
        w.join(user)
    return w
