"""WatchCalls over real gRPC: what a stream begins with, what it tells then, and how it ends (W1 to W9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import grpc
import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import ADDED, REMOVED, UPDATED, Phone, Screen, refused

RINGING, JOINED = calls.CALLING_STATE_RINGING, calls.CALLING_STATE_JOINED
LEFT, IDLE = calls.CALLING_STATE_LEFT, calls.CALLING_STATE_IDLE


@pytest.fixture
def ann(server: Server) -> Phone:
    return server.phone("ann", "desk")


@pytest.fixture
def bob(server: Server) -> Phone:
    return server.phone("bob", "phone")


# Beginning.


async def test_W2_an_empty_snapshot_is_complete_at_once(bob: Phone) -> None:
    screen = await bob.watch()

    (message,) = screen.messages
    assert message.HasField("snapshot_complete")
    assert not message.snapshot_complete.resumed
    assert message.resume_token


async def test_W2_W9_the_snapshot_comes_first_newest_change_first_then_the_changes(ann: Phone, bob: Phone) -> None:
    for name in ("one", "two", "three"):
        await ann.create(name, "bob", ring=True)
    await ann.update("one", custom={"touched": True})

    screen = await bob.watch()
    later = await ann.create("four", "bob", ring=True)

    assert (await screen.change()).call == later.call
    names = [change.call.id for change in screen.changes]
    assert names == ["one", "three", "two", "four"]
    assert all(change.kind == ADDED for change in screen.changes)
    assert screen.changes[0].cause == calls.CALL_EVENT_TYPE_CALL_UPDATED, "the call's last event"
    assert screen.changes[1].cause == calls.CALL_EVENT_TYPE_CALL_RING
    assert [bool(message.resume_token) for message in screen.messages] == [False, False, False, True, True], "W4"


async def test_W2_no_gap_and_no_duplicate_while_calls_come_and_go(server: Server, ann: Phone) -> None:
    bob = server.phone("bob")

    async def come_and_go(number: int) -> None:
        name = f"call-{number}"
        await ann.create(name, "bob", ring=True)
        if number % 3 == 0:
            await bob.reject(name)
        elif number % 3 == 1:
            await ann.update(name, custom={"n": number})

    working = asyncio.gather(*(come_and_go(number) for number in range(120)))
    screens: list[Screen] = []
    while not working.done() and len(screens) < 15:
        screens.append(bob.open_watch())
        await asyncio.sleep(0.01)
    await working
    truth = await bob.snapshot()

    assert len(truth) == 80
    for screen in screens:
        await screen.until(lambda one: one.shown == truth)
        present: set[str] = set()
        for change in screen.changes:
            cid = change.call.cid
            assert (change.kind == ADDED) == (cid not in present and change.kind != REMOVED), "ADDED comes once"
            if change.kind == REMOVED:
                present.discard(cid)
            else:
                present.add(cid)


async def test_W9_the_thousand_and_first_call_is_too_many(server: Server, bob: Phone) -> None:
    backend = server.phone("ann", role="service")
    for hundred in range(10):
        await asyncio.gather(*(backend.create(f"call-{hundred}-{number}", "bob", ring=True) for number in range(100)))
    assert len(await bob.snapshot()) == 1000
    await backend.create("one-more", "bob", ring=True)

    screen = bob.open_watch()

    error = await screen.ended()
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert error.metadata["limit"] == "1000"
    assert error.retry
    assert len(await bob.snapshot(cids=["default:one-more"])) == 1


# What matches.


async def test_W1_each_calling_state_has_its_calls(ann: Phone, bob: Phone) -> None:
    await ann.create("ringing", "bob", ring=True)
    await ann.create("joined", "bob", "cid", ring=True)
    await bob.join("joined")
    await ann.create("livestream:left", "bob", ring=True)
    await bob.join("livestream:left")
    await bob.leave("livestream:left")
    await ann.create("idle", "bob")
    await ann.create("over", "bob", ring=True)
    await bob.reject("over")

    async def names(*states: calls.CallingState.ValueType) -> set[str]:
        return {one.call.id for one in (await bob.snapshot(calling_states=states)).values()}

    assert await names() == {"ringing"}
    assert await names(RINGING) == {"ringing"}
    assert await names(JOINED) == {"joined"}
    assert await names(LEFT) == {"left"}
    assert await names(IDLE) == {"idle"}
    assert await names(RINGING, JOINED, LEFT, IDLE) == {"ringing", "joined", "left", "idle"}, "W9: never ENDED ones"


async def test_W1_types_keep_other_calls_and_their_notifications_away(ann: Phone, bob: Phone) -> None:
    screen = await bob.watch(types=["audio_room", "livestream"])

    await ann.create("no", "bob", ring=True, notify=True)
    shown = await ann.create("livestream:yes", "bob", ring=True)
    await ann.get("livestream:yes", notify=True)

    assert (await screen.change()).call == shown.call
    assert {(await screen.next()).WhichOneof("event"), (await screen.next()).WhichOneof("event")} == {
        "notification",
        "change",
    }
    assert set(screen.shown) == {"livestream:yes"}


async def test_W1_named_calls_are_shown_in_any_state(server: Server, ann: Phone, bob: Phone) -> None:
    await ann.create("over", "bob", ring=True)
    await bob.reject("over")
    await ann.create("silent", "bob")
    await server.phone("eve").create("livestream:open")

    screen = await bob.watch(cids=["default:over", "default:silent", "livestream:open"])

    assert set(screen.shown) == {"default:over", "default:silent", "livestream:open"}
    again = await ann.create("over", "bob", ring=True)
    assert (await screen.change()).call == again.call
    joined = await server.phone("dan").join("livestream:open")
    change = await screen.change()
    assert (change.kind, change.call) == (UPDATED, joined.call), "a call of others that bob may read"
    assert change.viewer.calling_state == IDLE
    only_over = await bob.snapshot(cids=["default:over", "default:silent"], calling_states=[RINGING])
    assert set(only_over) == {"default:over"}


async def test_W1_a_new_watch_that_names_a_call_one_may_not_read_is_refused(server: Server, ann: Phone) -> None:
    await ann.create("secret")
    eve = server.phone("eve")

    errors = [
        await eve.open_watch(request=pb.WatchCallsRequest(cids=[cid])).ended()
        for cid in ("default:secret", "default:never-was")
    ]

    assert {(error.code, error.reason) for error in errors} == {(grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")}
    assert len({error.message for error in errors}) == 1, "P2: both answer alike"


async def test_W9_an_end_is_a_removal_but_for_who_named_the_call(ann: Phone, bob: Phone) -> None:
    await ann.create("standup", "bob", ring=True)
    by_state = await bob.watch(calling_states=[RINGING, JOINED, LEFT, IDLE])
    by_name = await bob.watch(cids=["default:standup"])

    ended = await ann.end("standup")

    change = await by_state.change()
    assert (change.kind, change.stop_reason) == (REMOVED, calls.STOP_REASON_ENDED)
    change = await by_name.change()
    assert (change.kind, change.call) == (UPDATED, ended.call)


# Why it stopped.


async def test_W3_the_ringer_is_told_ACCEPTED_and_their_other_device_elsewhere(server: Server, bob: Phone) -> None:
    desk, laptop = server.phone("ann", "desk"), server.phone("ann", "laptop")
    on_desk, on_laptop = await desk.watch(), await laptop.watch()
    await desk.create("standup", "bob", ring=True)

    await bob.join("standup")

    assert (await on_desk.removed("default:standup")).stop_reason == calls.STOP_REASON_ACCEPTED
    assert (await on_laptop.removed("default:standup")).stop_reason == calls.STOP_REASON_ACCEPTED_ELSEWHERE


async def test_W3_an_unclaimed_participation_is_ACCEPTED_on_all_devices(server: Server, ann: Phone) -> None:
    phone, tablet, nameless = (server.phone("bob", device) for device in ("phone", "tablet", ""))
    screens = [await one.watch() for one in (phone, tablet)]
    await ann.create("standup", "bob", ring=True)

    await nameless.join("standup")

    for screen in screens:
        assert (await screen.removed("default:standup")).stop_reason == calls.STOP_REASON_ACCEPTED
    claimed = await tablet.join("standup")
    assert claimed.participant.device_id == "tablet", "A9"
    assert claimed.call.participant_count == 2


async def test_W3_live_and_resumed_streams_agree_why_it_stopped(server: Server, ann: Phone, bob: Phone) -> None:
    tablet = server.phone("bob", "tablet")
    stories: dict[str, Callable[[str], Awaitable[object]]] = {
        "accepted": bob.join,
        "rejected": bob.reject,
        "cancelled": ann.cancel,
        "ended": ann.end,
        "removed": lambda name: ann.remove(name, "bob"),
    }
    for name in stories:
        await ann.create(name, "bob", ring=True)
    live = [await phone.watch() for phone in (ann, bob, tablet)]
    tokens = [screen.token for screen in live]

    for name, story in stories.items():
        await story(name)
    await ann.create("missed", "bob", ring=True)
    for screen in live:
        await screen.until(lambda one: set(one.shown) == {"default:missed"})
    await server.advance(31)
    for screen in live:
        await screen.until(lambda one: not one.shown)

    told_live: dict[str, calls.StopReason.ValueType] = {}
    for phone, screen, token in zip((ann, bob, tablet), live, tokens, strict=True):
        resumed = await phone.watch(resume_token=token)
        assert resumed.messages[-1].snapshot_complete.resumed
        told_live = {one.call.cid: one.stop_reason for one in screen.changes if one.kind == REMOVED}
        told_late = {one.call.cid: one.stop_reason for one in resumed.changes}
        assert {change.kind for change in resumed.changes} == {REMOVED}
        assert told_late == told_live
    assert told_live["default:accepted"] == calls.STOP_REASON_ACCEPTED_ELSEWHERE
    assert told_live["default:rejected"] == calls.STOP_REASON_REJECTED_ELSEWHERE
    assert told_live["default:removed"] == calls.STOP_REASON_ACCESS_LOST
    assert told_live["default:missed"] == calls.STOP_REASON_MISSED


async def test_W8_who_loses_access_is_told_no_more_than_that(server: Server, ann: Phone) -> None:
    bob = server.phone("bob")
    data = pb.CallData()
    data.custom.update({"secret": "tea"})
    await ann.create("standup", "bob", data=data, ring=False)
    await ann.add("standup", "bob", ring=True)
    by_state, by_name = await bob.watch(), await bob.watch(cids=["default:standup"])
    token = by_name.token

    removed = await ann.remove("standup", "bob")

    bare = calls.Call(
        type="default",
        id="standup",
        cid="default:standup",
        uid=removed.call.uid,
        revision=removed.call.revision,
    )
    resumed = await bob.watch(cids=["default:standup"], resume_token=token)
    for change in (await by_state.change(), await by_name.change(), resumed.changes[0]):
        assert (change.kind, change.stop_reason) == (REMOVED, calls.STOP_REASON_ACCESS_LOST)
        assert change.call == bare
        assert not change.HasField("viewer")
    assert by_state.open
    assert by_name.open, "it does not end the stream"
    await ann.update("standup", custom={"secret": "coffee"})
    await ann.add("standup", "bob", ring=True)
    change = await by_state.change()
    assert change.kind == ADDED
    assert change.call.custom["secret"] == "coffee"


async def test_M3_who_removes_themselves_is_answered_with_what_they_may_still_see(ann: Phone, bob: Phone) -> None:
    await ann.create("standup", "bob", ring=True)

    answer = await bob.remove("standup", "bob")

    assert answer.call.cid == "default:standup"
    assert answer.call.revision
    assert not answer.call.members
    assert not answer.HasField("viewer")
    assert (await refused(bob.get("standup"))).code == grpc.StatusCode.PERMISSION_DENIED


async def test_C8_the_team_decides_who_sees_the_call(server: Server) -> None:
    ann = server.phone("ann", teams=["red"])
    inside, outside = server.phone("bob", "in", teams=["red", "blue"]), server.phone("bob", "out", teams=["blue"])
    screen_inside, screen_outside = await inside.watch(), await outside.watch()

    rung = await ann.create("standup", "bob", ring=True, data=pb.CallData(team="red"))
    await ann.create("open", "bob", ring=True)

    assert (await screen_inside.change()).call == rung.call
    assert (await screen_outside.change()).call.id == "open"
    assert (await refused(outside.join("standup"))).code == grpc.StatusCode.PERMISSION_DENIED
    error = await refused(ann.create("other", "bob", data=pb.CallData(team="blue")))
    assert (error.reason, error.fields) == ("INVALID_FIELD", ("data.team",))


# Heartbeats, notifications, bad requests.


async def test_W5_a_heartbeat_comes_at_the_asked_interval_with_time_and_token(server: Server, bob: Phone) -> None:
    asked = pb.WatchCallsRequest()
    asked.heartbeat_interval.FromSeconds(5)
    often = bob.open_watch(request=asked)
    usual = await bob.watch()
    await often.until(lambda one: one.token)

    for beat in range(1, 4):
        await server.advance(5)
        await often.until(partial(has_beaten, beat))
        assert often.messages[-1].server_time.ToMicroseconds() == server.clock.now()
        assert often.messages[-1].resume_token

    await usual.until(partial(has_beaten, 1))


def has_beaten(times: int, screen: Screen) -> bool:
    return sum(message.HasField("heartbeat") for message in screen.messages) == times


async def test_N1_N3_a_notification_comes_whatever_the_filter_and_is_not_replayed(server: Server, ann: Phone) -> None:
    bob = server.phone("bob")
    await ann.create("standup", "bob")
    await ann.create("other", "bob")
    screens = [
        await bob.watch(),
        await bob.watch(calling_states=[JOINED]),
        await bob.watch(directions=[calls.CALL_DIRECTION_OUTGOING]),
        await bob.watch(cids=["default:other"]),
    ]
    other_type = await bob.watch(types=["livestream"])
    token = screens[0].token

    await ann.get("standup", notify=True)

    for screen in screens:
        message = await screen.next()
        assert message.notification.call.id == "standup"
        assert message.notification.viewer.user_id == "bob"
    resumed = await bob.watch(resume_token=token)
    assert not any(message.HasField("notification") for message in resumed.messages)
    await ann.create("livestream:show", "bob", ring=True)
    assert (await other_type.next()).HasField("change")


# The end.


async def test_W7_a_planned_stop_says_so_and_ends_with_OK(server: Server, ann: Phone, bob: Phone) -> None:
    await ann.create("standup", "bob", ring=True)
    screens = [await ann.watch(), await bob.watch()]

    await server.stop()

    for screen in screens:
        assert (await screen.ended()).code == grpc.StatusCode.OK
        assert screen.messages[-1].HasField("going_away")
        assert screen.messages[-1].resume_token
    await server.start()
    resumed = await bob.watch(resume_token=screens[1].token)
    assert resumed.messages[-1].snapshot_complete.resumed
    assert not resumed.changes, "nothing has changed meanwhile"


async def test_a_client_that_leaves_leaves_nothing_behind(server: Server, ann: Phone, bob: Phone) -> None:
    for _ in range(20):
        screen = await bob.watch()
        await screen.cut()
    await server.settled()

    rung = await ann.create("standup", "bob", ring=True)

    assert rung.call.rings[0].targets[0].online_devices == 0
    assert (await server.look()).streams == 0


@pytest.mark.parametrize("online", [0, 1, 3])
async def test_R5_a_ring_tells_how_many_devices_of_the_callee_are_there(
    server: Server, ann: Phone, online: int
) -> None:
    for number in range(online):
        device = server.phone("bob", f"device-{number}")
        await device.watch()
        await device.watch()

    rung = await ann.create("standup", "bob", ring=True)

    assert rung.call.rings[0].targets[0].online_devices == online
