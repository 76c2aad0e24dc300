from __future__ import annotations

import asyncio

import pytest

from ringline_server.engine.decider import Decider
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, Get, Join, Leave, Reject, RingMembers, Tick, Update
from ringline_server.rules.context import Context
from ringline_server.rules.decide import decide as decide_well
from ringline_server.rules.outcome import Answer, Decision, Refusal
from ringline_server.rules.settings import SECOND, SettingsOverride
from ringline_server.rules.terms import Reason
from ringline_server.store.sqlite_transaction import SqliteTransaction
from tests.engine.stage import STANDUP, Stage, create, said


async def test_T1_a_ring_is_missed_when_its_time_is_up(stage: Stage) -> None:
    rung = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.clock.advance(29.999)
    await stage.settle()
    assert stage.bus.causes == ["CALL_RING"]
    await stage.clock.advance(0.001)
    await stage.told(2)
    missed = stage.bus.steps[1].call
    assert missed.rings[0].state == "MISSED"
    assert missed.ended_at == rung.call.rings[0].expires_at


async def test_T1_the_earliest_of_many_deadlines_is_decided_first(stage: Stage) -> None:
    for seconds in (9, 3, 6):
        settings = SettingsOverride(auto_cancel_timeout=seconds * SECOND)
        await stage.submit(said("ann", create("ann", "bob", ring=True, settings=settings), ("default", str(seconds))))
    for told, call in enumerate(("3", "6", "9"), start=4):
        await stage.clock.advance(3)
        await stage.told(told)
        assert stage.bus.steps[-1].call.id == call


async def test_T2_the_next_deadline_of_a_call_is_armed_at_each_step(stage: Stage) -> None:
    settings = SettingsOverride(incoming_call_timeout=10 * SECOND, drop_when_alone=False)
    await stage.submit(said("ann", create("ann", "bob", "cid", settings=settings)))
    await stage.submit(said("ann", RingMembers(("bob",))))
    await stage.clock.advance(5)
    await stage.submit(said("ann", RingMembers(("cid",))))
    await stage.submit(said("ann", Join()))
    await stage.clock.advance(5)
    await stage.told(5)
    await stage.clock.advance(5)
    await stage.told(6)
    assert stage.bus.causes[4:] == ["CALL_MISSED", "CALL_MISSED"]
    assert [step.events[0].subject_user_ids for step in stage.bus.steps[4:]] == [("bob",), ("cid",)]


