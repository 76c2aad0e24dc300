"""The verbs and what a call shows, against a real server."""

from __future__ import annotations

import datetime as dt

import grpc
import pytest

from ringline import (
    AlreadyAccepted,
    CallDirection,
    CallEventType,
    CallingState,
    CallState,
    Capability,
    Client,
    EndReason,
    JoinedElsewhere,
    JoinMode,
    Member,
    NotAMember,
    RevisionMismatch,
    RingOver,
    RingState,
    RingTargetState,
    Settings,
    SkipReason,
)
from ringline._clock import ServerTime
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.client.conftest import Connect
from tests.client.scripted import ClientClock, Refusal, ScriptedServer, a_call
from tests.service.host import Server

BOTH = ["myself", "my friend"]


# What it shows.


async def test_a_call_shows_what_it_is_to_each_side(connect: Connect) -> None:
    outgoing = connect("myself", "laptop").call("default", "lunch")
    assert (outgoing.state, outgoing.calling_state, outgoing.revision) == (
        CallState.UNSPECIFIED,
        CallingState.UNSPECIFIED,
        0,
    )
    rung = await outgoing.get_or_create(ring=True, video=True, members=BOTH, custom={"topic": "soup", "n": 2})
    incoming = connect("my friend", "phone").call("default", "lunch")
    await incoming.get()

    assert rung.created
    assert rung.ring_id == outgoing.ring_id == incoming.ring_id
    assert [(target.user_id, target.state, target.skip_reason) for target in rung.targets] == [
        ("myself", RingTargetState.UNSPECIFIED, SkipReason.RINGER),
        ("my friend", RingTargetState.RINGING, SkipReason.UNSPECIFIED),
    ]
    for call in (outgoing, incoming):
        assert (call.cid, call.state, call.calling_state) == ("default:lunch", CallState.RINGING, CallingState.RINGING)
        assert (call.ringer_id, call.is_video, call.session) == ("myself", True, 1)
        assert call.custom == {"topic": "soup", "n": 2}
        assert [(member.user_id, member.role) for member in call.members] == [
            ("myself", "host"),
            ("my friend", "call_member"),
        ]
        (ring,) = call.rings
        assert (ring.id, ring.state, ring.targets[0].user_id) == (rung.ring_id, RingState.RINGING, "my friend")
    assert (outgoing.direction, outgoing.is_created_by_me) == (CallDirection.OUTGOING, True)
    assert (incoming.direction, incoming.is_created_by_me) == (CallDirection.INCOMING, False)
    assert (outgoing.target_state, incoming.target_state) == (RingTargetState.UNSPECIFIED, RingTargetState.RINGING)
    assert Capability.END_CALL in outgoing.capabilities - incoming.capabilities
    assert "default:lunch" in repr(outgoing)


async def test_all_options_of_a_creation_arrive(connect: Connect) -> None:
    call = connect("ann", metadata={"x-teams": "red"}).call("default", "planned")
    starts_at = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    settings = Settings(auto_cancel_timeout=45, max_duration=3600, drop_when_alone=False)
    await call.get_or_create(
        members=[Member("bob", "host", {"seat": 1}), "cid"], settings=settings, starts_at=starts_at, team="red"
    )
    assert (call.starts_at, call.team, call.created_by_id) == (starts_at, "red", "ann")
    assert {(one.user_id, one.role) for one in call.members} == {
        ("ann", "host"),
        ("bob", "host"),
        ("cid", "call_member"),
    }
    assert next(one.custom for one in call.members if one.user_id == "bob") == {"seat": 1}
    assert call.settings == Settings(
        auto_cancel_timeout=45,
        incoming_call_timeout=30,
        max_duration=3600,
        participant_timeout=None,
        end_when_empty=True,
        drop_when_alone=False,
    )


async def test_a_time_without_a_zone_is_refused(connect: Connect) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await connect("ann").call("default", "x").get_or_create(starts_at=dt.datetime(2030, 1, 1))  # noqa: DTZ001


async def test_C9_users_and_devices_have_names_in_any_alphabet(connect: Connect) -> None:
    ring = connect("Анна", "teléfono").call("default", "обед 🍲")
    await ring.get_or_create(ring=True, members=["Анна", "李雷"])
    answer = connect("李雷", "手机").call("default", "обед 🍲")
    assert (await answer.join()).device_id == "手机"
    assert [(one.user_id, one.device_id) for one in answer.participants] == [("李雷", "手机"), ("Анна", "teléfono")]


