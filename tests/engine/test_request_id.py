from __future__ import annotations

import pytest

from ringline_server.engine.port import RequestIdReused, Submission
from ringline_server.rules.commands import Get, Join, Leave, RingMembers, UpdateMembers
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.settings import DAY, SECOND
from tests.engine.stage import STANDUP, Stage, create, request, said

OTHER = ("default", "other")

RING = said("ann", RingMembers(), request=request("r1"))


@pytest.fixture(autouse=True)
async def made(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", "cid")))
    await stage.submit(said("ann", create("ann", "bob", "cid"), OTHER))


async def test_X3_a_repeat_has_no_effect_and_gets_the_first_answer(stage: Stage) -> None:
    first = await stage.submit(RING)
    again = await stage.submit(RING)
    assert again.answer == first.answer
    assert (first.repeated, again.repeated) == (False, True)
    assert len(stage.bus.steps) == 3


async def test_X3_a_repeat_gets_the_present_call_with_the_answer_as_it_was(stage: Stage) -> None:
    first = await stage.submit(RING)
    accepted = await stage.submit(said("bob", Join()))
    again = await stage.submit(RING)
    assert again.call == accepted.call
    assert again.answer == first.answer
    assert [one.target and str(one.target.state) for one in again.answer.targets] == [None, "RINGING", "RINGING"]


async def test_X3_the_answer_that_a_join_is_given_is_remembered(stage: Stage) -> None:
    await stage.submit(RING)
    join = said("bob", Join(), device="phone", request=request("j1", "JoinCall"))
    first = await stage.submit(join)
    await stage.submit(said("bob", Leave(), device="phone"))
    again = await stage.submit(join)
    assert again.answer.participant == first.answer.participant is not None
    assert not again.call.is_in("bob")


async def test_X3_that_a_call_was_created_is_remembered(stage: Stage) -> None:
    making = said("ann", create("ann"), ("default", "new"), request=request("c1", "GetOrCreateCall"))
    first, again = [await stage.submit(making) for _ in range(2)]
    assert (first.answer.created, again.answer.created) == (True, True)
    assert first.call.uid == again.call.uid


async def test_X3_a_repeat_in_the_same_batch_has_no_effect(stage: Stage) -> None:
    first, again = await stage.together(RING, RING)
    assert again.answer == first.answer
    assert (first.repeated, again.repeated) == (False, True)
    assert again.call.ring_count == 1


async def test_X3_a_repeat_after_a_restart_has_no_effect(stage: Stage) -> None:
    first = await stage.submit(RING)
    await stage.restart()
    again = await stage.submit(RING)
    assert again.answer == first.answer
    assert again.repeated


async def test_X3_a_request_without_effect_is_remembered_too(stage: Stage) -> None:
    await stage.submit(said("ann", RingMembers()))
    first = await stage.submit(RING)
    await stage.clock.advance(30)
    await stage.settle()
    again = await stage.submit(RING)
    assert again.repeated
    assert again.answer == first.answer
    assert again.call.ring_count == 1


@pytest.mark.parametrize(
    "other",
    [
        said("ann", RingMembers(), request=request("r1", method="JoinCall")),
        said("ann", RingMembers(), request=request("r1", fingerprint=b"two")),
        said("ann", RingMembers(), OTHER, request=request("r1")),
    ],
    ids=["method", "payload", "call"],
)
@pytest.mark.parametrize("batches", [1, 2])
async def test_X3_another_request_under_the_same_id_is_refused(stage: Stage, other: Submission, batches: int) -> None:
    if batches == 1:
        _, reused = await stage.together(RING, other)
    else:
        await stage.submit(RING)
        (reused,) = await stage.together(other)
    assert isinstance(reused, RequestIdReused)
    assert stage.bus.causes[2:] == ["CALL_RING"]


@pytest.mark.parametrize(
    "other",
    [
        said("bob", RingMembers(), request=request("r1", fingerprint=b"two")),
        said("ann", RingMembers(("cid",)), service="desk", request=request("r1", fingerprint=b"two")),
    ],
    ids=["user", "service"],
)
async def test_X3_ids_of_others_are_other_ids(stage: Stage, other: Submission) -> None:
    await stage.submit(RING)
    assert not (await stage.submit(other)).repeated


async def test_X3_a_refusal_is_not_remembered(stage: Stage) -> None:
    join = said("eve", Join(), request=request("j1", "JoinCall"))
    (refused,) = await stage.together(join)
    await stage.submit(said("ann", UpdateMembers(upsert=create("eve").members)))
    joined = await stage.submit(join)
    assert isinstance(refused, Refusal)
    assert not joined.repeated
    assert joined.call.is_in("eve")


async def test_X3_a_repeat_is_recognised_before_it_is_asked_who_may_read(stage: Stage) -> None:
    ring = said("bob", RingMembers(("cid",)), request=request("r1"))
    first = await stage.submit(ring)
    await stage.submit(said("ann", UpdateMembers(remove=("bob",))))
    again = await stage.submit(ring)
    assert again.repeated
    assert again.answer == first.answer


async def test_X3_answers_are_remembered_for_24_hours(stage: Stage) -> None:
    await stage.submit(RING)
    await stage.clock.advance(24 * 60 * 60 - 1)
    assert (await stage.submit(RING)).repeated
    await stage.clock.advance(1)
    fresh = await stage.submit(RING)
    assert not fresh.repeated
    assert fresh.call.ring_count == 2


async def test_X3_an_id_that_is_used_anew_is_remembered_anew(stage: Stage) -> None:
    await stage.submit(RING)
    await stage.clock.advance(24 * 60 * 60)
    await stage.settle()
    second = await stage.submit(RING)
    again = await stage.submit(RING)
    assert again.repeated
    assert again.answer == second.answer
    key = ("", "ann", "r1")
    assert (await stage.remembered(key))[key].expires_at == stage.clock.now() + DAY


async def test_X3_the_answer_is_in_the_same_commit_as_its_effect(stage: Stage) -> None:
    committed = stage.store.committed
    await stage.submit(RING)
    assert stage.store.committed - committed == 1
    assert len(await stage.remembered(("", "ann", "r1"))) == 1


async def test_X3_a_request_whose_call_is_gone_is_decided_as_a_new_one(stage: Stage) -> None:
    await stage.submit(RING)
    await stage.stop()
    stage._make()
    await stage.store.open()
    writer = stage.store.store._writer  # type: ignore[attr-defined]
    await writer.execute("DELETE FROM calls WHERE id = 'standup'")
    await writer.execute("DELETE FROM timers WHERE id = 'standup'")
    await stage.engine.start()
    (gone,) = await stage.together(RING)
    assert isinstance(gone, Refusal)
    assert (await stage.present(STANDUP)) is None


async def test_a_plain_read_is_not_remembered(stage: Stage) -> None:
    committed = stage.store.committed
    await stage.submit(said("ann", Get()))
    assert stage.store.committed == committed + 1
    assert await stage.remembered(("", "ann", "")) == {}
    assert DAY == 24 * 60 * 60 * SECOND
