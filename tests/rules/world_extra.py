"""A call in each of its states, and a walk of many random steps through the life of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ringline_server.rules.call import Call
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    Lose,
    Reject,
    RingMembers,
    Tick,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import CLOCK
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import SECOND, Settings, SettingsOverride
from ringline_server.rules.terms import JoinMode
from tests.rules.world import World, inputs, rung, talking

PEOPLE = ("ann", "bob", "eve", "fay", "gus")
DEVICES = ("", "phone", "laptop")
REASONS = ("", "decline", "busy", "timeout", "in a meeting")

LASTING_CALL = Settings(end_when_empty=False)


def quiet() -> World:
    """Return a world with a call of ann's and bob's in which nothing happened yet."""
    w = World()
    w.create("ann", ["ann", "bob"])
    return w


def stopped() -> World:
    """Return a world in which the call has stopped by itself."""
    w = talking("ann", "bob")
    w.leave("bob")
    return w


def idle_again() -> World:
    """Return a world in which a session is over and the call stays open."""
    w = talking("ann", "bob", settings=LASTING_CALL)
    w.leave("bob")
    return w


def ended() -> World:
    """Return a world in which the call was ended for everyone."""
    w = talking("ann", "bob")
    w.end("ann")
    return w


STATES: dict[str, Callable[[], World]] = {
    "never used": quiet,
    "ringing": lambda: rung("ann", "bob"),
    "active": lambda: talking("ann", "bob"),
    "stopped": stopped,
    "idle again": idle_again,
    "ended": ended,
}
"""A call of ann's and bob's, in every state it can be in."""


@dataclass(frozen=True)
class Step:
    """One command that had an effect: the call before and after it, and what was decided."""

    before: Call | None
    command: Command
    decision: Decision

    @property
    def after(self) -> Call:
        return self.decision.call


@dataclass
class Walk:
    """What happened on a call to which random things were done; the same seed makes the same walk."""

    seed: int
    length: int = 120
    steps: list[Step] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    """Those of the call's type."""

    def __post_init__(self) -> None:
        chance = Random(self.seed)
        self.settings = _settings(chance)
        w = World(settings=self.settings)
        w.create("ann", PEOPLE, ring=chance.random() < 0.7, device=chance.choice(DEVICES))
        self.steps.append(Step(None, GetOrCreate(), w.decision))
        for _ in range(self.length):
            w.jump(chance.choice((0, 0, 1, 4, 9)))
            command = _command(chance, w)
            actor = w.actor(chance.choice(PEOPLE), chance.choice(DEVICES))
            actor = CLOCK if isinstance(command, Tick | Lose) else actor
            before = w.call
            if isinstance(w.decide(command, actor), Decision):
                self.steps.append(Step(before, command, w.run(command, actor)))

    @property
    def missed(self) -> Counter[tuple[str, str]]:
        """How often CALL_MISSED was raised for a ring and a user."""
        return Counter(
            (event.ring_id, user)
            for step in self.steps
            for event in step.decision.events
            if event.type == "CALL_MISSED"
            for user in event.subject_user_ids
        )


def rings(call: Call) -> bool:
    """Whether anybody's devices ring."""
    return any(target.state == "RINGING" for ring in call.rings for target in ring.targets.values())


def _settings(chance: Random) -> Settings:
    return Settings(
        auto_cancel_timeout=chance.choice((10, 20, 30)) * SECOND,
        incoming_call_timeout=chance.choice((10, 20, 30)) * SECOND,
        max_duration=chance.choice((60, 86_400)) * SECOND,
        end_when_empty=chance.random() < 0.6,
        drop_when_alone=chance.random() < 0.6,
    )


def _command(chance: Random, w: World) -> Command:
    some = tuple(chance.sample(PEOPLE, chance.randint(0, 3)))
    others = inputs(chance.sample(PEOPLE, chance.randint(1, 2)))
    named = "" if chance.random() < 0.6 or not w.call.rings else w.call.ring_id(chance.choice(w.call.rings).number)
    lost = chance.choice(w.call.participants) if w.call.participants else None
    commands: list[Command] = [
        Join(named, chance.choice(list(JoinMode))),
        Join(),
        Join(),
        Leave(),
        Leave(),
        Reject(named, chance.choice(REASONS)),
        Reject(named, chance.choice(REASONS)),
        Cancel(named),
        RingMembers(some),
        RingMembers(some),
        GetOrCreate(ring=True),
        Get(ring=True, notify=chance.random() < 0.5),
        UpdateMembers(others, ring=chance.random() < 0.5),
        UpdateMembers(remove=tuple(user for user in some if user != "ann")),
        Tick(),
        Tick(),
        Lose(lost.user_id, lost.device_id) if lost else Tick(),
    ]
    if chance.random() < 0.02:
        drop = chance.random() < 0.5
        commands = [End(), Update(frozenset({"drop_when_alone"}), settings=SettingsOverride(drop_when_alone=drop))]
    return chance.choice(commands)