async def test_older_answers_change_nothing(scripted: ScriptedServer) -> None:
    async with Client(scripted.address, user="ann") as client:
        call = client.call("default", "standup")
        for revision, uid in ((5, "one"), (4, "one"), (1, "two")):
            scripted.outcomes.append(pb.GetCallResponse(call=a_call(revision=revision, uid=uid)))
        shown = []
        for _ in range(3):
            await call.get()
            shown.append((call.uid, call.revision))
    assert shown == [("one", 5), ("one", 5), ("two", 1)]


# The seconds left.


async def test_R3_the_seconds_count_down_by_the_servers_time(connect: Connect, server: Server) -> None:
    clock = ClientClock()
    client = connect("myself", clock=clock)
    call = client.call("default", "lunch")
    await call.get_or_create(ring=True, members=BOTH)
    assert call.seconds_left == pytest.approx(30)
    await clock.advance(12)
    assert call.seconds_left == pytest.approx(18)
    await clock.advance(20)
    assert call.seconds_left == 0

    friend = connect("my friend", clock=clock)
    await server.advance(10)
    async for shown in friend.watch_calls():
        assert [one.seconds_left for one in shown] == [pytest.approx(20)]
        break
    await call.cancel()
    assert call.seconds_left is None


async def test_R3_who_does_not_watch_knows_the_seconds_of_their_own_new_ring_only(
    connect: Connect, server: Server
) -> None:
    await connect("myself").call("default", "lunch").get_or_create(ring=True, members=BOTH)
    await server.advance(20)
    for user, ring in (("my friend", False), ("myself", False), ("myself", True)):
        call = connect(user).call("default", "lunch")
        await call.get(ring=ring)
        assert call.calling_state is CallingState.RINGING
        assert call.seconds_left is None


async def test_the_last_word_on_the_servers_time_is_the_streams() -> None:
    clock = ClientClock()
    time = ServerTime(clock)
    time.is_past(50)
    assert time.until(100) is None, "nobody knows how long ago that was"
    time.guess(50)
    time.guess(70)
    time.is_past(40)
    assert time.until(100) == pytest.approx(50)
    time.is_past(60)
    assert time.until(100) == pytest.approx(40)
    time.told(90)
    time.is_past(80)
    assert time.until(100) == pytest.approx(10)
    time.told(70)  # another server, or a clock that was set
    assert time.until(100) == pytest.approx(30)


# The verbs.


async def test_the_verbs_do_what_they_are_called(connect: Connect) -> None:
    mine, theirs = (connect(user).call("default", "lunch") for user in BOTH)
    await mine.get_or_create(ring=True, members=BOTH)
    assert (await theirs.join()).user_id == "my friend"
    assert (theirs.state, theirs.calling_state) == (CallState.ACTIVE, CallingState.JOINED)
    await theirs.leave()
    assert (theirs.state, theirs.end_reason) == (CallState.ENDED, EndReason.LEFT_ALONE)

    await mine.ring("my friend")
    assert mine.session == 2
    await theirs.get()
    await theirs.reject("busy")
    assert theirs.end_reason == EndReason.BUSY

    await mine.get(ring=True)
    await mine.cancel()
    assert mine.end_reason == EndReason.CANCELLED

    await mine.get(notify=True)
    assert mine.message.last_notified_by_id == "myself"
    await mine.end_call("lunch is over")
    assert (mine.end_reason, mine.message.ended_by_id) == (EndReason.ENDED_BY_USER, "myself")
    events = [event async for event in theirs.events()]
    assert (events[0].type, events[0].actor_user_id) == (CallEventType.CALL_CREATED, "myself")
    assert (events[-1].type, events[-1].reason) == (CallEventType.CALL_ENDED, "lunch is over")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_update_changes_what_is_given_and_clears_what_is_named(connect: Connect) -> None:
    call = connect("ann").call("default", "planned")
    await call.get_or_create(custom={"a": 1}, settings=Settings(auto_cancel_timeout=45))
    first = call.revision
    await call.update(custom={"b": 2})
    assert (call.custom, call.settings.auto_cancel_timeout) == ({"b": 2}, 45)
    await call.update(update_mask=["settings", "custom"])
    assert (call.custom, call.settings.auto_cancel_timeout) == ({}, 30)
    with pytest.raises(RevisionMismatch) as caught:
        await call.update(custom={}, expected_revision=first)
    assert caught.value.revision == call.revision


