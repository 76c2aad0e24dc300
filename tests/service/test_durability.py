"""What was acknowledged is there after a restart (X1), and time goes on while the server is away (T4)."""

from __future__ import annotations

import asyncio

import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import Phone, refused


@pytest.fixture
def ann(server: Server) -> Phone:
    return server.phone("ann", "desk")


@pytest.fixture
def bob(server: Server) -> Phone:
    return server.phone("bob", "phone")


async def test_X1_every_acknowledged_change_is_there_after_a_restart(server: Server, ann: Phone, bob: Phone) -> None:
    data = pb.CallData()
    data.custom.update({"topic": "tea"})
    await ann.create("ringing", "bob", ring=True, video=True, data=data)
    await ann.create("talking", "bob", ring=True)
    await bob.join("talking")
    await ann.create("over", "bob", ring=True)
    await bob.reject("over")
    await ann.create("silent", "bob", "cid", notify=True)
    names = ("ringing", "talking", "over", "silent")
    before = {(phone.user, name): await phone.get(name) for name in names for phone in (ann, bob)}
    told = {name: await ann.call_events(name) for name in names}
    screens = {phone.user: await phone.snapshot() for phone in (ann, bob)}

    await server.restart()

    for phone in (ann, bob):
        for name in names:
            assert await phone.get(name) == before[phone.user, name]
        assert await phone.snapshot() == screens[phone.user]
    for name in names:
        assert await ann.call_events(name) == told[name]


async def test_X1_what_was_acknowledged_can_be_read_by_anybody_at_once(ann: Phone, bob: Phone) -> None:
    async def round_trip(number: int) -> None:
        made = await ann.create(f"call-{number}", "bob", ring=True)
        assert (await bob.get(f"call-{number}")).call == made.call

    await asyncio.gather(*(round_trip(number) for number in range(50)))

    assert len((await bob.list(page_size=100)).items) == 50


async def test_T4_a_deadline_survives_a_restart(server: Server, ann: Phone, bob: Phone) -> None:
    await ann.create("standup", "bob", ring=True)
    await server.advance(20)
    await server.restart()
    assert (await bob.get("standup")).call.state == calls.CALL_STATE_RINGING
    screen = await bob.watch()

    await server.advance(10)

    assert (await screen.removed("default:standup")).stop_reason == calls.STOP_REASON_MISSED


async def test_T4_what_is_overdue_at_the_start_is_over_before_the_first_request(
    server: Server, ann: Phone, bob: Phone
) -> None:
    for number in range(20):
        await ann.create(f"call-{number}", "bob", ring=True)
    await server.stop()
    await server.advance(60)

    await server.start()
    assert not await bob.snapshot()

    for number in range(20):
        answer = await bob.get(f"call-{number}")
        assert answer.call.end_reason == calls.END_REASON_NO_ANSWER
        events = [event.type for event in await bob.call_events(f"call-{number}")]
        assert events.count(calls.CALL_EVENT_TYPE_CALL_MISSED) == 1
        assert events.count(calls.CALL_EVENT_TYPE_CALL_ENDED) == 1
        assert (await refused(bob.join(f"call-{number}"))).reason == "CALL_ENDED"
    assert len((await bob.list(missed=True, page_size=100)).items) == 20


async def test_T3_max_duration_survives_a_restart(server: Server, ann: Phone, bob: Phone) -> None:
    data = pb.CallData()
    data.settings.limits.max_duration.FromSeconds(60)
    await ann.create("standup", "bob", ring=True, data=data)
    await bob.join("standup")
    await server.restart()
    screen = await bob.watch(calling_states=[calls.CALLING_STATE_JOINED])

    await server.advance(60)

    change = await screen.removed("default:standup")
    assert change.stop_reason == calls.STOP_REASON_ENDED
    assert change.call.end_reason == calls.END_REASON_MAX_DURATION


async def test_T6_a_participant_whose_device_is_gone_is_lost(server: Server, ann: Phone, bob: Phone) -> None:
    data = pb.CallData()
    data.settings.limits.participant_timeout.FromSeconds(10)
    anns, bobs = await ann.watch(), await bob.watch()
    await ann.create("standup", "bob", ring=True, data=data)
    await bob.join("standup")
    talking = await ann.watch(calling_states=[calls.CALLING_STATE_JOINED])

    await server.advance(60)
    assert (await ann.get("standup")).call.state == calls.CALL_STATE_ACTIVE, "both hold a stream"
    await bobs.cut()
    await server.settled()
    await server.advance(10)

    change = await talking.removed("default:standup")
    assert change.call.end_reason == calls.END_REASON_LEFT_ALONE
    lost = [event for event in await ann.call_events("standup") if event.reason == "lost"]
    assert [list(event.subject_user_ids) for event in lost] == [["bob"]]
    assert anns.open
