"""What holds after every step of whatever people do, in whatever order and at whatever time.

The steps are plain data: one who reads a failure sees what each person did, and when.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ringline_server.rules import settle
from ringline_server.rules.call import Call, Ring, Role, Target
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
from ringline_server.rules.context import CLOCK, Actor
from ringline_server.rules.outcome import Decision, Refusal
from ringline_server.rules.settings import DAY, SECOND, Settings, SettingsOverride
from ringline_server.rules.terms import JoinMode
from ringline_server.rules.viewer import relation, stop_reason, viewer_state
from tests.rules.world import World, inputs

MEMBERS = ("ann", "bob", "eve", "dan")
USERS = (*MEMBERS, "zoe", "root")
"""zoe is a stranger at first, and root an administrator who need not be a member."""

LASTING_MEMBERS = ("ann", "bob", "eve")
"""Whom nobody removes where it would matter."""

DEVICES = ("", "phone", "tablet")


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody asks for something."""

    user: str
    device: str
    command: Command


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes; if ``late``, what is due meanwhile is not decided."""

    seconds: float
    late: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """The first, second … participant there is gives no sign of life."""

    nth: int


Step = Act | Wait | Loss

# Every ring id in a step is one of these until it is replaced by that of the call.
LATEST, OLDER, FIRST = "latest", "older", "first"

T = TypeVar("T")


def often(*choices: tuple[int, st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """Return one of the strategies, each as often as its weight says."""
    weighted = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.sampled_from(weighted).flatmap(lambda strategy: strategy)


users = st.sampled_from((*MEMBERS, *MEMBERS, *USERS))
some_users = st.lists(users, unique=True, max_size=4).map(tuple)
ring_ids = st.sampled_from(["", "", "", LATEST, LATEST, OLDER, FIRST])
flags = st.booleans()
durations = st.sampled_from([5 * SECOND, 30 * SECOND, 60 * SECOND])


@st.composite
def member_changes(draw: st.DrawFn) -> UpdateMembers:
    removed = draw(st.lists(users, unique=True, max_size=2))
    given_ = draw(st.lists(users, unique=True, max_size=3))
    role: Role | None = draw(st.sampled_from([None, "host", "call_member"]))
    upsert = tuple(MemberInput(user, role=role) for user in given_ if user not in removed)
    return UpdateMembers(upsert, tuple(removed), ring=draw(flags))


settings_changes = st.one_of(
    st.builds(
        lambda name, value: Update(frozenset({name}), settings=SettingsOverride(**{name: value})),
        st.sampled_from(["end_when_empty", "drop_when_alone"]),
        st.one_of(st.none(), flags),
    ),
    st.builds(
        lambda name, value: Update(frozenset({name}), settings=SettingsOverride(**{name: value})),
        st.sampled_from(["auto_cancel_timeout", "incoming_call_timeout", "max_duration"]),
        st.one_of(st.none(), durations),
    ),
    st.builds(lambda custom: Update(frozenset({"custom"}), custom=custom), st.sampled_from([b"", b"x"])),
)

commands: st.SearchStrategy[Command] = often(
    (2, st.builds(lambda asked, ring: GetOrCreate(inputs(asked), ring=ring), some_users, flags)),
    (1, st.builds(Get, ring=flags, notify=flags)),
    (8, st.builds(RingMembers, some_users)),
    (2, st.just(RingMembers())),
    (12, st.builds(Join, ring_ids, st.sampled_from(JoinMode))),
    (6, st.builds(Reject, ring_ids, st.sampled_from(["", "busy", "timeout", "no"]))),
    (3, st.builds(Cancel, ring_ids)),
    (6, st.just(Leave())),
    (4, member_changes()),
    (3, settings_changes),
    (1, st.just(Tick())),
)
acts = st.builds(Act, users, st.sampled_from(DEVICES), commands)
ends = st.builds(Act, users, st.just(""), st.just(End()))
waits = st.builds(Wait, st.sampled_from([0.0, 1.0, 1.0, 1.0, 5.0, 30.0, 100.0]), flags)
losses = st.builds(Loss, st.integers(0, 2))
step: st.SearchStrategy[Step] = often((80, acts), (12, waits), (4, losses), (1, ends))
# Lists of lists: one list would be short, or could not be made shorter by Hypothesis when it explains a failure.
steps = st.lists(st.lists(step, min_size=1, max_size=30), max_size=30).map(lambda parts: list(itertools.chain(*parts)))

worlds = st.builds(
    World,
    st.sampled_from(["default", "development", "livestream"]),
    st.builds(
        Settings,
        auto_cancel_timeout=durations,
        incoming_call_timeout=durations,
        max_duration=st.sampled_from([60 * SECOND, DAY]),
        end_when_empty=flags,
        drop_when_alone=flags,
    ),
)


@dataclass(slots=True)
class Story:
    """A world that is driven through steps, each of which is checked."""

    w: World
    finals: dict[tuple[int, str], Target] = field(default_factory=dict)
    """Every final target there ever was, by the number of its ring and its user."""

    def live(self, steps: list[Step]) -> None:
        self.w.user("root", role="admin")
        self.step(GetOrCreate(inputs(MEMBERS), ring=len(steps) % 3 > 0), Actor("ann", device_id="phone"))
        for step in steps:
            match step:
                case Act(user, device, command):
                    self.step(self._named(command), self.w.actor(user, device))
                case Wait(seconds, late):
                    self._wait(seconds, late=late)
                case Loss(nth):
                    lost = self.w.call.participants[nth : nth + 1]
                    for one in lost:
                        self.step(Lose(one.user_id, one.device_id), CLOCK)

    def _named(self, command: Command) -> Command:
        """Put a ring id of the call where a step says which ring it means."""
        call = self.w.call
        if not isinstance(command, Join | Reject | Cancel) or not command.ring_id:
            return command
        number = {LATEST: call.ring_count, OLDER: max(call.ring_count - 1, 0), FIRST: min(call.ring_count, 1)}
        return replace(command, ring_id=call.ring_id(number[command.ring_id]))

    def _wait(self, seconds: float, *, late: bool) -> None:
        w = self.w
        until = w.at(seconds)
        while not late and (due := w.next_deadline) is not None and due <= until:
            w.now = max(w.now, due)
            self.step(Tick(), CLOCK)
            assert w.next_deadline is None or w.next_deadline > w.now, "what is due stays due"
        w.now = until

    def step(self, command: Command, actor: Actor) -> None:
        w = self.w
        before = w.maybe
        shown = repr(before)
        outcome = w.decide(command, actor)
        assert isinstance(outcome, Decision | Refusal)
        assert repr(before) == shown, "a decision changes no call but returns one"
        if isinstance(outcome, Refusal):
            assert outcome.message
            return
        assert w.decide(command, actor) == outcome, "the rules are a function"
        w.run(command, actor)
        if isinstance(command, Tick):
            assert w.next_deadline is None or w.next_deadline > w.now, "after a Tick nothing is due"
        check_revision(before, outcome, w.now)
        check_worked_out(outcome.call)
        check_rest(outcome.call, w.type.settings)
        check_words(outcome.call)
        check_session(before, outcome)
        check_rings(before, outcome.call)
        check_missed(before, outcome)
        check_answers(before, outcome.call, command, actor)
        check_touched(before, outcome)
        self._check_finals(outcome.call)

    def _check_finals(self, call: Call) -> None:
        """T5: a final outcome is never another, and R7: it never rings again."""
        for ring, target in targets(call):
            key = (ring.number, target.user_id)
            known = self.finals.get(key)
            if known is not None:
                # Only the device is told later, when it claims the participation (A9).
                assert replace(target, device_id=known.device_id) == known
            elif not target.rings:
                self.finals[key] = target


def targets(call: Call) -> Iterator[tuple[Ring, Target]]:
    return ((ring, target) for ring in call.rings for target in ring.targets.values())


def check_revision(before: Call | None, decision: Decision, now: int) -> None:
    """X2: one revision a step, events in one order without a gap, and none exactly when nothing changed."""
    call = decision.call
    if not decision.events:
        assert call == before
        assert decision.notification is None
        return
    assert call != before
    revision, seq = (before.revision, before.seq) if before else (0, 0)
    assert call.revision == revision + 1
    assert call.updated_at == now
    assert [event.seq for event in decision.events] == list(range(seq + 1, call.seq + 1))
    for event in decision.events:
        assert (event.revision, event.time, event.cid, event.uid) == (call.revision, now, call.cid, call.uid)
    # What a step does before it starts the next session, such as adding whom it then rings, is still of the last.
    sessions = [event.session for event in decision.events]
    assert sessions == sorted(sessions)
    assert sessions[-1] == call.session
    assert call.cause.type in {event.type for event in decision.events}


def check_worked_out(call: Call) -> None:
    """What is kept from the step before is what follows from the call as it is."""
    for ring in call.rings:
        other = replace(ring)
        assert (ring.next_stop, ring._stop_then) == (other.next_stop, other._stop_then)
        assert ring.text_bytes == other.text_bytes
    anew = replace(call)
    assert (call.users_in, call.member_bytes) == (anew.users_in, anew.member_bytes)


def check_rest(call: Call, base: Settings) -> None:
    """R2, J2, L3, L5, E3: what never lasts beyond a step."""
    ringing = Counter(target.user_id for _, target in targets(call) if target.rings)
    assert max(ringing.values(), default=1) == 1, "R2: one ring a user"
    assert not set(ringing) & call.users_in, "nobody is in and rings"
    assert set(ringing) <= set(call.members), "only members ring"
    places = Counter((one.user_id, one.device_id) for one in call.participants)
    assert max(places.values(), default=1) == 1, "a device is in once"
    assert not set(call.gone) & call.users_in
    for ring in call.rings:
        assert not (ring.unanswered and not ring.open), "J2: an unanswered ring that nobody hears closes"
        assert ring.open == (ring.ended_at is None)
        assert not ring.open or ring.waited_for or call.participants, "L3"
    assert sum(ring.open for ring in call.rings) <= 20, "R6"
    used = call.session_rang or call.session_joined
    quiet = not call.participants and not ringing
    assert not (used and quiet) or call.session_over, "E3: nobody is in and nobody rings, so the session is over"
    assert not call.session_over or quiet, "a session that is over is quiet"
    if call.settings.over(base).drop_when_alone and call.session_rang and not ringing:
        assert len(call.users_in) != 1 or call.session_peak < 2, "L5"


def check_words(call: Call) -> None:
    """Chapter 1: what is derived, and that it can always be told."""
    ringing = {target.user_id for _, target in targets(call) if target.rings}
    if call.ended:
        assert call.state == "ENDED"
    elif call.participants:
        assert call.state == "ACTIVE"
    else:
        assert call.state == ("RINGING" if ringing else "IDLE")
    for user in USERS:
        view, row = viewer_state(call, user), relation(call, user)
        waits = any(ring.ringer_id == user and ring.waited_for for ring in call.rings)
        assert (row.calling_state, row.direction) == (view.calling_state, view.direction)
        assert row.ended == call.ended
        if call.is_in(user):
            assert view.calling_state == "JOINED"
        elif user in ringing or waits:
            assert view.calling_state == "RINGING"
        else:
            assert view.calling_state in ("LEFT", "IDLE")
        assert (view.ring_expires_at is not None) == (user in ringing or (waits and view.direction == "OUTGOING"))
        if user in ringing:
            assert view.direction == "INCOMING"
            assert view.target_state == "RINGING"
        assert bool(view.ring_id) == (view.direction is not None)
        for device, watches_joined in itertools.product((*DEVICES, "another"), (False, True)):
            reason = stop_reason(call, user, device, watches_joined=watches_joined)
            assert device or not (reason or "").endswith("ELSEWHERE")


def check_session(before: Call | None, decision: Decision) -> None:
    """C10, E1, E3: how sessions begin and end."""
    call = decision.call
    assert call.session_joined == (call.started_at is not None)
    assert not call.ended or call.session_over
    assert (call.end_reason is not None) == (call.ended_at is not None) == call.session_over
    if call.ended_for_good:
        assert call.end_reason == "ENDED_BY_USER"
    if before is None:
        assert call.session == 1
        return
    assert call.uid == before.uid
    assert call.session - before.session in (0, 1)
    assert (call.session > before.session) <= before.session_over
    assert before.ended_for_good <= call.ended_for_good
    if before.ended and not any(event.type == "CALL_RING" for event in decision.events):
        assert call.ended, "C10: only a ring revives"
    ended = [event for event in decision.events if event.type == "CALL_ENDED"]
    assert len(ended) <= 1
    if call.ended and not before.ended:
        assert len(ended) == 1
        assert call.ended_at == decision.events[0].time
    if before.session == call.session and before.session_joined:
        assert call.started_at == before.started_at


def check_rings(before: Call | None, call: Call) -> None:
    """R7, J2, T5: rings are numbered once for all, and each closes once, for what its targets say."""
    numbers = [ring.number for ring in call.rings]
    assert numbers == sorted(set(numbers))
    assert max(numbers, default=0) <= call.ring_count
    known = {ring.number: ring for ring in before.rings} if before else {}
    count = before.ring_count if before else 0
    assert count <= call.ring_count <= count + 1
    for ring in call.rings:
        old = known.get(ring.number)
        if old is None:
            assert ring.number == count + 1, "R7: a forgotten ring stays forgotten"
            assert ring.session == call.session
        else:
            assert old.unanswered or ring.state == old.state
            assert (ring.expires_at, ring.started_at) == (old.expires_at, old.started_at), "T3"
            assert ring.ringer_gone >= old.ringer_gone
        if old is None or not old.unanswered or len(ring.targets) < len(old.targets):
            continue  # Of a ring that closed long ago some targets may be forgotten.
        states = {target.state.value for target in ring.targets.values()}
        if ring.state == "MISSED":
            assert "MISSED" in states
        elif ring.state == "REJECTED":
            assert "REJECTED" in states
            assert "MISSED" not in states
        elif ring.state == "CANCELLED":
            assert "CANCELLED" in states


def check_missed(before: Call | None, decision: Decision) -> None:
    """T8: who missed a ring, and that it is told once."""
    call = decision.call
    told = {
        (event.ring_id, user)
        for event in decision.events
        if event.type == "CALL_MISSED"
        for user in event.subject_user_ids
    }
    newly = set()
    for ring, target in targets(call):
        old_ring = before.ring(ring.number) if before else None
        old = old_ring.target(target.user_id) if old_ring else None
        if old is not None and not old.rings:
            continue
        removed = target.user_id not in call.members
        if target.state == "CANCELLED" and removed and ring.ringer_id not in call.members:
            # Target and ringer were removed in one step: either reading of T8 will do.
            expected = target.missed
        elif target.state == "CANCELLED":
            expected = not removed
        else:
            expected = target.state == "MISSED" or (target.state == "REJECTED" and target.reason in ("busy", "timeout"))
        assert target.missed == expected
        if target.missed:
            newly.add((call.ring_id(ring.number), target.user_id))
    assert told == newly
    assert sum(len(event.subject_user_ids) for event in decision.events if event.type == "CALL_MISSED") == len(newly)


def check_answers(before: Call | None, call: Call, command: Command, actor: Actor) -> None:
    """A1, A2, A3: who is joined by whose act."""
    was_in = before.users_in if before else set()
    came = call.users_in - was_in
    joined = set()
    for ring in call.rings:
        old = before.ring(ring.number) if before else None
        if old is None or not old.unanswered or ring.state != "ACCEPTED":
            continue
        assert ring.accepted_by_id == actor.user_id
        assert actor.user_id in call.users_in
        if old.waited_for:
            assert ring.ringer_id in call.users_in, "A2"
            joined.add(ring.ringer_id)
    assert came <= joined | {actor.user_id}, "A3"
    if isinstance(command, Tick | Lose | Reject | Cancel | Leave | End | Update):
        assert not came
    for ring, target in targets(call):
        old = before.ring(ring.number) if before else None
        old_target = old.target(target.user_id) if old else None
        if target.state == "ACCEPTED" and old_target is not None and old_target.rings:
            assert target.user_id == actor.user_id, "A1"
            assert target.user_id in call.users_in


def check_touched(before: Call | None, decision: Decision) -> None:
    """Whoever is not touched has the same relation to the call as before, and is a member as before.

    Streams rely on it: what a call is to such a one is not looked at again.
    """
    if decision.touched is None:
        return
    assert before is not None
    for user in USERS:
        if user in decision.touched:
            continue
        old, new = relation(before, user), relation(decision.call, user)
        latest = before.ring(old.last_ring)
        if user not in before.members and new.last_ring == 0 and latest and latest.session < before.session:
            # A ring of an earlier session may be forgotten of somebody who is no member: they cannot be shown it.
            old = replace(old, last_ring=0, missed=False)
        assert old == new, user
        members = before.members.get(user), decision.call.members.get(user)
        assert len({member and member.role for member in members}) == 1, user


run_freely = partial(
    hypothesis_settings,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@run_freely(max_examples=250)
@given(worlds, steps)
def test_X2_whatever_people_do_every_rule_holds_after_every_step(w: World, steps: list[Step]) -> None:
    Story(w).live(steps)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@run_freely(max_examples=5000)
@given(worlds, steps)
def test_X2_whatever_people_do_for_long_every_rule_holds_after_every_step(w: World, steps: list[Step]) -> None:
    Story(w).live(steps)


@dataclass(slots=True)
class Diary(Story):
    """A story that is not checked but written down: what happened, and what each lasting member sees of it."""

    pages: list[object] = field(default_factory=list)

    def step(self, command: Command, actor: Actor) -> None:
        w = self.w
        outcome = w.decide(command, actor)
        if isinstance(outcome, Decision):
            w.run(command, actor)
            self.pages += outcome.events
        self.pages += [(relation(w.call, user), viewer_state(w.call, user)) for user in LASTING_MEMBERS]


def stays(step: Step) -> bool:
    """Whether a step removes none of the lasting members."""
    return not (
        isinstance(step, Act)
        and isinstance(step.command, UpdateMembers)
        and set(LASTING_MEMBERS) & set(step.command.remove)
    )


@run_freely(max_examples=60)
@given(worlds, steps)
def test_1_what_a_call_forgets_of_its_old_rings_changes_nothing_for_its_members(w: World, steps: list[Step]) -> None:
    steps = [step for step in steps if stays(step)]
    diaries = []
    for kept in (1, 1_000):
        diary = Diary(World(w.type.name, w.type.settings))
        with patch.object(settle, "CLOSED_RINGS_KEPT", kept):
            diary.live(steps)
        diaries.append(diary.pages)
    assert diaries[0] == diaries[1]


@run_freely(max_examples=100)
@given(commands, st.sampled_from(USERS), st.sampled_from(["", "backend"]))
def test_P2_a_call_that_does_not_exist_is_only_ever_created(command: Command, user: str, service: str) -> None:
    w = World()
    outcome = w.decide(command, Actor(user, service))
    if isinstance(outcome, Decision):
        assert isinstance(command, GetOrCreate)
        assert outcome.answer.created
        assert outcome.touched is None
