from __future__ import annotations

import asyncio

import pytest

from ringline_server.rules.commands import Get, Join, Leave, RingMembers, Update
from ringline_server.rules.settings import SECOND, SettingsOverride
from tests.engine.stage import Stage, create, said
from tests.faults import Fault

ROOM = ("watched", "room")
"""A call of a type whose participants are lost after 20 s."""

JOIN_ANN = said("ann", Join(), ROOM, device="phone")
JOIN_BOB = said("bob", Join(), ROOM, device="tablet")


def arrive(stage: Stage, user: str, device: str) -> None:
    stage.people.devices.add((user, device))
    stage.engine.presence_changed(user, device, online=True)


def depart(stage: Stage, user: str, device: str) -> None:
    stage.people.devices.discard((user, device))
    stage.engine.presence_changed(user, device, online=False)


async def who_is_in(stage: Stage) -> list[str]:
    await stage.settle()
    call = await stage.present(ROOM)
    assert call is not None
    return [f"{one.user_id}@{one.device_id}" for one in call.participants]


@pytest.fixture(autouse=True)
async def made(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob"), ROOM))


async def test_T6_a_participant_without_a_stream_is_lost_after_the_timeout(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.submit(JOIN_BOB)
    await stage.clock.advance(19.9)
    assert await who_is_in(stage) == ["ann@phone", "bob@tablet"]
    await stage.clock.advance(0.1)
    await stage.told(5)
    assert stage.bus.steps[3].events[0].reason == "lost"
    assert await who_is_in(stage) == []


async def test_T6_a_participant_whose_device_holds_a_stream_lives(stage: Stage) -> None:
    arrive(stage, "ann", "phone")
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(3600)
    assert await who_is_in(stage) == ["ann@phone"]


async def test_T6_the_time_counts_from_when_the_last_stream_is_over(stage: Stage) -> None:
    arrive(stage, "ann", "phone")
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(100)
    depart(stage, "ann", "phone")
    await stage.clock.advance(19)
    assert await who_is_in(stage) == ["ann@phone"]
    await stage.clock.advance(1)
    assert await who_is_in(stage) == []


async def test_T6_who_is_back_in_time_lives(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(19)
    arrive(stage, "ann", "phone")
    await stage.clock.advance(100)
    assert await who_is_in(stage) == ["ann@phone"]


async def test_T6_a_stream_of_another_device_is_no_sign_of_life(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    arrive(stage, "ann", "desk")
    await stage.clock.advance(20)
    assert await who_is_in(stage) == []


async def test_T6_to_join_again_is_a_sign_of_life(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(15)
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(15)
    assert await who_is_in(stage) == ["ann@phone"]
    await stage.clock.advance(5)
    assert await who_is_in(stage) == []


async def test_T6_what_others_do_is_no_sign_of_life(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(15)
    await stage.submit(JOIN_BOB)
    await stage.clock.advance(5)
    assert await who_is_in(stage) == ["bob@tablet"]


async def test_T6_who_joins_again_in_the_batch_that_would_lose_them_lives(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", Get(), ROOM)))
    await held.reached.wait()
    again = asyncio.create_task(stage.submit(JOIN_ANN))
    await stage.clock.advance(20)
    held.release.set()
    await asyncio.gather(first, again)
    await stage.settle()
    assert stage.bus.causes == ["CALL_CREATED", "PARTICIPANT_JOINED"]


async def test_T6_who_is_back_before_their_loss_is_decided_lives(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", Get(), ROOM)))
    await held.reached.wait()
    await stage.clock.advance(20)
    arrive(stage, "ann", "phone")
    held.release.set()
    await first
    assert await who_is_in(stage) == ["ann@phone"]


async def test_T6_a_call_without_the_timeout_loses_nobody(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", ring=True)))
    await stage.submit(said("bob", Join(), device="phone"))
    assert len(stage.engine._time._leases) == 0
    await stage.clock.advance(3600)
    await stage.settle()
    assert stage.bus.causes[1:] == ["CALL_RING", "CALL_ACCEPTED"]


@pytest.mark.parametrize(("timeout", "lost_after"), [(10, 10), (60, 60)])
async def test_T6_a_change_of_the_timeout_counts_from_then(stage: Stage, timeout: int, lost_after: int) -> None:
    await stage.submit(JOIN_ANN)
    await stage.clock.advance(5)
    settings = SettingsOverride(participant_timeout=timeout * SECOND)
    await stage.submit(said("ann", Update(frozenset({"participant_timeout"}), settings=settings), ROOM))
    await stage.clock.advance(lost_after - 0.1)
    assert await who_is_in(stage) == ["ann@phone"]
    await stage.clock.advance(0.1)
    assert await who_is_in(stage) == []


async def test_T6_a_timeout_that_is_switched_off_loses_nobody(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    settings = SettingsOverride(participant_timeout=0)
    await stage.submit(said("ann", Update(frozenset({"participant_timeout"}), settings=settings), ROOM))
    await stage.clock.advance(3600)
    assert await who_is_in(stage) == ["ann@phone"]


async def test_T6_who_has_left_is_not_lost_too(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.submit(JOIN_BOB)
    await stage.submit(said("ann", Leave(), ROOM, device="phone"))
    assert len(stage.engine._time._leases) == 1


async def test_T6_after_a_start_the_time_counts_anew(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.restart(after=3600)
    await stage.clock.advance(19.9)
    assert await who_is_in(stage) == ["ann@phone"]
    await stage.clock.advance(0.1)
    assert await who_is_in(stage) == []


async def test_T6_a_ringer_who_was_joined_by_the_first_accept_can_be_lost_too(stage: Stage) -> None:
    arrive(stage, "bob", "tablet")
    await stage.submit(said("ann", RingMembers(), ROOM, device="phone"))
    await stage.submit(JOIN_BOB)
    assert await who_is_in(stage) == ["bob@tablet", "ann@phone"]
    await stage.clock.advance(20)
    assert await who_is_in(stage) == ["bob@tablet"]


@pytest.mark.parametrize("fault", [Fault.FAILS_AFTER_WORK, Fault.UNKNOWN_NOT_COMMITTED, Fault.UNKNOWN_COMMITTED])
async def test_T6_a_loss_that_the_store_has_failed_is_decided_all_the_same(stage: Stage, fault: Fault) -> None:
    await stage.submit(JOIN_ANN)
    stage.store.arm(fault)
    await stage.clock.advance(20)
    await stage.settle()
    await stage.clock.advance(1)
    await stage.told(3)
    await stage.settle()
    assert stage.bus.causes[2:] == ["PARTICIPANT_LEFT"]


async def test_T6_nothing_is_kept_of_a_call_that_is_over(stage: Stage) -> None:
    await stage.submit(JOIN_ANN)
    await stage.submit(said("ann", Leave(), ROOM, device="phone"))
    leases = stage.engine._time._leases
    assert (leases._calls, dict(leases._of_device), len(leases)) == ({}, {}, 0)
