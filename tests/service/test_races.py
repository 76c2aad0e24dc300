"""Races, many times over real gRPC: somebody wins, and everybody agrees who (K3, A4, T4, C1, R8).

``prove`` runs each race 200 times, or more, until each side has won at least 20 times; a short run of each is part of
the ordinary tests.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc
import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import ADDED, Phone, Refused, Screen, outcome

ROUNDS, QUOTA = 200, 20
MAX_ROUNDS = 2000
RINGING_OR_IN = (calls.CALLING_STATE_RINGING, calls.CALLING_STATE_JOINED)

quick_and_proven = pytest.mark.parametrize(
    ("rounds", "quota"),
    [
        pytest.param(10, 0, id="quick"),
        pytest.param(ROUNDS, QUOTA, id="proven", marks=[pytest.mark.prove, pytest.mark.timeout(300)]),
    ],
)


@dataclass
class Offset:
    """By how much the second side is started after the first, in seconds; drifts to where both win equally often."""

    seconds: float = 0.0
    step: float = 0.0004

    def learn(self, *, first_won: bool) -> None:
        self.seconds += -self.step if first_won else self.step
        self.seconds = max(-0.05, min(0.05, self.seconds))

    async def race(
        self, first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]]
    ) -> tuple[object, object]:
        """Start both sides, one a little after the other, and return what they come to."""
        lead = self.seconds + random.uniform(-0.001, 0.001)

        async def after(delay: float, side: Callable[[], Awaitable[object]]) -> object:
            if delay > 0:
                await asyncio.sleep(delay)
            return await outcome(side())

        return tuple(await asyncio.gather(after(-lead, first), after(lead, second)))  # type: ignore[return-value]


async def repeat(rounds: int, quota: int, once: Callable[[int, Offset], Awaitable[bool]]) -> None:
    """Run a race so often, and on until each side has won its quota. ``once`` says whether the first side won."""
    offset = Offset()
    wins: Counter[bool] = Counter()
    number = 0
    while number < rounds or min(wins[True], wins[False]) < quota:
        assert number < MAX_ROUNDS, f"the first side won {wins[True]} times, the second {wins[False]}"
        first_won = await once(number, offset)
        wins[first_won] += 1
        offset.learn(first_won=first_won)
        number += 1
    print(f"{number} rounds: the first side won {wins[True]}, the second {wins[False]}")


async def agree(name: str, *phones: Phone) -> calls.Call:
    """Read the call with every phone, expect the same, and return it."""
    answers = await asyncio.gather(*(phone.get(name) for phone in phones))
    assert all(answer.call == answers[0].call for answer in answers)
    return answers[0].call


async def finally_removed(screen: Screen, call: calls.Call) -> pb.CallChange:
    """Wait until a stream has told the call as it finally is, which does not match it."""
    await screen.until(
        lambda one: any(change.call.cid == call.cid and change.call.revision == call.revision for change in one.changes)
    )
    change = next(change for change in reversed(screen.changes) if change.call.cid == call.cid)
    assert call.cid not in screen.shown
    assert change.call == call
    screen.messages.clear()
    return change


@quick_and_proven
async def test_K3_cancel_against_accept_is_decided_once(server: Server, rounds: int, quota: int) -> None:
    ann, bob = server.phone("ann", "desk"), server.phone("bob", "phone")
    on_ann, on_bob = await ann.watch(), await bob.watch()

    async def once(number: int, offset: Offset) -> bool:
        name = f"race-{number}"
        rung = await ann.create(name, "bob", ring=True)
        named = {"ring_id": rung.ring_id} if number % 2 else {}

        cancel, join = await offset.race(lambda: ann.cancel(name, **named), lambda: bob.join(name, **named))

        call = await agree(name, ann, bob)
        changes = [await finally_removed(screen, call) for screen in (on_ann, on_bob)]
        if isinstance(join, Refused):
            assert isinstance(cancel, pb.CancelCallResponse)
            assert cancel.call == call
            assert join.code == grpc.StatusCode.FAILED_PRECONDITION
            assert join.reason == ("RING_OVER" if named else "CALL_ENDED")
            assert join.metadata["end_reason"] == "CANCELLED"
            assert join.metadata["revision"] == str(call.revision)
            assert (call.state, call.end_reason) == (calls.CALL_STATE_ENDED, calls.END_REASON_CANCELLED)
            assert call.rings[0].state == calls.RING_STATE_CANCELLED
            assert {change.stop_reason for change in changes} == {calls.STOP_REASON_CANCELLED}
            return True
        assert isinstance(cancel, Refused)
        assert (cancel.code, cancel.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_ACCEPTED")
        assert cancel.metadata["accepted_by"] == "bob"
        assert isinstance(join, pb.JoinCallResponse)
        assert join.call == call
        assert call.state == calls.CALL_STATE_ACTIVE
        assert {one.user_id for one in call.participants} == {"ann", "bob"}
        assert {change.stop_reason for change in changes} == {calls.STOP_REASON_ACCEPTED}
        await ann.leave(name)
        return False

    await repeat(rounds, quota, once)


@quick_and_proven
async def test_A4_of_two_devices_that_accept_one_is_in(server: Server, rounds: int, quota: int) -> None:
    ann = server.phone("ann")
    devices = (server.phone("bob", "phone"), server.phone("bob", "tablet"))
    on_ann = await ann.watch()
    screens = {device.device: await device.watch() for device in devices}

    async def once(number: int, offset: Offset) -> bool:
        name = f"race-{number}"
        rung = await ann.create(name, "bob", ring=True)
        named = {"ring_id": rung.ring_id} if number % 2 else {}

        answers = await offset.race(*((lambda device=device: device.join(name, **named)) for device in devices))

        call = await agree(name, ann, *devices)
        phone_won = isinstance(answers[0], pb.JoinCallResponse)
        winner, loser = devices if phone_won else reversed(devices)
        joined, error = answers if phone_won else reversed(answers)
        assert isinstance(joined, pb.JoinCallResponse)
        assert joined.participant.device_id == winner.device
        assert isinstance(error, Refused)
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOINED_ELSEWHERE")
        assert error.metadata["device_id"] == winner.device
        assert joined.call == call
        assert [one.device_id for one in call.participants if one.user_id == "bob"] == [winner.device]
        assert (await finally_removed(on_ann, call)).stop_reason == calls.STOP_REASON_ACCEPTED
        assert (await finally_removed(screens[winner.device], call)).stop_reason == calls.STOP_REASON_ACCEPTED
        elsewhere = await finally_removed(screens[loser.device], call)
        assert elsewhere.stop_reason == calls.STOP_REASON_ACCEPTED_ELSEWHERE
        assert elsewhere.viewer.device_id == winner.device
        await ann.leave(name)
        return phone_won

    await repeat(rounds, quota, once)


@quick_and_proven
async def test_T4_accept_against_time_out_is_never_both(server: Server, rounds: int, quota: int) -> None:
    ann, bob = server.phone("ann"), server.phone("bob", "phone")
    on_ann, on_bob = await ann.watch(), await bob.watch()
    data = pb.CallData()
    data.settings.ring.auto_cancel_timeout.FromSeconds(1)

    async def once(number: int, offset: Offset) -> bool:
        name = f"race-{number}"
        rung = await ann.create(name, "bob", ring=True, data=pb.CallData.FromString(data.SerializeToString()))

        _, join = await offset.race(lambda: server.advance(1), lambda: bob.join(name, ring_id=rung.ring_id))

        call = await agree(name, ann, bob)
        changes = [await finally_removed(screen, call) for screen in (on_ann, on_bob)]
        events = [event.type for event in await ann.call_events(name)]
        missed, accepted = calls.CALL_EVENT_TYPE_CALL_MISSED, calls.CALL_EVENT_TYPE_CALL_ACCEPTED
        assert events.count(missed) + events.count(accepted) == 1, "T5"
        if isinstance(join, Refused):
            assert (join.code, join.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RING_OVER")
            assert join.metadata["target_state"] == "MISSED"
            assert (call.state, call.end_reason) == (calls.CALL_STATE_ENDED, calls.END_REASON_NO_ANSWER)
            assert call.rings[0].state == calls.RING_STATE_MISSED
            assert {change.stop_reason for change in changes} == {calls.STOP_REASON_MISSED}
            assert missed in events
            return True
        assert isinstance(join, pb.JoinCallResponse)
        assert join.call == call
        assert call.state == calls.CALL_STATE_ACTIVE
        assert call.rings[0].state == calls.RING_STATE_ACCEPTED
        assert {change.stop_reason for change in changes} == {calls.STOP_REASON_ACCEPTED}
        await ann.leave(name)
        return False

    await repeat(rounds, quota, once)


@quick_and_proven
async def test_C1_of_twenty_creators_of_one_id_exactly_one_creates(server: Server, rounds: int, quota: int) -> None:
    users = [f"user-{number}" for number in range(20)]
    phones = [server.phone(user) for user in users]
    screens = [await phone.watch(calling_states=RINGING_OR_IN) for phone in phones[:2]]
    wins: Counter[int] = Counter()

    async def create(phone: Phone, name: str, delay: float) -> pb.GetOrCreateCallResponse:
        await asyncio.sleep(delay)
        made: pb.GetOrCreateCallResponse = await phone.create(name, *users, ring=True)
        return made

    for number in range(rounds):
        name = f"race-{number}"
        # Somebody else has a start each time.
        delays = [0.0 if i == number % len(phones) else random.uniform(0.0005, 0.003) for i in range(len(phones))]

        answers = await asyncio.gather(
            *(create(phone, name, delay) for phone, delay in zip(phones, delays, strict=True))
        )

        (creator,) = (i for i, answer in enumerate(answers) if answer.created)
        wins[creator] += 1
        assert len({answer.call.uid for answer in answers}) == 1
        assert {answer.call.created_by_id for answer in answers} == {users[creator]}
        assert [answer.viewer.created_by_me for answer in answers].count(True) == 1
        assert len({answer.ring_id for answer in answers}) == 1, "R8: all others are in by the creator's ring"
        call = await agree(name, *phones)
        assert call.participant_count == len(users)
        for screen in screens:
            assert (await screen.shows(call)).call == call
        await phones[creator].end(name)
    if quota:
        assert set(wins) == set(range(len(phones))), f"everybody has created at least once: {wins}"


@quick_and_proven
async def test_R8_two_who_ring_each_other_on_one_call_are_connected(server: Server, rounds: int, quota: int) -> None:
    ann, bob = server.phone("ann", "desk"), server.phone("bob", "phone")
    screens = [await phone.watch(calling_states=RINGING_OR_IN) for phone in (ann, bob)]

    async def once(number: int, offset: Offset) -> bool:
        name = f"race-{number}"
        await ann.create(name, "bob")

        answers = await offset.race(lambda: ann.ring(name, "bob"), lambda: bob.get(name, ring=True))

        call = await agree(name, ann, bob)
        (ring,) = call.rings
        assert isinstance(answers[0], pb.RingCallResponse)
        assert isinstance(answers[1], pb.GetCallResponse)
        assert answers[0].ring_id == answers[1].ring_id == ring.id
        assert ring.state == calls.RING_STATE_ACCEPTED
        assert call.state == calls.CALL_STATE_ACTIVE
        assert {(one.user_id, one.device_id) for one in call.participants} == {("ann", "desk"), ("bob", "phone")}
        for screen in screens:
            shown = await screen.shows(call)
            assert shown.call == call
            assert shown.viewer.calling_state == calls.CALLING_STATE_JOINED
            assert next(change.kind for change in screen.changes if change.call.cid == call.cid) == ADDED
            screen.messages.clear()
        await ann.leave(name)
        return ring.ringer_id == "ann"

    await repeat(rounds, quota, once)