async def test_members_are_added_rung_and_removed(connect: Connect) -> None:
    call = connect("ann").call("default", "team")
    await call.get_or_create(members="bob")
    rung = await call.update_members(["bob", Member("cid", custom={"x": True})], ring=True)
    assert [(one.user_id, one.state) for one in rung.targets] == [
        ("bob", RingTargetState.RINGING),
        ("cid", RingTargetState.RINGING),
    ]
    await call.update_members(remove="cid")
    assert [one.user_id for one in call.members] == ["ann", "bob"]


async def test_a_user_alone_is_not_taken_for_its_letters(connect: Connect) -> None:
    call = connect("ann").call("default", "team")
    await call.get_or_create(members="bob")
    with pytest.raises(NotAMember) as caught:
        await call.ring("carl")
    assert caught.value.user_id == "carl"


async def test_calls_are_listed_page_after_page(connect: Connect, server: Server) -> None:
    client = connect("ann")
    for number in range(5):
        await server.advance(1)
        await client.call("default", f"c{number}").get_or_create(ring=number == 2, members=["ann", "bob"])
    assert [call.id async for call in client.list_calls(page_size=2)] == ["c4", "c3", "c2", "c1", "c0"]
    ringing = [call async for call in client.list_calls(calling_states=[CallingState.RINGING])]
    assert [(call.id, call.direction) for call in ringing] == [("c2", CallDirection.OUTGOING)]


# X6: a late tap.


