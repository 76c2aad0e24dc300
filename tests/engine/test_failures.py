from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ringline_server.engine.port import Draining, NotCommitted, OutcomeUnknown
from ringline_server.rules.commands import Get, Join, Leave, Reject, RingMembers
from ringline_server.store.port import CommitFailed, StoreBroken, StoreError
from tests.engine.stage import STANDUP, Stage, create, request, said
from tests.faults import Fault

FAILED = [Fault.FAILS_BEFORE_WORK, Fault.FAILS_AFTER_WORK]
UNKNOWN = [Fault.UNKNOWN_COMMITTED, Fault.UNKNOWN_NOT_COMMITTED]


def room(n: int) -> tuple[str, str]:
    return ("default", f"room-{n}")


@pytest.mark.parametrize("fault", FAILED)
async def test_X1_a_commit_that_fails_fails_its_whole_batch_and_nothing_is_told(stage: Stage, fault: Fault) -> None:
    stage.store.arm(fault)
    results = await stage.together(*(said("ann", create("ann"), room(n)) for n in range(3)))
    assert [type(one) for one in results] == [NotCommitted] * 3
    assert stage.bus.steps == []
    assert await stage.head() == 0


async def test_after_a_failed_commit_commands_are_decided_on_what_is_in_the_store(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.FAILS_AFTER_WORK)
    failed = await stage.together(said("bob", Join()))
    rejected = await stage.submit(said("bob", Reject()))
    assert [type(one) for one in failed] == [NotCommitted]
    assert rejected.call.rings[0].state == "REJECTED"
    assert rejected.call.revision == 2


async def test_X3_a_command_of_a_failed_batch_can_be_repeated(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob")))
    stage.store.arm(Fault.FAILS_AFTER_WORK)
    ring = said("ann", RingMembers(), request=request("r1"))
    await stage.together(ring)
    again = await stage.submit(ring)
    assert not again.repeated
    assert again.call.ring_count == 1


@pytest.mark.parametrize("fault", UNKNOWN)
async def test_callers_are_told_that_an_outcome_is_unknown(stage: Stage, fault: Fault) -> None:
    stage.store.arm(fault)
    results = await stage.together(*(said("ann", create("ann"), room(n)) for n in range(3)))
    assert [type(one) for one in results] == [OutcomeUnknown] * 3


async def test_an_unknown_outcome_that_was_committed_is_told(stage: Stage) -> None:
    made = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.UNKNOWN_COMMITTED)
    await stage.together(said("bob", Join()))
    await stage.told(2)
    assert stage.bus.causes == ["CALL_RING", "CALL_ACCEPTED"]
    assert stage.bus.steps[1].before == made.call
    assert stage.bus.steps[1].call == await stage.present()


async def test_an_unknown_outcome_that_was_not_committed_is_not_told(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.UNKNOWN_NOT_COMMITTED)
    await stage.together(said("bob", Join()))
    await stage.submit(said("bob", Reject()))
    assert stage.bus.causes == ["CALL_RING", "CALL_REJECTED"]


@pytest.mark.parametrize(("fault", "rings"), [(Fault.UNKNOWN_COMMITTED, True), (Fault.UNKNOWN_NOT_COMMITTED, False)])
async def test_X3_a_repeat_tells_which_way_an_unknown_outcome_went(stage: Stage, fault: Fault, rings: bool) -> None:
    await stage.submit(said("ann", create("ann", "bob")))
    stage.store.arm(fault)
    ring = said("ann", RingMembers(), request=request("r1"))
    await stage.together(ring)
    again = await stage.submit(ring)
    assert again.repeated is rings
    assert again.answer.ring_id == "uid-1.1"
    assert again.call.ring_count == 1


@pytest.mark.parametrize("fault", UNKNOWN)
async def test_T4_a_deadline_whose_outcome_was_unknown_is_decided_once(stage: Stage, fault: Fault) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(fault)
    await stage.clock.advance(30)
    await stage.settle()
    await stage.clock.advance(5)
    await stage.told(2)
    await stage.settle()
    assert stage.bus.causes == ["CALL_RING", "CALL_MISSED"]


