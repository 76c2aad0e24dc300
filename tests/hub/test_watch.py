from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from ringline_server.engine.port import RequestId, Submission
from ringline_server.hub import watch as watch_module
from ringline_server.hub.filter import Filter
from ringline_server.hub.message import (
    Change,
    GoingAway,
    Heartbeat,
    Kind,
    Leaving,
    Message,
    Notified,
    Replaced,
    Reset,
    SnapshotComplete,
    TooManyWatches,
    TooSlow,
)
from ringline_server.hub.token import ResetReason
from ringline_server.hub.watch import Followed, Watch
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    Reject,
    RingMembers,
    Update,
    UpdateMembers,
)
from ringline_server.rules.commands import MemberInput as Input
from ringline_server.rules.context import Actor
from ringline_server.rules.settings import SECOND, SettingsOverride
from ringline_server.rules.terms import CallingState, CallState, Direction, StopReason
from ringline_server.store.port import Step
from tests.hub.desk import Desk, Reader, open_desk

SNAPSHOT = SnapshotComplete(resumed=False)
RESUMED = SnapshotComplete(resumed=True)
SERVICE = Actor(service_id="backend")
ALL = Filter.of(calling_states=frozenset(CallingState))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


async def begun(reader: Reader) -> str:
    """Read a stream's beginning, which has to be empty, and return its token."""
    told = await reader.next()
    assert told.message == SNAPSHOT
    return told.token


async def touch(desk: Desk, id_: str = "a", value: bytes = b"x") -> None:
    await desk.do("ann", Update(frozenset({"custom"}), custom=value), id_)


async def test_W2_a_stream_begins_with_what_rings_then_says_so(desk: Desk) -> None:
    await desk.ring()
    reader = desk.watch("bob")
    first = await reader.next()
    assert isinstance(first.message, Change)
    assert first.message.kind is Kind.ADDED
    assert first.token == ""
    assert (await reader.next()).message == SNAPSHOT
    assert await reader.quiet()