async def test_X6_a_late_tap_answers_the_ring_that_it_was_shown_and_no_other(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    friend = connect("my friend")
    late = friend.call("default", "lunch")
    await late.get()
    await mine.cancel()
    await mine.ring()
    now = friend.call("default", "lunch")

    with pytest.raises(RingOver) as caught:
        await late.join()
    assert caught.value.target_state == "CANCELLED"
    await now.get()
    assert now.calling_state == CallingState.RINGING


async def test_X6_a_late_reject_or_cancel_leaves_another_ring_alone(connect: Connect) -> None:
    me, friend = connect("myself"), connect("my friend")
    mine, late_reject, late_cancel = (one.call("default", "lunch") for one in (me, friend, me))
    await mine.get_or_create(ring=True, members=BOTH)
    await late_reject.get()
    await late_cancel.get()
    await mine.cancel()
    await mine.ring()
    for tap in (late_reject.reject, late_cancel.cancel):
        await tap()
        await mine.get()
        assert mine.state == CallState.RINGING


@pytest.mark.parametrize("verb", ["join", "reject", "cancel"])
async def test_X6_a_handle_that_shows_no_ring_asks_what_rings_and_names_it(
    verb: str, scripted: ScriptedServer, client: Client
) -> None:
    viewer = calls.ViewerState(user_id="ann", calling_state=calls.CALLING_STATE_RINGING, ring_id="r1")
    scripted.outcomes.append(pb.GetCallResponse(call=a_call(), viewer=viewer))
    call = client.call("default", "standup")
    await getattr(call, verb)()
    names = ["GetCall", f"{verb.capitalize()}Call"]
    assert [name for name, _ in scripted.requests] == names
    assert scripted.requests[1][1].ring_id == "r1"

    scripted.outcomes.append(pb.GetCallResponse(call=a_call(), viewer=viewer))
    await call.get()
    await getattr(call, verb)()
    assert [name for name, _ in scripted.requests] == names * 2, "what is shown is meant"


async def test_a_ring_given_by_hand_wins_over_the_one_shown(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    first = (await mine.get_or_create(ring=True, members=BOTH)).ring_id
    await mine.cancel()
    await mine.ring()
    theirs = connect("my friend").call("default", "lunch")
    await theirs.get()
    with pytest.raises(RingOver):
        await theirs.join(ring_id=first)
    await theirs.reject(ring_id=first)
    assert theirs.state == CallState.RINGING


async def test_A6_a_missed_call_can_be_joined_though_its_ring_is_over(connect: Connect) -> None:
    mine, theirs, third = (connect(user).call("default", "team") for user in ("ann", "bob", "cid"))
    await mine.get_or_create(ring=True, members=["ann", "bob", "cid"])
    await theirs.reject()
    await third.join()
    await theirs.get()
    before = theirs.calling_state
    await theirs.join()
    assert (before, theirs.calling_state) == (CallingState.LEFT, CallingState.JOINED)


async def test_K1_cancel_takes_back_all_rings_that_are_shown(connect: Connect) -> None:
    mine = connect("ann").call("audio_room", "team")
    await mine.get_or_create(members=["bob", "cid"])
    await mine.ring("bob")
    await mine.ring("cid")
    await mine.cancel()
    assert mine.state == CallState.IDLE


async def test_A10_a_mode_says_what_a_second_device_does(connect: Connect) -> None:
    await connect("ann").call("default", "x").get_or_create(ring=True, members=["ann", "bob"])
    phone, tablet = (connect("bob", device).call("default", "x") for device in ("phone", "tablet"))
    await phone.join()
    with pytest.raises(JoinedElsewhere) as caught:
        await tablet.join()
    assert caught.value.device_id == "phone"
    assert (await tablet.join(JoinMode.MOVE_DEVICE)).device_id == "tablet"


# E2: leave by state.


async def test_E2_a_ringing_target_rejects(connect: Connect) -> None:
    await connect("myself").call("default", "lunch").get_or_create(ring=True, members=BOTH)
    theirs = connect("my friend").call("default", "lunch")
    await theirs.leave(reject=True, reason="decline")
    assert theirs.end_reason == EndReason.ALL_REJECTED
    assert theirs.rings[0].targets[0].reason == "decline"


async def test_E2_an_unanswered_ringer_cancels(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    await mine.leave(reject=True, reason="cancel")
    assert (mine.end_reason, mine.rings[0].reason) == (EndReason.CANCELLED, "cancel")


async def test_E2_who_is_in_leaves_whatever_the_flag_and_the_last_news_say(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    await connect("my friend").call("default", "lunch").join()
    assert mine.calling_state == CallingState.RINGING, "it has not been told"
    await mine.leave(reject=True, reason="cancel")
    assert (mine.calling_state, mine.end_reason) == (CallingState.LEFT, EndReason.LEFT_ALONE)


async def test_E2_when_the_ring_that_was_shown_is_over_nothing_happens(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    theirs = connect("my friend").call("default", "lunch")
    await theirs.get()
    await mine.cancel()
    await mine.ring()
    await theirs.leave(reject=True)
    await mine.get()
    assert mine.state == CallState.RINGING


async def test_E2_a_late_hang_up_does_not_refuse_another_ring(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    theirs = connect("my friend").call("default", "lunch")
    await theirs.join()
    await mine.get()
    await mine.leave()
    await mine.ring()
    await theirs.leave(reject=True)
    assert theirs.calling_state == CallingState.RINGING


async def test_E2_who_would_cancel_and_is_answered_meanwhile_hangs_up(scripted: ScriptedServer, client: Client) -> None:
    ring = calls.Ring(id="r1", ringer_id="ann", state=calls.RING_STATE_RINGING)
    viewer = calls.ViewerState(user_id="ann", calling_state=calls.CALLING_STATE_RINGING, ring_id="r1")
    too_late = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "ALREADY_ACCEPTED")
    scripted.outcomes.extend([pb.GetCallResponse(call=a_call(rings=[ring]), viewer=viewer), too_late])
    await client.call("default", "standup").leave(reject=True, reason="cancel")
    assert [name for name, _ in scripted.requests] == ["GetCall", "CancelCall", "LeaveCall"]
    assert scripted.requests[-1][1].reason == "cancel"


async def test_leave_alone_hangs_up_and_refuses_nothing(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    theirs = connect("my friend").call("default", "lunch")
    await theirs.leave()
    assert theirs.calling_state == CallingState.RINGING
    await mine.leave()
    assert mine.end_reason == EndReason.CANCELLED


async def test_K3_a_cancel_that_comes_too_late_says_so(connect: Connect) -> None:
    mine = connect("myself").call("default", "lunch")
    await mine.get_or_create(ring=True, members=BOTH)
    await connect("my friend").call("default", "lunch").join()
    with pytest.raises(AlreadyAccepted) as caught:
        await mine.cancel()
    assert caught.value.accepted_by == "my friend"
