from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringline_server.engine.port import Draining, Outcome, Overloaded
from ringline_server.rules.commands import Cancel, Command, Get, Join, Leave
from tests.engine.stage import STANDUP, Stage, create, said, staged


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Stage]:
    """An engine in whose queue three commands may wait."""
    async with staged(tmp_path, max_queue=3) as stage:
        await stage.submit(said("ann", create("ann", "bob", ring=True)))
        yield stage


async def full(stage: Stage) -> tuple[asyncio.Event, list[asyncio.Task[Outcome]]]:
    """Let one command be committed and three wait; return what lets them go on."""
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", Get())))
    await held.reached.wait()
    waiting = [asyncio.create_task(stage.submit(said("ann", Get()))) for _ in range(3)]
    await soon()
    return held.release, [first, *waiting]


async def test_a_command_that_finds_the_queue_full_is_refused_at_once(small: Stage) -> None:
    release, waiting = await full(small)
    with pytest.raises(Overloaded):
        await small.submit(said("bob", Join()))
    release.set()
    assert len(await asyncio.gather(*waiting)) == 4
    assert small.engine.stats.overloaded == 1


@pytest.mark.parametrize(("user", "command"), [("bob", Leave()), ("ann", Cancel())])
async def test_a_leave_or_a_cancel_is_taken_even_if_the_queue_is_full(
    small: Stage, user: str, command: Command
) -> None:
    release, waiting = await full(small)
    taken = asyncio.create_task(small.submit(said(user, command)))
    await soon()
    assert not taken.done()
    release.set()
    await asyncio.gather(taken, *waiting)


async def test_a_deadline_is_decided_even_if_the_queue_is_full(small: Stage) -> None:
    release, waiting = await full(small)
    await small.clock.advance(30)
    release.set()
    await asyncio.gather(*waiting)
    await small.told(2)
    assert small.bus.causes == ["CALL_RING", "CALL_MISSED"]


async def test_once_the_queue_is_shorter_commands_are_taken_again(small: Stage) -> None:
    release, waiting = await full(small)
    release.set()
    await asyncio.gather(*waiting)
    assert (await small.submit(said("bob", Join()))).call.state == "ACTIVE"


async def test_a_command_whose_client_left_before_it_was_taken_is_dropped(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", Get())))
    await held.reached.wait()
    gone = asyncio.create_task(stage.submit(said("bob", Join())))
    await soon()
    gone.cancel()
    await soon()
    held.release.set()
    await first
    await stage.settle()
    assert stage.bus.causes == ["CALL_RING"]
    assert stage.engine.stats.abandoned == 1


async def test_a_command_whose_client_left_after_it_was_taken_is_decided(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    held = stage.store.hold()
    gone = asyncio.create_task(stage.submit(said("bob", Join())))
    await held.reached.wait()
    gone.cancel()
    await soon()
    held.release.set()
    await stage.told(2)
    assert gone.cancelled()
    assert stage.bus.causes == ["CALL_RING", "CALL_ACCEPTED"]


async def test_a_client_that_left_does_not_disturb_the_others_of_its_batch(stage: Stage) -> None:
    held = stage.store.hold()
    gone = asyncio.create_task(stage.submit(said("ann", create("ann"), ("default", "a"))))
    other = asyncio.create_task(stage.submit(said("ann", create("ann"), ("default", "b"))))
    await held.reached.wait()
    gone.cancel()
    held.release.set()
    assert (await other).call.id == "b"


async def test_an_engine_that_has_not_started_takes_no_commands(stage: Stage) -> None:
    await stage.stop()
    stage._make()
    with pytest.raises(Draining):
        await stage.submit(said("ann", Get()))


async def test_an_engine_that_stops_finishes_what_waits_and_takes_nothing_more(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", Get())))
    await held.reached.wait()
    waiting = asyncio.create_task(stage.submit(said("bob", Join())))
    await soon()
    stopping = asyncio.create_task(stage.engine.stop())
    await soon()
    with pytest.raises(Draining):
        await stage.submit(said("ann", Get()))
    held.release.set()
    await asyncio.gather(first, stopping)
    assert (await waiting).call.state == "ACTIVE"
    assert (await stage.present(STANDUP)) == (await waiting).call


async def test_an_engine_may_be_stopped_twice_or_without_ever_having_started(stage: Stage) -> None:
    await stage.engine.stop()
    await stage.stop()
    stage._make()
    await stage.engine.stop()