async def test_T3_a_session_that_lasts_too_long_is_ended(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.submit(said("bob", Join()))
    await stage.clock.advance(24 * 60 * 60 - 1)
    await stage.settle()
    assert len(stage.bus.steps) == 2
    await stage.clock.advance(1)
    await stage.told(3)
    assert stage.bus.steps[2].call.end_reason == "MAX_DURATION"


async def test_a_call_that_has_no_deadline_left_costs_nothing(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    assert len(await stage.timers()) == 1
    await stage.submit(said("bob", Reject()))
    assert await stage.timers() == []
    transacts = stage.store.transacts
    await stage.clock.advance(100_000)
    assert stage.store.transacts == transacts


async def test_the_timer_that_is_stored_is_the_next_deadline(stage: Stage) -> None:
    rung = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    (timer,) = await stage.timers()
    assert (timer.call, timer.due) == (STANDUP, rung.call.rings[0].expires_at)
    await stage.clock.advance(1)
    joined = await stage.submit(said("bob", Join()))
    (timer,) = await stage.timers()
    assert joined.call.started_at is not None
    assert timer.due == joined.call.started_at + 24 * 60 * 60 * SECOND


async def test_T4_overdue_deadlines_are_decided_once_before_the_engine_has_started(stage: Stage) -> None:
    for n in range(5):
        await stage.submit(said("ann", create("ann", "bob", ring=True), ("default", str(n))))
    await stage.restart(after=60)
    assert stage.bus.causes == ["CALL_MISSED"] * 5
    assert {step.call.state for step in stage.bus.steps} == {"ENDED"}
    await stage.clock.advance(60)
    await stage.settle()
    assert len(stage.bus.steps) == 5


async def test_T4_overdue_deadlines_are_decided_in_batches(stage: Stage) -> None:
    await stage.together(*(said("ann", create("ann", "bob", ring=True), ("default", str(n))) for n in range(300)))
    await stage.restart(after=60)
    assert [len(turn) for turn in stage.bus.turns] == [256, 44]


async def test_T4_the_first_answer_after_a_start_knows_what_was_overdue(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.restart(after=60)
    first = await stage.submit(said("bob", Get()))
    assert first.call.rings[0].state == "MISSED"
    assert first.call.rings[0].ended_at == stage.clock.now()


async def test_T4_a_deadline_that_is_not_yet_due_at_the_start_comes_at_its_time(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.restart(after=10)
    assert stage.bus.steps == []
    await stage.clock.advance(19.9)
    await stage.settle()
    assert stage.bus.steps == []
    await stage.clock.advance(0.1)
    await stage.told(1)
    assert stage.bus.causes == ["CALL_MISSED"]


async def held_until_time_is_up(stage: Stage) -> tuple[asyncio.Event, asyncio.Task[object]]:
    held = stage.store.hold()
    first: asyncio.Task[object] = asyncio.create_task(stage.submit(said("ann", Get())))
    await held.reached.wait()
    return held.release, first


async def test_T4_T5_an_accept_that_is_decided_before_the_time_out_wins(stage: Stage) -> None:
    rung = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    release, first = await held_until_time_is_up(stage)
    accept = asyncio.create_task(stage.submit(said("bob", Join(ring_id=rung.answer.ring_id))))
    await stage.clock.advance(30)
    release.set()
    await asyncio.gather(accept, first)
    await stage.settle()
    assert stage.bus.causes == ["CALL_RING", "CALL_ACCEPTED"]
    assert (await accept).call.rings[0].targets["bob"].state == "ACCEPTED"


async def test_T4_T5_a_time_out_that_is_decided_before_the_accept_wins(stage: Stage) -> None:
    rung = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    release, first = await held_until_time_is_up(stage)
    await stage.clock.advance(30)
    accept = asyncio.gather(stage.submit(said("bob", Join(ring_id=rung.answer.ring_id))), return_exceptions=True)
    await asyncio.sleep(0)
    release.set()
    await first
    (refused,) = await accept
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.RING_OVER
    assert stage.bus.causes == ["CALL_RING", "CALL_MISSED"]


async def test_T4_a_deadline_that_was_moved_before_it_was_decided_comes_at_its_new_time(stage: Stage) -> None:
    settings = SettingsOverride(max_duration=60 * SECOND)
    await stage.submit(said("ann", create("ann", "bob", settings=settings)))
    await stage.submit(said("ann", Join()))
    longer = SettingsOverride(max_duration=90 * SECOND)
    release, first = await held_until_time_is_up(stage)
    update = asyncio.create_task(stage.submit(said("ann", Update(frozenset({"max_duration"}), settings=longer))))
    await stage.clock.advance(60)
    release.set()
    await asyncio.gather(update, first)
    await stage.settle()
    assert len(stage.bus.steps) == 3
    await stage.clock.advance(30)
    await stage.told(4)
    assert stage.bus.steps[3].call.end_reason == "MAX_DURATION"


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Let every Tick raise, until the fixture's value is cleared; the ones that were decided are in it."""

    def decide(
        call: Call | None, key: tuple[str, str], command: Command, context: Context, now: int
    ) -> Decision | Refusal:
        if isinstance(command, Tick):
            ticks.append(command)
            raise ZeroDivisionError("boom")
        return decide_well(call, key, command, context, now)

    ticks: list[Command] = []
    monkeypatch.setattr("ringline_server.engine.decider.decide", decide)
    return ticks


async def test_T4_a_deadline_that_raises_is_parked_and_counted(stage: Stage, poisoned: list[Command]) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.clock.advance(30)
    await stage.settle()
    await stage.clock.advance(3600)
    await stage.settle()
    assert len(poisoned) == 1
    assert (stage.engine.stats.raised, stage.engine.stats.parked) == (1, 1)


async def test_T4_a_parked_deadline_is_armed_again_when_its_call_changes(stage: Stage, poisoned: list[Command]) -> None:
    await stage.submit(said("ann", create("ann", "bob", "cid", ring=True)))
    await stage.clock.advance(30)
    await stage.settle()
    await stage.submit(said("bob", Reject()))
    await stage.clock.advance(0)
    await stage.settle()
    assert len(poisoned) == 2


async def test_T4_an_overdue_deadline_that_raises_does_not_keep_the_engine_from_starting(
    stage: Stage, poisoned: list[Command]
) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.restart(after=60)
    assert (await stage.submit(said("bob", Get()))).call.state == "RINGING"
    assert stage.engine.stats.parked == 1


async def test_T4_a_deadline_that_changes_nothing_though_it_is_over_is_parked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(
        call: Call | None, key: tuple[str, str], command: Command, context: Context, now: int
    ) -> Decision | Refusal:
        if isinstance(command, Tick) and call is not None:
            return Decision(call, Answer())
        return decide_well(call, key, command, context, now)

    monkeypatch.setattr("ringline_server.engine.decider.decide", decide)
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.clock.advance(30)
    await stage.settle()
    transacts = stage.store.transacts
    await stage.clock.advance(3600)
    assert stage.store.transacts == transacts
    assert stage.engine.stats.parked == 1


async def test_T4_a_deadline_that_the_store_cannot_write_is_parked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: SqliteTransaction, *_: object) -> None:
        raise UnicodeError("cannot be encoded")

    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    monkeypatch.setattr(SqliteTransaction, "write", write)
    await stage.clock.advance(30)
    await stage.settle()
    await stage.clock.advance(3600)
    await stage.settle()
    assert (stage.engine.stats.raised, stage.engine.stats.parked) == (1, 1)


async def test_T4_time_does_not_go_back_between_decisions(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5, 3, 7])
    deciding = stage.engine._decider
    monkeypatch.setattr(deciding, "_clock_now", lambda: next(times))
    monkeypatch.setattr(deciding, "_now", 0)
    assert [Decider._tell_time(deciding) for _ in range(3)] == [5, 5, 7]


async def test_T4_a_call_is_left_to_itself_once_everybody_has_left(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.submit(said("bob", Join()))
    await stage.submit(said("bob", Leave()))
    assert await stage.timers() == []