async def test_W2_added_updated_removed_follow_what_happens(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring()
    await touch(desk)
    assert (await reader.change()).kind is Kind.ADDED
    await touch(desk, value=b"y")
    assert (await reader.change()).kind is Kind.UPDATED
    await desk.do("bob", Reject())
    removed = await reader.change()
    assert (removed.kind, removed.stop_reason) == (Kind.REMOVED, StopReason.REJECTED)


async def test_W2_a_step_between_registration_and_snapshot_is_told_once(desk: Desk) -> None:
    reader = desk.watch("bob")
    await desk.ring()
    assert (await reader.change()).call.revision == 1
    assert (await reader.next()).message == SNAPSHOT
    assert await reader.quiet()


async def test_W6_changes_of_one_call_are_told_as_its_latest(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring()
    for value in range(10):
        await touch(desk, value=bytes([value]))
    change = await reader.change()
    assert (change.kind, change.call.revision) == (Kind.ADDED, 11)
    assert await reader.quiet()


async def test_W6_added_and_removed_before_it_is_read_is_told_as_removed(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring()
    await desk.do("bob", Reject())
    change = await reader.change()
    assert (change.kind, change.stop_reason) == (Kind.REMOVED, StopReason.REJECTED)


async def test_W6_removed_and_added_before_it_is_read_is_told_as_updated(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring()
    await reader.change()
    await desk.do("bob", Reject())
    await desk.ring()
    change = await reader.change()
    assert (change.kind, change.call.session) == (Kind.UPDATED, 2)


async def test_W4_a_token_says_no_more_than_what_was_told(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring("a")
    await desk.ring("b")
    told = await reader.next()
    assert isinstance(told.message, Change)
    assert told.message.call.id == "a"
    resumed = desk.watch("bob", token=told.token)
    assert (await resumed.change()).call.id == "b"
    assert (await resumed.next()).message == RESUMED


async def test_W4_a_call_that_goes_on_changing_does_not_carry_the_token_past_another(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring("a")
    await desk.ring("b")
    await touch(desk, "a")
    first = await reader.next()
    assert isinstance(first.message, Change)
    assert first.message.call.revision == 2
    resumed = desk.watch("bob", token=first.token)
    told = {(await resumed.change()).call.id for _ in range(2)}
    assert told == {"a", "b"}


async def test_W4_a_missed_call_shows_as_removed_when_resuming(desk: Desk) -> None:
    reader = desk.watch("bob")
    token = await begun(reader)
    await desk.ring()
    await desk.do("bob", Reject(reason="busy"))
    resumed = desk.watch("bob", token=token)
    change = await resumed.change()
    assert (change.kind, change.stop_reason) == (Kind.REMOVED, StopReason.REJECTED)
    assert (await resumed.next()).message == RESUMED


async def test_W4_what_did_not_change_is_not_repeated_but_followed(desk: Desk) -> None:
    await desk.ring()
    reader = desk.watch("bob")
    await reader.change()
    token = (await reader.next()).token
    resumed = desk.watch("bob", token=token)
    assert (await resumed.next()).message == RESUMED
    await touch(desk)
    assert (await resumed.change()).kind is Kind.UPDATED
    await desk.do("bob", Reject())
    assert (await resumed.change()).kind is Kind.REMOVED


async def test_W4_too_many_pending_calls_end_in_a_reset_and_a_snapshot(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "MAX_PENDING", 3)
    reader = desk.watch("bob")
    await begun(reader)
    for number in range(5):
        await desk.ring(f"call-{number}")
    assert (await reader.next()).message == Reset(ResetReason.TOO_MANY_CHANGES)
    ids = [(await reader.change()).call.id for _ in range(5)]
    assert ids == [f"call-{number}" for number in reversed(range(5))]
    assert (await reader.next()).message == SNAPSHOT
    assert await reader.quiet()


async def test_W4_a_token_given_before_a_reset_does_not_skip_what_was_dropped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "MAX_PENDING", 1)
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring("a")
    await desk.clock.advance(15)
    await desk.ring("b")
    told = await reader.next()
    assert isinstance(told.message, Heartbeat)
    resumed = desk.watch("bob", token=told.token)
    assert {(await resumed.change()).call.id for _ in range(2)} == {"a", "b"}


async def test_W5_heartbeats_come_at_the_asked_interval(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    for _ in range(3):
        assert await reader.quiet()
        await desk.clock.advance(15)
        told = await reader.next()
        assert told.message == Heartbeat()
        assert told.token


async def test_W6_a_call_with_many_members_is_updated_five_times_a_second(desk: Desk) -> None:
    users = [f"user-{number}" for number in range(60)]
    reader = desk.watch("user-0")
    await begun(reader)
    await desk.ring("a", "ann", *users)
    assert (await reader.change()).kind is Kind.ADDED
    await touch(desk, value=b"0")
    assert (await reader.change()).call.custom == b"0"
    await touch(desk, value=b"1")
    await touch(desk, value=b"2")
    assert await reader.quiet()
    await touch(desk, value=b"3")
    assert await reader.quiet()
    await desk.clock.advance(0.2)
    assert (await reader.change()).call.custom == b"3"


async def test_W6_the_end_of_a_ring_is_told_at_once_however_many_members(desk: Desk) -> None:
    users = [f"user-{number}" for number in range(60)]
    reader = desk.watch("user-0")
    await begun(reader)
    await desk.ring("a", "ann", *users)
    await reader.change()
    await desk.do("user-0", Reject())
    assert (await reader.change()).kind is Kind.REMOVED


async def test_W6_of_many_answers_at_a_time_a_stream_looks_at_its_own_and_at_what_they_come_to(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: defaultdict[str, list[int]] = defaultdict(list)
    offer = Watch.offer

    def noted(watch: Watch, step: Step) -> bool:
        offered[watch.sight.actor.user_id].append(step.call.revision)
        return offer(watch, step)

    readers, service = await large_call_watched(desk)
    named = desk.watch(Actor("eve", role="admin"), Filter.of(cids=frozenset({"default:a"})))
    await named.change()
    await begun(named)
    monkeypatch.setattr(Watch, "offer", noted)

    await asyncio.gather(
        desk.do("user-0", Reject()), desk.ring("b"), desk.do("user-1", Reject()), desk.do("user-2", Reject())
    )

    assert offered["user-0"] == offered["user-1"] == offered["user-2"] == [2, 3, 4]
    assert offered[""] == [2, 1, 3, 4]
    assert offered["user-40"] == offered["eve"] == [4]
    for user in ("user-0", "user-1", "user-2"):
        assert (await readers[user].change()).kind is Kind.REMOVED
    assert (await named.change()).call.revision == 4
    bystander = await readers["user-40"].change()
    assert (bystander.kind, bystander.call.revision) == (Kind.UPDATED, 4)
    assert {(await service.change()).call.id, (await service.change()).call.id} == {"a", "b"}


async def test_W6_a_stream_that_comes_between_answers_is_told_of_the_next(desk: Desk) -> None:
    readers, _ = await large_call_watched(desk)
    await desk.do("user-0", Reject())
    late = desk.watch("user-50")
    assert (await late.change()).call.revision == 2
    await begun(late)
    await desk.do("user-1", Reject())
    for reader in (late, readers["user-40"]):
        assert (await reader.change()).call.revision == 3


async def test_W6_a_stream_that_has_gone_between_answers_is_handed_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[str] = []

    def noted(watch: Watch, _: Step) -> bool:
        followed.append(watch.sight.actor.user_id)
        return False

    readers, _ = await large_call_watched(desk)
    await desk.do("user-0", Reject())
    await readers["user-40"].close()
    monkeypatch.setattr(Watch, "follow", noted)
    await desk.do("user-1", Reject())
    assert set(followed) == {"user-0", "user-2"}


async def test_W6_who_joins_between_answers_is_told_of_the_next(desk: Desk) -> None:
    await large_call_watched(desk)
    eve = Actor("eve", role="admin")
    guest = desk.watch(eve, ALL)
    await begun(guest)
    await desk.do("user-0", Reject())
    await desk.engine.submit(Submission(("default", "a"), Join(), eve))
    assert (await guest.change()).kind is Kind.ADDED
    await desk.clock.advance(0.2)
    await desk.do("user-1", Reject())
    assert (await guest.change()).call.revision == 4


async def test_W6_who_rings_a_call_anew_is_told_of_its_answers(desk: Desk) -> None:
    await large_call_watched(desk)
    eve = Actor("eve", role="admin")
    guest = desk.watch(eve)
    await begun(guest)
    await desk.do("user-0", Reject())
    await asyncio.gather(
        desk.do("ann", Cancel()), desk.engine.submit(Submission(("default", "a"), RingMembers(()), eve))
    )
    assert (await guest.change()).kind is Kind.ADDED
    await desk.clock.advance(0.2)
    await desk.do("user-1", Reject())
    assert (await guest.change()).call.revision == 5


async def test_W6_an_end_among_many_answers_is_told_to_all(desk: Desk) -> None:
    readers, service = await large_call_watched(desk)
    await asyncio.gather(desk.do("user-0", Reject()), desk.do("user-1", Reject()), desk.do("ann", End()))
    for reader in (*readers.values(), service):
        assert (await reader.change()).kind is Kind.REMOVED


async def test_W6_answers_and_a_removal_that_leaves_few_members_are_told_to_all(desk: Desk) -> None:
    readers, service = await large_call_watched(desk, callees=50)
    await asyncio.gather(
        desk.do("user-0", Reject()), desk.do("user-1", Reject()), desk.do("ann", UpdateMembers((), ("user-2",)))
    )
    assert (await readers["user-2"].change()).stop_reason is StopReason.ACCESS_LOST
    for reader in (readers["user-40"], service):
        assert (await reader.change()).call.revision == 4


async def test_W6_answers_and_an_addition_that_makes_many_members_are_told_to_all(desk: Desk) -> None:
    readers, service = await large_call_watched(desk, callees=49)
    await asyncio.gather(
        desk.do("user-0", Reject()), desk.do("ann", UpdateMembers((Input("eve"),), ())), desk.do("user-1", Reject())
    )
    for user in ("user-0", "user-1"):
        assert (await readers[user].change()).stop_reason is StopReason.REJECTED
    for reader in (readers["user-40"], service):
        assert (await reader.change()).call.revision == 4


async def test_W6_what_a_stream_did_not_look_at_while_it_began_does_not_mislead_it_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Step] = []
    desk.watch(Actor(service_id="backend"))

    def noted(watch: Watch, step: Step) -> bool:
        steps.append(step)
        return False

    monkeypatch.setattr(Watch, "offer", noted)
    users = tuple(f"user-{number}" for number in range(60))
    await desk.do("ann", GetOrCreate(tuple(Input(user) for user in ("ann", *users))))
    await desk.do("ann", RingMembers(()))
    await desk.do("user-1", Reject())
    monkeypatch.undo()
    created, rung, rejected = steps
    stream = desk.hub.watch(Actor("user-3", device_id="phone"), Filter.of(), resume_token="", heartbeat=SECOND)
    assert not stream.offer(created), "it does not ring yet"
    stream._floor = rung.position
    assert not stream.offer(rung), "that is part of what it began with"
    assert stream.follow(rejected) is Followed.DUE, "it rings, and another one has declined"


async def test_W6_who_is_through_with_a_large_call_is_told_of_it_again_once_it_rings_them_again(desk: Desk) -> None:
    readers, _ = await large_call_watched(desk)
    await desk.do("user-0", Reject())
    assert (await readers["user-0"].change()).kind is Kind.REMOVED
    await desk.do("user-40", Reject())
    await desk.do("user-41", Reject())
    assert await readers["user-0"].quiet()
    await desk.do("ann", RingMembers(("user-0",)))
    assert (await readers["user-0"].change()).kind is Kind.ADDED
    await desk.do("user-42", Reject())
    assert (await readers["user-0"].change()).kind is Kind.UPDATED


async def test_W6_who_is_through_with_a_large_call_is_not_asked_at_each_step_of_it(desk: Desk) -> None:
    readers, _ = await large_call_watched(desk)
    outcome = await desk.do("user-0", Reject())
    assert (await readers["user-0"].change()).kind is Kind.REMOVED
    await desk.do("user-40", Reject())
    crowd = desk.hub._crowds[outcome.call.uid]
    assert readers["user-0"].watch not in crowd
    assert readers["user-1"].watch in crowd


async def test_W6_who_has_room_is_told_of_anothers_answer_without_waiting(desk: Desk) -> None:
    told: list[Message] = []
    watch = desk.hub.watch(Actor("user-3"), Filter.of(), resume_token="", heartbeat=SECOND)
    stream = asyncio.create_task(watch.run(lambda one: told.append(one.message)))
    await desk.ring("a", "ann", *(f"user-{number}" for number in range(60)))
    await desk.do("user-1", Reject())
    for _ in range(10):
        await asyncio.sleep(0)
    assert [one.kind for one in told if isinstance(one, Change)] == [Kind.ADDED, Kind.UPDATED]
    desk.hub.forget(watch)
    stream.cancel()
    await asyncio.wait([stream])


@pytest.mark.parametrize("is_present", [True, False])
async def test_W4_what_was_read_is_forgotten_and_what_came_after_it_stays_in_its_order(
    desk: Desk, is_present: bool
) -> None:
    stream = desk.hub.watch(Actor("bob"), Filter.of(), resume_token="", heartbeat=SECOND)
    over = (await desk.ring("over")).call
    begun_ = (await desk.ring("begun")).call
    floor = await desk.store.read(lambda snapshot: snapshot.head())
    later = [(await desk.ring(id_)).call for id_ in ("later", "latest")]
    await touch(desk, "begun")
    assert list(stream._pending) == [over.uid, begun_.uid, *(one.uid for one in later)]
    stream._set_floor(floor, {begun_.uid} if is_present else set())
    assert list(stream._pending) == [begun_.uid, *(one.uid for one in later)]
    first = stream._pending[begun_.uid]
    assert (first.first, first.known) == (floor + 1, is_present)
    assert [stream._pending[one.uid].known for one in later] == [False, False]


async def large_call_watched(desk: Desk, callees: int = 60) -> tuple[dict[str, Reader], Reader]:
    """Return the readers of some members of a call of so many and ann, and a service's, to all of whom it rings."""
    readers = {user: desk.watch(user) for user in ("user-0", "user-1", "user-2", "user-40")}
    service = desk.watch(SERVICE)
    for reader in (*readers.values(), service):
        await begun(reader)
    await desk.ring("a", "ann", *(f"user-{number}" for number in range(callees)))
    for reader in (*readers.values(), service):
        assert (await reader.change()).kind is Kind.ADDED
    return readers, service


async def test_W10_a_service_is_told_by_the_calls_state_whomever_a_step_concerns(desk: Desk) -> None:
    reader = desk.watch(SERVICE, Filter.of(call_states=frozenset({CallState.RINGING})))
    await begun(reader)
    await desk.ring()
    assert (await reader.change()).kind is Kind.ADDED
    await desk.do("bob", Join())
    assert (await reader.change()).kind is Kind.REMOVED


async def test_W6_an_update_that_is_held_back_does_not_hold_back_the_end_of_the_ring(desk: Desk) -> None:
    reader = await large_call_held_back(desk)
    await desk.do("user-0", Reject())
    assert (await reader.change()).kind is Kind.REMOVED


async def test_W6_nothing_is_held_back_of_a_call_that_has_become_small(desk: Desk) -> None:
    reader = await large_call_held_back(desk)
    await desk.do("ann", UpdateMembers((), tuple(f"user-{number}" for number in range(20, 60))))
    assert len((await reader.change()).call.members) == 21


async def large_call_held_back(desk: Desk) -> Reader:
    """Return the reader of a call of 61, of which an update waits for its time."""
    reader = desk.watch("user-0")
    await begun(reader)
    await desk.ring("a", "ann", *(f"user-{number}" for number in range(60)))
    await reader.change()
    await touch(desk, value=b"0")
    await reader.change()
    await touch(desk, value=b"1")
    assert await reader.quiet()
    return reader


async def test_W6_a_reader_that_takes_nothing_for_30_s_is_cut(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring()
    await reader.change()
    await desk.clock.advance(31)
    with pytest.raises(TooSlow):
        await reader.next()


async def test_W6_a_reader_that_waits_for_news_is_not_slow(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    for _ in range(10):
        assert await reader.quiet()
        await desk.clock.advance(14)
        if not await reader.quiet():
            assert (await reader.next()).message == Heartbeat()
    assert reader.watch.cut_by is None


async def test_W6_a_stream_that_fails_costs_others_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = [desk.watch("bob") for _ in range(4)]
    for reader in readers:
        await begun(reader)
        assert await reader.quiet()
    cannot_tell, cannot_match, *others = readers

    def fail(_: object) -> NoReturn:
        raise ValueError("no good")

    monkeypatch.setattr(cannot_tell.watch, "_tell", fail)
    monkeypatch.setattr(cannot_match.watch, "sight", replace(cannot_match.watch.sight, call_type=fail))
    await desk.ring()
    for reader in others:
        assert (await reader.change()).kind is Kind.ADDED
    for reader in (cannot_tell, cannot_match):
        with pytest.raises(ValueError, match="no good"):
            await reader.end()


async def test_W6_many_streams_are_told_in_slices(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringline_server.hub.hub._SLICE", 2)
    readers = [desk.watch("bob") for _ in range(5)]
    for reader in readers:
        await begun(reader)
        assert await reader.quiet()
    await desk.ring()
    for reader in readers:
        assert (await reader.change()).kind is Kind.ADDED


async def test_W7_a_stream_is_told_that_the_server_goes_and_ends(desk: Desk) -> None:
    reader = desk.watch("bob")
    token = await begun(reader)
    desk.hub.going_away()
    told = await reader.next()
    assert told.message == GoingAway()
    assert told.token == token
    with pytest.raises(StopAsyncIteration):
        await reader.next()


async def test_W8_who_is_removed_is_told_that_access_is_lost(desk: Desk) -> None:
    reader = desk.watch("bob", ALL)
    await begun(reader)
    await desk.ring("a", "ann", "bob", "cy")
    await reader.change()
    await desk.do("ann", UpdateMembers(remove=("bob",)))
    change = await reader.change()
    assert (change.kind, change.stop_reason) == (Kind.REMOVED, StopReason.ACCESS_LOST)


async def test_N3_a_notification_reaches_a_stream_whatever_its_states(desk: Desk) -> None:
    await desk.ring()
    await desk.do("bob", Reject())
    reader = desk.watch("bob")
    await begun(reader)
    await desk.do("ann", Get(notify=True))
    told = await reader.next()
    assert isinstance(told.message, Notified)
    assert told.message.notification.actor_user_id == "ann"


async def test_N3_notifications_are_not_conflated_and_a_thousand_are_too_many(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "MAX_NOTIFICATIONS", 3)
    await desk.ring()
    await desk.do("bob", Reject())
    patient, slow = desk.watch("bob"), desk.watch("bob")
    await begun(patient)
    await begun(slow)
    for _ in range(4):
        await desk.do("ann", Get(notify=True))
        assert isinstance((await patient.next()).message, Notified)
    with pytest.raises(TooSlow):
        await slow.next()


async def test_W9_a_snapshot_is_ordered_newest_change_first(desk: Desk) -> None:
    for id_ in ("a", "b", "c"):
        await desk.ring(id_)
    await touch(desk, "a")
    reader = desk.watch("bob")
    assert [(await reader.change()).call.id for _ in range(3)] == ["a", "c", "b"]


async def test_W10_a_service_sees_pages_and_what_changes_between_them_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.PAGE", 2)
    for number in range(5):
        await desk.ring(f"call-{number}", f"ann-{number}", f"bob-{number}")
    reader = desk.watch(SERVICE)
    told = [await reader.change()]
    await desk.do("ann-0", Update(frozenset({"custom"}), custom=b"x"), "call-0")
    await desk.do("bob-1", Reject(), "call-1")
    while isinstance(message := (await reader.next()).message, Change):
        told.append(message)
    assert message == SNAPSHOT
    present: dict[str, int] = {}
    for change in told:
        if change.kind is Kind.REMOVED:
            present.pop(change.call.id, None)
        else:
            assert (change.kind is Kind.ADDED) == (change.call.id not in present)
            present[change.call.id] = change.call.revision
    assert present == {"call-0": 2, "call-2": 1, "call-3": 1, "call-4": 1}


async def test_T6_presence_counts_devices_not_streams(desk: Desk) -> None:
    heard: list[tuple[str, str, bool]] = []
    desk.hub.on_presence = lambda user_id, device_id, *, online: heard.append((user_id, device_id, online))
    phone = Actor("bob", device_id="phone")
    first, second = desk.watch(phone), desk.watch(phone)
    desk.watch(Actor("bob", device_id="desk"))
    assert desk.hub.online == {"bob": 2}
    desk.hub.forget(first.watch)
    assert desk.hub.is_online("bob", "phone")
    desk.hub.forget(second.watch)
    assert desk.hub.online == {"bob": 1}
    assert heard == [("bob", "phone", True), ("bob", "desk", True), ("bob", "phone", False)]


async def test_R5_a_target_remembers_how_many_devices_were_there(desk: Desk) -> None:
    desk.watch(Actor("bob", device_id="phone"))
    desk.watch(Actor("bob", device_id="desk"))
    outcome = await desk.ring()
    assert outcome.call.rings[0].targets["bob"].online_devices == 2


async def test_W3_a_caller_who_joins_and_leaves_is_told_why_their_stream_stops(desk: Desk) -> None:
    joined = Filter.of(calling_states=frozenset({CallingState.JOINED}))
    ann, bob = desk.watch("ann", joined), desk.watch("bob", joined)
    await begun(ann)
    await begun(bob)
    await desk.ring()
    await desk.do("bob", Join())
    assert (await ann.change()).kind is Kind.ADDED
    assert (await bob.change()).kind is Kind.ADDED
    await desk.do("bob", Leave())
    assert (await bob.change()).stop_reason is StopReason.LEFT
    assert (await ann.change()).stop_reason is StopReason.ENDED


async def test_W4_many_changes_that_a_filter_hides_do_not_hide_the_one_it_shows(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.MAX_RESUME_CHANGES", 3)
    await desk.ring("x")
    reader = desk.watch("bob", Filter.of(types=frozenset({"default"})))
    await reader.change()
    token = (await reader.next()).token
    for number in range(6):
        await desk.ring(f"call-{number}")
    resumed = desk.watch("bob", Filter.of(types=frozenset({"default"})), token=token)
    assert (await resumed.next()).message == Reset(ResetReason.TOO_MANY_CHANGES)


async def test_W4_many_calls_that_changed_while_the_users_part_did_not_start_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.MAX_RESUME_CHANGES", 3)
    outgoing = Filter.of(directions=frozenset({Direction.OUTGOING}))
    for number in range(4):
        await desk.ring(f"call-{number}")
    token = await begun(desk.watch("bob", outgoing))
    for number in range(4):
        await touch(desk, f"call-{number}")
    resumed = desk.watch("bob", outgoing, token=token)
    assert (await resumed.next()).message == Reset(ResetReason.TOO_MANY_CHANGES)


async def test_W4_a_call_that_changed_and_does_not_match_is_not_told(desk: Desk) -> None:
    outgoing = Filter.of(directions=frozenset({Direction.OUTGOING}))
    await desk.ring()
    token = await begun(desk.watch("bob", outgoing))
    await touch(desk)
    assert (await desk.watch("bob", outgoing, token=token).next()).message == RESUMED


async def test_W4_named_calls_are_resumed_whatever_else_has_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.MAX_RESUME_CHANGES", 3)
    for number in range(6):
        await desk.ring(f"call-{number}")
    named = Filter.of(cids=frozenset({"default:call-0"}))
    reader = desk.watch("bob", named)
    await reader.change()
    token = (await reader.next()).token
    for number in range(6):
        await touch(desk, f"call-{number}")
    resumed = desk.watch("bob", named, token=token)
    assert (await resumed.change()).call.id == "call-0"
    assert (await resumed.next()).message == RESUMED


async def test_P2_a_made_up_token_does_not_tell_that_a_named_call_exists(desk: Desk) -> None:
    await desk.ring("secret")
    told = []
    for name in ("secret", "nothing"):
        named = Filter.of(cids=frozenset({f"default:{name}"}))
        first = desk.watch("eve", named, token="made-up")
        assert (await first.next()).message == Reset(ResetReason.DAMAGED)
        resumed = desk.watch("eve", named, token=(await first.next()).token)
        told.append((await resumed.next()).message)
    assert told == [RESUMED, RESUMED]


async def test_W3_a_notification_never_shows_an_older_revision_than_was_told(desk: Desk) -> None:
    reader = desk.watch("bob")
    await begun(reader)
    await desk.ring("b")
    await desk.ring("a")
    assert (await reader.change()).call.id == "b"
    await desk.do("ann", Get(notify=True), "a")
    await touch(desk, "a")
    revisions = []
    while not await reader.quiet():
        message = (await reader.next()).message
        assert isinstance(message, Change | Notified)
        revisions.append(message.call.revision)
    assert revisions == [2, 3]


async def test_W4_another_team_is_another_picture(desk: Desk) -> None:
    reader = desk.watch(Actor("bob", teams=frozenset({"red"})))
    token = await begun(reader)
    resumed = desk.watch("bob", token=token)
    assert (await resumed.next()).message == Reset(ResetReason.OTHER_USER)


async def test_T6_repeating_a_join_is_a_sign_of_life(desk: Desk) -> None:
    desk.watch("ann")
    members = (Input("ann"), Input("bob"))
    timeout = SettingsOverride(participant_timeout=10_000_000)
    await desk.do("ann", GetOrCreate(members, ring=True, settings=timeout))
    join = Submission(("default", "a"), Join(), Actor("bob", device_id="phone"), RequestId("one", "JoinCall", b"same"))
    await desk.engine.submit(join)
    await desk.clock.advance(9)
    assert (await desk.engine.submit(join)).repeated
    await desk.clock.advance(9)
    assert (await desk.do("ann", Get())).call.is_in("bob")
    await desk.clock.advance(2)
    assert not (await desk.do("ann", Get())).call.is_in("bob")


async def test_W3_a_notification_that_a_snapshot_overtakes_shows_what_the_snapshot_showed(desk: Desk) -> None:
    await desk.ring()
    hold = desk.store.hold_read()
    reader = desk.watch("bob")
    reader.begin()
    await hold.reached.wait()
    await desk.do("ann", Get(notify=True))
    await touch(desk)
    hold.release.set()
    assert (await reader.change()).call.revision == 3
    assert (await reader.next()).message == SNAPSHOT
    notified = (await reader.next()).message
    assert isinstance(notified, Notified)
    assert notified.call.revision == 3


async def test_W9_what_changes_while_the_last_page_is_read_is_still_added_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.PAGE", 2)
    for number in range(3):
        await desk.ring(f"call-{number}", f"ann-{number}", f"bob-{number}")
    reader = desk.watch(SERVICE)
    assert [(await reader.change()).call.id for _ in range(2)] == ["call-2", "call-1"]
    hold = desk.store.hold_read()
    reader.begin()
    await hold.reached.wait()
    await desk.do("ann-0", Update(frozenset({"custom"}), custom=b"x"), "call-0")
    hold.release.set()
    change = await reader.change()
    assert (change.kind, change.call.id, change.call.revision) == (Kind.ADDED, "call-0", 2)
    assert (await reader.next()).message == SNAPSHOT
    assert await reader.quiet()


async def test_W9_a_call_that_leaves_and_comes_back_between_pages_is_added_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringline_server.hub.snapshot.PAGE", 1)
    for number in range(2):
        await desk.ring(f"call-{number}", f"ann-{number}", f"bob-{number}")
    reader = desk.watch(SERVICE)
    kinds = [(await reader.change()).kind]
    commands: list[Command] = [Cancel(), Get(ring=True)]
    for command in commands:
        hold = desk.store.hold_read()
        reader.begin()
        await hold.reached.wait()
        await desk.do("ann-1", command, "call-1")
        hold.release.set()
        change = await reader.change()
        if change.call.id == "call-0":
            change = await reader.change()
        kinds.append(change.kind)
    assert kinds == [Kind.ADDED, Kind.REMOVED, Kind.ADDED]


async def test_P5_a_third_watch_of_a_named_device_replaces_its_oldest(desk: Desk) -> None:
    phone = Actor("bob", device_id="phone")
    first, second = desk.watch(phone), desk.watch(phone)
    tablet = desk.watch(Actor("bob", device_id="tablet"))
    third = desk.watch(phone)
    await begun(second)
    await begun(third)
    await begun(tablet)
    with pytest.raises(Replaced):
        await begun(first)
    assert len(desk.hub) == 3
    assert desk.hub.is_online("bob", "phone")


async def test_P5_a_replaced_stream_that_waits_in_a_send_is_cut(desk: Desk) -> None:
    phone = Actor("bob", device_id="phone")
    first = desk.watch(phone)
    await begun(first)
    for _ in range(2):
        desk.watch(phone)
    with pytest.raises(Replaced):
        await first.end()


async def test_P5_the_seventeenth_watch_of_a_user_is_refused_unless_its_device_has_one(desk: Desk) -> None:
    phone = Actor("bob", device_id="phone")
    first = desk.watch(phone)
    for _ in range(15):
        desk.watch("bob")
    for refused in (Actor("bob"), Actor("bob", device_id="tablet")):
        with pytest.raises(TooManyWatches):
            desk.watch(refused)
    again = desk.watch(phone)
    await begun(again)
    with pytest.raises(Replaced):
        await begun(first)
    await again.close()
    await begun(desk.watch("bob"))


async def test_P5_services_may_have_any_number_of_watches(desk: Desk) -> None:
    for actor in (SERVICE, Actor("bob", device_id="phone", service_id="backend")):
        for _ in range(20):
            desk.watch(actor)
    await begun(desk.watch("bob"))
    assert len(desk.hub) == 41


async def test_W7_a_server_that_goes_away_takes_no_new_stream(desk: Desk) -> None:
    desk.hub.going_away()
    with pytest.raises(Leaving):
        desk.watch("bob")
