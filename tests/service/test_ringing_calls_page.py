"""The user's page, "Ringing calls", sample by sample and in its order, over real gRPC."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import ADDED, REMOVED, UPDATED, Phone, refused

CALL = "test-outgoing-call"
CID = f"default:{CALL}"


@pytest.fixture
def myself(server: Server) -> Phone:
    return server.phone("myself", "laptop")


@pytest.fixture
def friend(server: Server) -> Phone:
    return server.phone("my friend", "phone")


# Create a call and ring.


async def test_C3_R5_to_ring_my_friend_creates_the_call_and_alerts_both_at_once(myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()

    rung = await myself.create(CALL, "my friend", ring=True)

    assert rung.created
    assert rung.call.cid == CID
    assert rung.call.state == calls.CALL_STATE_RINGING
    assert rung.call.session == 1
    assert [member.user_id for member in rung.call.members] == ["myself", "my friend"]
    assert [(one.user_id, one.state, one.skip_reason) for one in rung.targets] == [
        ("myself", calls.RING_TARGET_STATE_UNSPECIFIED, calls.SKIP_REASON_RINGER),
        ("my friend", calls.RING_TARGET_STATE_RINGING, calls.SKIP_REASON_UNSPECIFIED),
    ]
    (ring,) = rung.call.rings
    assert ring.id == rung.ring_id == rung.viewer.ring_id
    assert ring.ringer_device_id == "laptop"
    assert ring.targets[0].online_devices == 1

    incoming, outgoing = await theirs.change(), await mine.change()
    assert (incoming.kind, incoming.cause) == (ADDED, calls.CALL_EVENT_TYPE_CALL_RING)
    assert (outgoing.kind, outgoing.cause) == (ADDED, calls.CALL_EVENT_TYPE_CALL_RING)
    assert incoming.call == outgoing.call == rung.call
    assert incoming.actor_user_id == "myself"
    assert incoming.viewer.direction == calls.CALL_DIRECTION_INCOMING
    assert incoming.viewer.calling_state == calls.CALLING_STATE_RINGING
    assert incoming.viewer.ringer_id == "myself"
    assert not incoming.viewer.created_by_me
    assert outgoing.viewer == rung.viewer
    assert outgoing.viewer.direction == calls.CALL_DIRECTION_OUTGOING
    assert outgoing.viewer.created_by_me


async def test_R3_both_are_told_the_same_deadline_by_the_servers_clock(
    server: Server, myself: Phone, friend: Phone
) -> None:
    theirs = await friend.watch()
    rung = await myself.create(CALL, "my friend", ring=True)

    message = await theirs.next()

    thirty_seconds_on = server.clock.now() + 30_000_000
    assert message.change.viewer.ring_expires_at.ToMicroseconds() == thirty_seconds_on
    assert rung.viewer.ring_expires_at.ToMicroseconds() == thirty_seconds_on
    assert rung.call.rings[0].expires_at.ToMicroseconds() == thirty_seconds_on
    assert message.server_time.ToMicroseconds() == server.clock.now()


async def test_R5_a_device_that_connects_during_the_ring_is_told_at_once(myself: Phone, friend: Phone) -> None:
    rung = await myself.create(CALL, "my friend", ring=True)

    screen = friend.open_watch()
    first, second = await screen.next(), await screen.next()

    assert first.change.kind == ADDED
    assert first.change.call == rung.call
    assert not first.resume_token, "W4"
    assert not second.snapshot_complete.resumed
    assert second.resume_token


async def test_C4_a_ring_at_creation_must_list_its_creator(myself: Phone) -> None:
    data = pb.CallData(members=[pb.MemberInput(user_id="my friend")])

    error = await refused(myself.create(CALL, data=data, ring=True))

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert error.fields == ("data.members",)
    assert (await refused(myself.get(CALL))).code == grpc.StatusCode.PERMISSION_DENIED, "nothing was created"


async def test_C3_everything_a_call_can_be_created_with_is_told_again(server: Server, myself: Phone) -> None:
    data = pb.CallData(
        members=[pb.MemberInput(user_id="myself"), pb.MemberInput(user_id="my friend", role="host")],
        created_by_id="myself",
    )
    data.custom.update({"color": "blue", "nested": {"list": [1, None, True]}})
    data.members[1].custom.update({"seat": 4})
    data.settings.ring.auto_cancel_timeout.FromSeconds(10)
    data.starts_at.FromMicroseconds(server.clock.now() + 3_600_000_000)

    made = await myself.create(CALL, data=data)

    assert made.created
    assert made.call.custom == data.custom
    assert made.call.members[1].role == "host"
    assert made.call.members[1].custom == data.members[1].custom
    assert made.call.settings.ring.auto_cancel_timeout.seconds == 10
    assert made.call.settings.ring.incoming_call_timeout.seconds == 30
    assert made.call.settings.limits.max_duration.seconds == 24 * 3600
    assert made.call.settings.end_when_empty
    assert made.call.settings.drop_when_alone
    assert made.call.starts_at == data.starts_at
    assert made.call.state == calls.CALL_STATE_IDLE, "C3: ring is false by default"
    assert (await myself.get(CALL)).call == made.call


# Watch for incoming and outgoing calls.


async def test_W1_one_stream_for_incoming_calls_and_one_for_outgoing_ones(server: Server, myself: Phone) -> None:
    friend = server.phone("my friend")
    incoming = await friend.watch(directions=[calls.CALL_DIRECTION_INCOMING])
    outgoing = await friend.watch(directions=[calls.CALL_DIRECTION_OUTGOING])
    both = await friend.watch()

    called = await myself.create("to-friend", "my friend", ring=True)
    calling = await friend.create("from-friend", "myself", ring=True)
    await both.shows(called.call)
    await both.shows(calling.call)
    await incoming.shows(called.call)
    await outgoing.shows(calling.call)

    assert set(incoming.shown) == {"default:to-friend"}
    assert set(outgoing.shown) == {"default:from-friend"}
    assert set(both.shown) == {"default:to-friend", "default:from-friend"}
    assert set(await friend.snapshot(directions=[calls.CALL_DIRECTION_INCOMING])) == {"default:to-friend"}
    assert set(await friend.snapshot(directions=[calls.CALL_DIRECTION_OUTGOING])) == {"default:from-friend"}


async def test_W1_the_same_filters_work_in_a_list(myself: Phone, friend: Phone) -> None:
    await myself.create("to-friend", "my friend", ring=True)
    await friend.create("from-friend", "myself", ring=True)
    await friend.create("silent", "myself")

    incoming = await friend.list(directions=[calls.CALL_DIRECTION_INCOMING])
    outgoing = await friend.list(directions=[calls.CALL_DIRECTION_OUTGOING])
    ringing = await friend.list(calling_states=[calls.CALLING_STATE_RINGING])
    everything = await friend.list()

    assert [item.call.id for item in incoming.items] == ["to-friend"]
    assert [item.call.id for item in outgoing.items] == ["from-friend"]
    assert {item.call.id for item in ringing.items} == {"to-friend", "from-friend"}
    assert {item.call.id for item in everything.items} == {"to-friend", "from-friend", "silent"}
    assert incoming.items[0].viewer.direction == calls.CALL_DIRECTION_INCOMING


# Accept.


async def test_A1_A2_the_first_accept_joins_the_caller(myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()
    rung = await myself.create(CALL, "my friend", ring=True)

    joined = await friend.join(CALL, ring_id=rung.ring_id)

    assert joined.participant.user_id == "my friend"
    assert joined.participant.device_id == "phone"
    assert joined.call.state == calls.CALL_STATE_ACTIVE
    assert [(one.user_id, one.device_id) for one in joined.call.participants] == [
        ("my friend", "phone"),
        ("myself", "laptop"),
    ]
    assert joined.call.rings[0].state == calls.RING_STATE_ACCEPTED
    assert joined.call.rings[0].accepted_by_id == "my friend"
    assert joined.call.HasField("started_at")
    for screen, phone in ((mine, myself), (theirs, friend)):
        change = await screen.removed(CID)
        assert change.cause == calls.CALL_EVENT_TYPE_CALL_ACCEPTED
        assert change.stop_reason == calls.STOP_REASON_ACCEPTED
        assert change.actor_user_id == "my friend"
        assert change.call == joined.call
        assert change.viewer.user_id == phone.user
        assert change.viewer.calling_state == calls.CALLING_STATE_JOINED
        assert not change.viewer.HasField("ring_expires_at")


async def test_A2_who_watches_joined_calls_too_sees_the_accept_as_an_update(myself: Phone, friend: Phone) -> None:
    screen = await myself.watch(calling_states=[calls.CALLING_STATE_RINGING, calls.CALLING_STATE_JOINED])
    await myself.create(CALL, "my friend", ring=True)
    assert (await screen.change()).kind == ADDED

    await friend.join(CALL)

    change = await screen.change()
    assert (change.kind, change.stop_reason) == (UPDATED, calls.STOP_REASON_UNSPECIFIED)
    assert change.viewer.calling_state == calls.CALLING_STATE_JOINED


async def test_A3_the_other_callees_go_on_ringing_after_the_first_accept(server: Server, myself: Phone) -> None:
    bob, cid = server.phone("bob"), server.phone("cid")
    waiting = await cid.watch()
    await myself.create(CALL, "bob", "cid", ring=True)

    joined = await bob.join(CALL)

    shown = await waiting.shows(joined.call)
    assert shown.viewer.calling_state == calls.CALLING_STATE_RINGING
    assert {one.user_id for one in joined.call.participants} == {"myself", "bob"}
    late = await cid.join(CALL)
    assert late.call.participant_count == 3
    assert late.call.rings[0].accepted_by_id == "bob"


async def test_A4_my_friends_other_device_sees_answered_elsewhere(server: Server, myself: Phone, friend: Phone) -> None:
    tablet, nameless = server.phone("my friend", "tablet"), server.phone("my friend")
    on_tablet, on_nameless = await tablet.watch(), await nameless.watch()
    rung = await myself.create(CALL, "my friend", ring=True)

    await friend.join(CALL, ring_id=rung.ring_id)

    assert (await on_tablet.removed(CID)).stop_reason == calls.STOP_REASON_ACCEPTED_ELSEWHERE
    assert (await on_nameless.removed(CID)).stop_reason == calls.STOP_REASON_ACCEPTED
    error = await refused(tablet.join(CALL, ring_id=rung.ring_id))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOINED_ELSEWHERE")
    assert error.metadata["device_id"] == "phone"
    moved = await tablet.join(CALL, mode=calls.JOIN_MODE_MOVE_DEVICE)
    assert [one.device_id for one in moved.call.participants if one.user_id == "my friend"] == ["tablet"]


# Reject.


async def test_J1_J2_the_call_stops_when_its_only_callee_declines(myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()
    rung = await myself.create(CALL, "my friend", ring=True)

    declined = await friend.reject(CALL, ring_id=rung.ring_id, reason="decline")

    assert declined.call.state == calls.CALL_STATE_ENDED
    assert declined.call.end_reason == calls.END_REASON_ALL_REJECTED
    assert declined.call.rings[0].state == calls.RING_STATE_REJECTED
    assert declined.call.rings[0].targets[0].reason == "decline"
    assert not declined.call.rings[0].targets[0].missed, "T8"
    for screen in (mine, theirs):
        change = await screen.removed(CID)
        assert change.cause == calls.CALL_EVENT_TYPE_CALL_REJECTED
        assert change.stop_reason == calls.STOP_REASON_REJECTED
        assert change.reason == "decline"
        assert change.call == declined.call


async def test_J1_decline_is_the_reason_unless_one_is_given(myself: Phone, friend: Phone) -> None:
    await myself.create(CALL, "my friend", ring=True)

    declined = await friend.reject(CALL)

    assert declined.call.rings[0].targets[0].reason == "decline"


async def test_J2_J3_the_call_stops_only_when_every_callee_has_refused(server: Server, myself: Phone) -> None:
    bob, cid = server.phone("bob"), server.phone("cid")
    mine, cids = await myself.watch(), await cid.watch()
    await myself.create(CALL, "bob", "cid", ring=True)

    first = await bob.reject(CALL, reason="busy")

    assert first.call.state == calls.CALL_STATE_RINGING
    assert (await cids.shows(first.call)).viewer.target_state == calls.RING_TARGET_STATE_RINGING
    assert (await mine.shows(first.call)).viewer.calling_state == calls.CALLING_STATE_RINGING

    second = await cid.reject(CALL, reason="busy")

    assert second.call.state == calls.CALL_STATE_ENDED
    assert second.call.end_reason == calls.END_REASON_BUSY
    assert (await mine.removed(CID)).stop_reason == calls.STOP_REASON_REJECTED
    assert [item.call.cid for item in (await bob.list(missed=True)).items] == [CID], "T8: busy leaves a missed call"


async def test_J1_my_friends_other_device_sees_declined_elsewhere(server: Server, myself: Phone, friend: Phone) -> None:
    on_tablet = await server.phone("my friend", "tablet").watch()
    await myself.create(CALL, "my friend", ring=True)

    await friend.reject(CALL)

    assert (await on_tablet.removed(CID)).stop_reason == calls.STOP_REASON_REJECTED_ELSEWHERE


async def test_T1_the_call_stops_by_itself_when_nobody_answers(server: Server, myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()
    await myself.create(CALL, "my friend", ring=True)
    await theirs.change()

    await server.advance(30)

    for screen in (mine, theirs):
        change = await screen.removed(CID)
        assert change.stop_reason == calls.STOP_REASON_MISSED
        assert change.cause == calls.CALL_EVENT_TYPE_CALL_MISSED
        assert change.actor_user_id == ""
        assert change.call.end_reason == calls.END_REASON_NO_ANSWER
    (item,) = (await friend.list(missed=True)).items
    assert item.call.rings[0].targets[0].missed
    assert not (await myself.list(missed=True)).items


# Cancel.


async def test_K1_cancel_before_the_first_accept_stops_every_phone(myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()
    rung = await myself.create(CALL, "my friend", ring=True)

    cancelled = await myself.cancel(CALL, ring_id=rung.ring_id)

    assert cancelled.call.state == calls.CALL_STATE_ENDED
    assert cancelled.call.end_reason == calls.END_REASON_CANCELLED
    assert cancelled.call.rings[0].state == calls.RING_STATE_CANCELLED
    assert cancelled.call.rings[0].reason == "cancel"
    assert cancelled.call.rings[0].targets[0].missed, "T8"
    for screen in (mine, theirs):
        change = await screen.removed(CID)
        assert change.cause == calls.CALL_EVENT_TYPE_CALL_CANCELLED
        assert change.stop_reason == calls.STOP_REASON_CANCELLED
        assert change.call == cancelled.call
    error = await refused(friend.join(CALL, ring_id=rung.ring_id))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RING_OVER")
    assert error.metadata["target_state"] == "CANCELLED"
    assert error.metadata["call_state"] == "ENDED"
    assert error.metadata["end_reason"] == "CANCELLED"
    late = await refused(friend.join(CALL))
    assert late.reason == "CALL_ENDED", "A8"
    assert late.metadata["end_reason"] == "CANCELLED"
    assert late.metadata["ended_at"].endswith("Z"), "X4: RFC 3339"


async def test_K2_cancel_after_the_first_accept_is_refused_and_says_who_accepted(myself: Phone, friend: Phone) -> None:
    rung = await myself.create(CALL, "my friend", ring=True)
    joined = await friend.join(CALL, ring_id=rung.ring_id)

    error = await refused(myself.cancel(CALL))

    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_ACCEPTED")
    assert error.metadata["accepted_by"] == "my friend"
    assert error.metadata["ring_id"] == rung.ring_id
    assert error.metadata["state"] == "ACTIVE"
    assert (await friend.get(CALL)).call == joined.call, "nothing changed"


async def test_K4_somebody_who_never_rang_cannot_cancel(myself: Phone, friend: Phone) -> None:
    await myself.create(CALL, "my friend", ring=True)

    error = await refused(friend.cancel(CALL))

    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")


# Several calls at once.


async def test_A7_two_calls_can_be_joined_at_once(server: Server, myself: Phone, friend: Phone) -> None:
    joined = await friend.watch(calling_states=[calls.CALLING_STATE_JOINED])
    await myself.create("first", "my friend", ring=True)
    await server.phone("boss").create("second", "my friend", ring=True)

    first = await friend.join("first")
    second = await friend.join("second")

    await joined.shows(first.call)
    await joined.shows(second.call)
    assert set(joined.shown) == {"default:first", "default:second"}
    assert (await friend.get("first")).viewer.calling_state == calls.CALLING_STATE_JOINED
    assert (await friend.get("second")).viewer.calling_state == calls.CALLING_STATE_JOINED


async def test_R9_two_who_ring_each_other_on_two_calls_have_two_calls(myself: Phone, friend: Phone) -> None:
    await asyncio.gather(
        myself.create("to-friend", "my friend", ring=True), friend.create("to-myself", "myself", ring=True)
    )

    shown = await myself.snapshot()

    assert shown["default:to-friend"].viewer.direction == calls.CALL_DIRECTION_OUTGOING
    assert shown["default:to-myself"].viewer.direction == calls.CALL_DIRECTION_INCOMING


# Leave.


async def test_L5_when_one_of_two_leaves_the_other_is_put_out_and_the_call_is_over(
    myself: Phone, friend: Phone
) -> None:
    talking = await friend.watch(calling_states=[calls.CALLING_STATE_JOINED])
    await myself.create(CALL, "my friend", ring=True)
    await friend.join(CALL)

    left = await myself.leave(CALL)

    assert left.call.state == calls.CALL_STATE_ENDED
    assert left.call.end_reason == calls.END_REASON_LEFT_ALONE
    assert left.call.participant_count == 0
    assert left.viewer.calling_state == calls.CALLING_STATE_LEFT
    change = await talking.removed(CID)
    assert change.stop_reason == calls.STOP_REASON_ENDED, "put out"
    assert change.cause == calls.CALL_EVENT_TYPE_PARTICIPANT_LEFT


async def test_L1_leaving_stops_nobody_else(server: Server, myself: Phone) -> None:
    bob, cid, dan = (server.phone(user) for user in ("bob", "cid", "dan"))
    ringing = await dan.watch()
    mine = await myself.watch(calling_states=[calls.CALLING_STATE_JOINED])
    await myself.create(CALL, "bob", "cid", "dan", ring=True)
    await bob.join(CALL)
    await cid.join(CALL)

    left = await myself.leave(CALL)

    assert left.call.state == calls.CALL_STATE_ACTIVE
    assert {one.user_id for one in left.call.participants} == {"bob", "cid"}
    assert (await ringing.shows(left.call)).viewer.calling_state == calls.CALLING_STATE_RINGING
    assert (await mine.removed(CID)).stop_reason == calls.STOP_REASON_LEFT
    assert (await myself.leave(CALL)).call == left.call, "L4: leaving again changes nothing"
    assert (await myself.join(CALL)).call.participant_count == 3, "A6: a leave bars no join"


async def test_L2_a_ringer_who_leaves_while_it_rings_cancels(myself: Phone, friend: Phone) -> None:
    theirs = await friend.watch()
    await myself.create(CALL, "my friend", ring=True)

    left = await myself.leave(CALL)

    assert left.call.end_reason == calls.END_REASON_CANCELLED
    change = await theirs.removed(CID)
    assert change.stop_reason == calls.STOP_REASON_CANCELLED
    assert change.cause == calls.CALL_EVENT_TYPE_CALL_CANCELLED, "X2"


# End.


async def test_E1_the_creator_ends_the_call_for_everyone(myself: Phone, friend: Phone) -> None:
    mine = await myself.watch(calling_states=[calls.CALLING_STATE_JOINED])
    theirs = await friend.watch(calling_states=[calls.CALLING_STATE_JOINED])
    await myself.create(CALL, "my friend", ring=True)
    await friend.join(CALL)

    ended = await myself.end(CALL, reason="closing time")

    assert ended.call.state == calls.CALL_STATE_ENDED
    assert ended.call.end_reason == calls.END_REASON_ENDED_BY_USER
    assert ended.call.ended_by_id == "myself"
    assert ended.call.participant_count == 0
    for screen in (mine, theirs):
        change = await screen.removed(CID)
        assert change.stop_reason == calls.STOP_REASON_ENDED
        assert change.cause == calls.CALL_EVENT_TYPE_CALL_ENDED
        assert change.actor_user_id == "myself"
        assert change.reason == "closing time"
    assert (await myself.end(CALL)).call == ended.call, "ending it again changes nothing"
    for attempt in (myself.ring(CALL), myself.create(CALL, "my friend", ring=True), myself.join(CALL)):
        error = await refused(attempt)
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CALL_ENDED")
        assert error.metadata["end_reason"] == "ENDED_BY_USER"


async def test_E1_ending_needs_the_permission(server: Server, myself: Phone, friend: Phone) -> None:
    await myself.create(CALL, "my friend", ring=True)
    joined = await friend.join(CALL)

    error = await refused(friend.end(CALL))

    assert (error.code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
    assert error.metadata["capability"] == "END_CALL"
    assert calls.CAPABILITY_END_CALL not in joined.viewer.capabilities
    assert calls.CAPABILITY_END_CALL in (await myself.get(CALL)).viewer.capabilities
    assert (await friend.get(CALL)).call.state == calls.CALL_STATE_ACTIVE
    admin = server.phone("warden", role="admin")
    assert (await admin.end(CALL)).call.state == calls.CALL_STATE_ENDED, "P1: an admin need not be a member"


# Notify.


async def test_N1_notify_on_create_tells_without_ringing(server: Server, myself: Phone, friend: Phone) -> None:
    mine, theirs = await myself.watch(), await friend.watch()

    made = await myself.create(CALL, "my friend", notify=True, video=True)

    assert made.call.state == calls.CALL_STATE_IDLE
    assert not made.ring_id
    assert made.call.last_notified_by_id == "myself"
    assert made.call.last_notified_at.ToMicroseconds() == server.clock.now()
    message = await theirs.next()
    assert message.notification.call.cid == CID
    assert message.notification.actor_user_id == "myself"
    assert message.notification.video
    assert message.notification.viewer.user_id == "my friend"
    assert message.resume_token
    assert not theirs.shown
    await myself.create("another", "my friend", ring=True)
    assert (await mine.next()).change.call.id == "another", "who notifies is not told"


async def test_N1_notify_on_get_tells_every_time_it_is_asked(myself: Phone, friend: Phone) -> None:
    await myself.create(CALL, "my friend")
    theirs = await friend.watch()

    for _ in range(2):
        await myself.get(CALL, notify=True)
        assert (await theirs.next()).notification.call.cid == CID


async def test_N2_a_plain_get_has_no_effect(myself: Phone, friend: Phone) -> None:
    made = await myself.create(CALL, "my friend")

    assert (await friend.get(CALL)).call == made.call
    assert (await friend.get(CALL)).viewer.calling_state == calls.CALLING_STATE_IDLE


# Ring a call that exists.


async def test_N2_get_with_ring_rings_a_call_that_exists(myself: Phone, friend: Phone) -> None:
    theirs = await friend.watch()
    await myself.create(CALL, "my friend")

    rung = await myself.get(CALL, ring=True)

    assert rung.call.state == calls.CALL_STATE_RINGING
    assert (await theirs.change()).viewer.ring_id == rung.ring_id


async def test_C2_get_or_create_with_ring_rings_a_call_that_exists(server: Server, myself: Phone) -> None:
    bob, cid = server.phone("bob"), server.phone("cid")
    await myself.create(CALL, "bob", "cid")
    data = pb.CallData(members=[pb.MemberInput(user_id="bob")])
    data.custom.update({"ignored": True})

    rung = await myself.create(CALL, data=data, ring=True)

    assert not rung.created
    assert not rung.call.HasField("custom"), "C2: data changes nothing"
    assert [one.user_id for one in rung.targets] == ["bob"]
    assert (await bob.get(CALL)).viewer.calling_state == calls.CALLING_STATE_RINGING
    assert (await cid.get(CALL)).viewer.calling_state == calls.CALLING_STATE_IDLE


async def test_R6_a_member_is_rung_into_a_running_call(server: Server, myself: Phone, friend: Phone) -> None:
    bob = server.phone("bob")
    await myself.create(CALL, "my friend", "bob")
    await myself.ring(CALL, "my friend")
    await friend.join(CALL)

    rung = await friend.ring(CALL, "bob")

    assert rung.call.state == calls.CALL_STATE_ACTIVE
    viewer = (await bob.get(CALL)).viewer
    assert (viewer.direction, viewer.ringer_id) == (calls.CALL_DIRECTION_INCOMING, "my friend")
    assert (await bob.join(CALL, ring_id=rung.ring_id)).call.participant_count == 3


async def test_R1_ringing_somebody_who_is_no_member_is_refused_by_name(myself: Phone) -> None:
    await myself.create(CALL, "my friend")

    error = await refused(myself.ring(CALL, "my friend", "stranger"))

    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NOT_A_MEMBER")
    assert error.fields == ("user_ids[1]",)
    assert error.metadata["user_id"] == "stranger"


async def test_M1_members_are_added_and_rung_in_one_step(server: Server, myself: Phone) -> None:
    bob = server.phone("bob")
    screen = await bob.watch()
    await myself.create(CALL, "my friend")

    added = await myself.add(CALL, "bob", ring=True)

    assert [one.user_id for one in added.targets] == ["bob"]
    change = await screen.change()
    assert (change.kind, change.cause) == (ADDED, calls.CALL_EVENT_TYPE_CALL_RING)
    assert change.call.revision == added.call.revision


# The same sample, as often as one likes.


async def test_C10_the_same_sample_runs_again_after_a_refusal_in_the_next_session(myself: Phone, friend: Phone) -> None:
    theirs = await friend.watch()
    first = await myself.create(CALL, "my friend", ring=True)
    await friend.reject(CALL)

    second = await myself.create(CALL, "my friend", ring=True)

    assert first.created
    assert not second.created
    assert second.call.uid == first.call.uid
    assert (first.call.session, second.call.session) == (1, 2)
    assert second.ring_id != first.ring_id
    assert second.call.state == calls.CALL_STATE_RINGING
    assert second.call.end_reason == calls.END_REASON_UNSPECIFIED
    assert not second.call.HasField("ended_at")
    await theirs.shows(second.call)
    assert theirs.shown[CID].viewer.ring_id == second.ring_id
    late = await refused(friend.join(CALL, ring_id=first.ring_id))
    assert late.reason == "RING_OVER", "X6: a late tap never answers another ring"
    assert (await friend.join(CALL, ring_id=second.ring_id)).call.state == calls.CALL_STATE_ACTIVE


async def test_R2_the_same_sample_twice_while_it_rings_is_one_ring(myself: Phone, friend: Phone) -> None:
    first = await myself.create(CALL, "my friend", ring=True)

    second = await myself.create(CALL, "my friend", ring=True)

    assert second.ring_id == first.ring_id
    assert second.call == first.call
    assert [(one.user_id, one.skip_reason) for one in second.targets] == [
        ("myself", calls.SKIP_REASON_RINGER),
        ("my friend", calls.SKIP_REASON_RINGING),
    ]
    assert len((await friend.snapshot())[CID].call.rings) == 1


async def test_R8_two_who_press_call_at_once_on_one_call_are_connected(myself: Phone, friend: Phone) -> None:
    first = await myself.create(CALL, "my friend", ring=True)

    second = await friend.create(CALL, "myself", ring=True)

    assert not second.created
    assert second.ring_id == first.ring_id
    assert second.call.state == calls.CALL_STATE_ACTIVE
    assert {one.user_id for one in second.call.participants} == {"myself", "my friend"}


async def test_the_story_of_a_call_is_kept_in_its_order(myself: Phone, friend: Phone) -> None:
    await myself.create(CALL, "my friend", ring=True)
    await friend.join(CALL)
    await friend.leave(CALL)

    events = await myself.call_events(CALL)

    names = [calls.CallEventType.Name(event.type).removeprefix("CALL_EVENT_TYPE_") for event in events]
    assert names == [
        "CALL_CREATED",
        "CALL_RING",
        "CALL_ACCEPTED",
        "PARTICIPANT_JOINED",
        "PARTICIPANT_LEFT",
        "PARTICIPANT_LEFT",
        "CALL_ENDED",
    ]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.revision for event in events] == [1, 1, 2, 2, 3, 3, 3]


async def test_X2_REMOVED_tells_the_call_as_the_answer_did(myself: Phone, friend: Phone) -> None:
    theirs = await friend.watch()
    await myself.create(CALL, "my friend", ring=True)
    cancelled = await myself.cancel(CALL, reason="wrong number")

    change = await theirs.removed(CID)

    assert change.kind == REMOVED
    assert change.reason == "wrong number"
    assert change.call == cancelled.call