async def test_T4_a_deadline_whose_commit_failed_is_tried_again_a_second_later(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.FAILS_AFTER_WORK)
    await stage.clock.advance(30)
    await stage.settle()
    assert stage.store.transacts == 3
    await stage.clock.advance(0.9)
    await stage.settle()
    assert stage.bus.causes == ["CALL_RING"]
    await stage.clock.advance(0.1)
    await stage.told(2)
    assert stage.bus.causes == ["CALL_RING", "CALL_MISSED"]


async def test_no_batch_is_decided_before_it_is_known_what_became_of_the_last(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.UNKNOWN_COMMITTED)
    reading = stage.store.hold_read()
    await stage.together(said("bob", Join()))
    await reading.reached.wait()
    left = asyncio.create_task(stage.submit(said("bob", Leave())))
    await stage.clock.advance(5)
    transacts = stage.store.transacts
    assert not left.done()
    reading.release.set()
    await left
    assert transacts == stage.store.transacts - 1
    assert stage.bus.causes == ["CALL_RING", "CALL_ACCEPTED", "PARTICIPANT_LEFT"]


async def test_a_log_that_cannot_be_read_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    stage.store.arm(Fault.UNKNOWN_COMMITTED)
    read_well, failures = stage.store.read, [StoreError("busy"), StoreError("busy")]

    async def read(work: object) -> object:
        if failures:
            raise failures.pop()
        return await read_well(work)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.store, "read", read)
    await stage.together(said("bob", Join()))
    await stage.clock.advance(1)
    assert len(stage.bus.steps) == 1
    await stage.clock.advance(1)
    await stage.told(2)


async def test_a_store_that_breaks_ends_the_engine(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    held = stage.store.hold()
    stage.store.arm(Fault.BREAKS)
    taken = asyncio.create_task(stage.submit(said("bob", Join())))
    await held.reached.wait()
    queued = asyncio.create_task(stage.submit(said("bob", Leave())))
    await asyncio.sleep(0)
    assert not stage.engine.broken.is_set()
    held.release.set()
    results = await asyncio.gather(taken, queued, return_exceptions=True)
    assert [type(one) for one in results] == [OutcomeUnknown, Draining]
    assert stage.engine.broken.is_set()
    assert stage.bus.causes == ["CALL_RING"]


async def test_a_broken_engine_takes_no_commands(stage: Stage) -> None:
    stage.store.arm(Fault.BREAKS)
    await stage.together(said("ann", create("ann")))
    with pytest.raises(Draining):
        await stage.submit(said("ann", Get()))
    assert stage.store.transacts == 1


async def test_a_bug_in_the_engine_leaves_nobody_waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))

    def follow(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.engine._time, "follow", follow)
    await stage.submit(said("bob", Join()))
    await asyncio.wait_for(stage.engine.broken.wait(), 5)
    with pytest.raises(Draining):
        await stage.submit(said("bob", Leave()))


async def test_T4_an_engine_that_cannot_decide_what_is_overdue_does_not_start(stage: Stage, tmp_path: Path) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.stop()
    await stage.clock.advance(60)
    stage._make()
    await stage.store.open()
    stage.store.arm(Fault.FAILS_AFTER_WORK)
    with pytest.raises(NotCommitted):
        await stage.engine.start()
    with pytest.raises(Draining):
        await stage.submit(said("ann", Get()))


async def test_a_failed_batch_is_counted_and_the_engine_goes_on(stage: Stage) -> None:
    stage.store.arm(Fault.FAILS_BEFORE_WORK)
    await stage.together(*(said("ann", create("ann"), room(n)) for n in range(3)))
    await stage.submit(said("ann", create("ann")))
    assert stage.engine.stats.failed == 3
    assert (await stage.present(STANDUP)) is not None


async def test_a_store_that_breaks_while_the_engine_starts_is_said_so(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.stop()
    await stage.clock.advance(60)
    stage._make()
    await stage.store.open()
    stage.store.arm(Fault.BREAKS)
    with pytest.raises(StoreBroken):
        await stage.engine.start()


async def test_the_reason_of_a_failed_commit_is_for_the_log_and_not_for_callers(stage: Stage) -> None:
    stage.store.arm(Fault.FAILS_BEFORE_WORK)
    with pytest.raises(NotCommitted) as caught:
        await stage.submit(said("ann", create("ann")))
    assert str(caught.value) == ""
    assert not isinstance(caught.value.__cause__, CommitFailed)
