"""Calls as bytes: spliced by hand, they are what protobuf would have made, and each revision is made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from google.protobuf import struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringline.v1 import call_pb2 as pb
from ringline_server.api.call_types import BUILT_IN
from ringline_server.api.custom import custom_bytes
from ringline_server.api.encode import CallEncoder, shown_rings
from ringline_server.api.messages import asked_target_bytes, event_bytes, target_bytes, viewer_bytes
from ringline_server.api.splice import enum_numbers, message_field, new_time_field, time_field, varint
from ringline_server.rules.access import capabilities
from ringline_server.rules.call import Call, Member, Participant, Ring, Target
from ringline_server.rules.context import Actor
from ringline_server.rules.outcome import AskedTarget, Event
from ringline_server.rules.settings import SECOND, SettingsOverride
from ringline_server.rules.size import encoded_bound
from ringline_server.rules.terms import (
    CallingState,
    Direction,
    EndReason,
    EventType,
    RingState,
    SkipReason,
    TargetState,
)
from ringline_server.rules.viewer import viewer_state

property_test = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For machines that are busy with other tests."""

# The plain way.


def put_time(message: pb.Call | pb.Ring | pb.RingTarget | pb.ViewerState, field: str, time: int | None) -> None:
    if time is not None:
        getattr(message, field).FromMicroseconds(time)
        getattr(message, field).SetInParent()


def struct(custom: bytes) -> struct_pb2.Struct | None:
    return struct_pb2.Struct.FromString(custom) if custom else None


def plain_target(target: Target, ring_id: str) -> pb.RingTarget:
    message = pb.RingTarget(
        ring_id=ring_id,
        user_id=target.user_id,
        state=pb.RingTargetState.Value(f"RING_TARGET_STATE_{target.state}"),
        missed=target.missed,
        reason=target.reason if target.state is TargetState.REJECTED else "",
        device_id=target.device_id,
        online_devices=target.online_devices,
    )
    put_time(message, "rung_at", target.rung_at)
    put_time(message, "updated_at", target.updated_at)
    put_time(message, "expires_at", target.expires_at)
    return message


def plain_ring(call: Call, ring: Ring) -> pb.Ring:
    message = pb.Ring(
        id=call.ring_id(ring.number),
        session=ring.session,
        ringer_id=ring.ringer_id,
        ringer_device_id=ring.ringer_device_id,
        state=pb.RingState.Value(f"RING_STATE_{ring.state}"),
        video=ring.video,
        accepted_by_id=ring.accepted_by_id,
        end_reason=pb.EndReason.Value(f"END_REASON_{ring.end_reason or 'UNSPECIFIED'}"),
        reason=ring.reason,
        targets=[plain_target(target, call.ring_id(ring.number)) for target in ring.targets.values()],
    )
    for field in ("started_at", "expires_at", "accepted_at", "ended_at"):
        put_time(message, field, getattr(ring, field))
    return message


def plain_settings(call: Call) -> pb.CallSettings:
    settings = call.settings.over(BUILT_IN[call.type].settings)
    message = pb.CallSettings(
        end_when_empty=settings.end_when_empty,
        drop_when_alone=settings.drop_when_alone,
    )
    message.ring.auto_cancel_timeout.FromMicroseconds(settings.auto_cancel_timeout)
    message.ring.incoming_call_timeout.FromMicroseconds(settings.incoming_call_timeout)
    message.limits.max_duration.FromMicroseconds(settings.max_duration)
    if settings.participant_timeout:
        message.limits.participant_timeout.FromMicroseconds(settings.participant_timeout)
    return message


def plain_call(call: Call) -> pb.Call:
    message = pb.Call(
        type=call.type,
        id=call.id,
        cid=f"{call.type}:{call.id}",
        uid=call.uid,
        session=call.session,
        created_by_id=call.created_by_id,
        team=call.team,
        state=pb.CallState.Value(f"CALL_STATE_{call.state}"),
        custom=struct(call.custom),
        settings=plain_settings(call),
        rings=[plain_ring(call, ring) for ring in shown_rings(call)],
        participant_count=len(call.participants),
        ended_by_id=call.ended_by_id,
        end_reason=pb.EndReason.Value(f"END_REASON_{call.end_reason or 'UNSPECIFIED'}"),
        last_notified_by_id=call.last_notified_by_id,
        revision=call.revision,
    )
    for one in call.members.values():
        member = message.members.add(user_id=one.user_id, role=one.role, custom=struct(one.custom))
        member.created_at.FromMicroseconds(one.created_at)
        member.updated_at.FromMicroseconds(one.updated_at)
    for participant in call.participants[:100]:
        added = message.participants.add(user_id=participant.user_id, device_id=participant.device_id)
        added.joined_at.FromMicroseconds(participant.joined_at)
    for field in ("starts_at", "created_at", "updated_at", "started_at", "ended_at", "last_notified_at"):
        put_time(message, field, getattr(call, field))
    return message


# Any call.

USERS = ["ann", "my friend", "J\u00fcrgen", "\U0001f514", "x" * 200]
users = st.sampled_from(USERS)
devices = st.sampled_from(["", "phone", "\u65e5\u672c"])
texts = st.sampled_from(["", "busy", "\u00e4" * 255])
times = st.integers(1_000_000_000_000_000, 2_000_000_000_000_000)
maybe_times = st.none() | times
customs = st.sampled_from([b"", custom_bytes(struct_pb2.Struct(fields={"n": struct_pb2.Value(number_value=1)}))])
durations = st.none() | st.integers(SECOND, 600 * SECOND)

targets = st.builds(
    Target,
    user_id=users,
    state=st.sampled_from(TargetState),
    rung_at=times,
    updated_at=times,
    expires_at=times,
    online_devices=st.integers(0, 300),
    missed=st.booleans(),
    reason=texts,
    device_id=devices,
)
rings = st.builds(
    Ring,
    number=st.just(0),
    session=st.integers(1, 3),
    ringer_id=users,
    ringer_device_id=devices,
    state=st.sampled_from(RingState),
    video=st.booleans(),
    started_at=times,
    expires_at=times,
    targets=st.lists(targets, min_size=1, max_size=4).map(lambda some: {one.user_id: one for one in some}),
    accepted_at=maybe_times,
    accepted_by_id=st.just("") | users,
    ended_at=maybe_times,
    end_reason=st.none() | st.sampled_from(EndReason),
    reason=texts,
)
members = st.builds(
    Member,
    user_id=users,
    role=st.sampled_from(["call_member", "host"]),
    custom=customs,
    created_at=times,
    updated_at=times,
)
participants = st.builds(Participant, user_id=users, device_id=devices, joined_at=times)


def by_user(listed: list[Member]) -> Mapping[str, Member]:
    return {member.user_id: member for member in listed}


def numbered(listed: list[Ring]) -> tuple[Ring, ...]:
    return tuple(replace(sound(ring), number=number) for number, ring in enumerate(listed, 1))


def sound(ring: Ring) -> Ring:
    """Let an unanswered ring alert somebody."""
    if ring.state is not RingState.RINGING:
        return ring
    first, *_ = ring.targets.values()
    return replace(ring, targets={**ring.targets, first.user_id: replace(first, state=TargetState.RINGING)})


calls = st.builds(
    Call,
    type=st.sampled_from(sorted(BUILT_IN)),
    id=users,
    uid=st.just("uid"),
    created_by_id=users,
    created_at=times,
    updated_at=times,
    team=texts,
    custom=customs,
    settings=st.builds(
        SettingsOverride,
        auto_cancel_timeout=durations,
        participant_timeout=durations,
        end_when_empty=st.none() | st.booleans(),
    ),
    starts_at=st.none() | st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    members=st.lists(members, max_size=5).map(by_user),
    rings=st.lists(rings, max_size=4).map(numbered),
    participants=st.lists(participants, max_size=4).map(tuple),
    session=st.integers(1, 1000),
    started_at=maybe_times,
    ended=st.booleans(),
    ended_at=maybe_times,
    ended_by_id=st.just("") | users,
    end_reason=st.none() | st.sampled_from(EndReason),
    last_notified_at=maybe_times,
    last_notified_by_id=st.just("") | users,
    revision=st.integers(1, 2**31 - 10),
)


@property_test
@given(calls)
def test_a_spliced_call_is_what_protobuf_makes(call: Call) -> None:
    assert pb.Call.FromString(CallEncoder(BUILT_IN).call(call)) == plain_call(call)


@property_test
@given(st.lists(calls, min_size=2, max_size=4), st.data())
def test_what_is_reused_from_the_revision_before_is_still_true(steps: list[Call], data: st.DataObject) -> None:
    encoder = CallEncoder(BUILT_IN)
    before = steps[0]
    encoder.call(before)
    for revision, step in enumerate(steps[1:], before.revision + 1):
        kept = {
            name: getattr(before, name)
            for name in ("members", "rings", "custom", "participants", "settings")
            if data.draw(st.booleans())
        }
        fixed = {name: getattr(before, name) for name in ("type", "id", "created_by_id", "created_at", "team")}
        before = replace(step, revision=revision, **kept, **fixed)
        assert pb.Call.FromString(encoder.call(before)) == plain_call(before)


@property_test
@given(calls, users, st.sampled_from(["user", "host", "admin"]))
def test_a_spliced_viewer_is_what_protobuf_makes(call: Call, user: str, role: str) -> None:
    actor = Actor(user, role=role, teams=frozenset({call.team}))  # type: ignore[arg-type]
    view = viewer_state(call, user)
    granted = capabilities(call, actor, BUILT_IN[call.type])
    plain = pb.ViewerState(
        user_id=user,
        direction=pb.CallDirection.Value(f"CALL_DIRECTION_{view.direction or 'UNSPECIFIED'}"),
        calling_state=pb.CallingState.Value(f"CALLING_STATE_{view.calling_state}"),
        created_by_me=view.created_by_me,
        ring_id=view.ring_id,
        ringer_id=view.ringer_id,
        video=view.video,
        target_state=pb.RingTargetState.Value(f"RING_TARGET_STATE_{view.target_state or 'UNSPECIFIED'}"),
        device_id=view.device_id,
        capabilities=sorted(pb.Capability.Value(f"CAPABILITY_{one}") for one in granted),
    )
    put_time(plain, "ring_expires_at", view.ring_expires_at)

    assert pb.ViewerState.FromString(viewer_bytes(call, user, granted)) == plain


@property_test
@given(targets, st.sampled_from([None, *SkipReason]))
def test_a_spliced_target_is_what_protobuf_makes(target: Target, skip: SkipReason | None) -> None:
    plain = plain_target(target, "uid.1")
    assert pb.RingTarget.FromString(target_bytes(target, "uid.1")) == plain
    plain.skip_reason = pb.SkipReason.Value(f"SKIP_REASON_{skip or 'UNSPECIFIED'}")
    asked = AskedTarget(target.user_id, "uid.1", target, skip)
    assert pb.RingTarget.FromString(asked_target_bytes(asked)) == plain


def test_an_event_is_told_whole() -> None:
    event = Event(
        7, EventType.CALL_MISSED, 1_700_000_000_000_001, "a:b", "uid", 2, 3, "x", "y", "z", "uid.1", ("p", "q"), "r"
    )

    plain = pb.CallEvent.FromString(event_bytes(event))

    assert (plain.seq, plain.type, plain.session, plain.revision) == (7, pb.CALL_EVENT_TYPE_CALL_MISSED, 2, 3)
    assert (plain.time.seconds, plain.time.nanos) == (1_700_000_000, 1000)
    assert (plain.cid, plain.uid, plain.actor_user_id, plain.acting_service_id) == ("a:b", "uid", "x", "y")
    assert (plain.device_id, plain.ring_id, plain.reason) == ("z", "uid.1", "r")
    assert list(plain.subject_user_ids) == ["p", "q"]


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16_383, 16_384, 2**31 - 1, 2**63 - 1, -1, -(2**63)])
def test_varints_are_protobufs(value: int) -> None:
    plain = pb.google_dot_protobuf_dot_timestamp__pb2.Timestamp(seconds=value).SerializeToString()  # type: ignore[attr-defined]
    assert (b"\x08" + varint(value) if value else b"") == plain


@pytest.mark.parametrize("microseconds", [0, 1, 999_999, 1_000_000, -1, -1_000_000, -62_135_596_800_000_000])
def test_times_are_protobufs(microseconds: int) -> None:
    plain = pb.Member()
    plain.created_at.FromMicroseconds(microseconds)
    assert time_field(4, microseconds) == message_field(4, plain.created_at.SerializeToString())
    assert new_time_field(4, microseconds) == time_field(4, microseconds)


def test_every_term_has_its_number_in_the_contract() -> None:
    assert enum_numbers(pb.CallDirection, "CALL_DIRECTION", Direction)[Direction.OUTGOING] == 2
    with pytest.raises(KeyError):
        enum_numbers(pb.CallDirection, "CALL_DIRECTION", CallingState)


# Who sees what, and how often it is made.

CALL = Call(
    "default",
    "standup",
    "uid",
    "ann",
    1,
    1,
    members={user: Member(user, "call_member", b"", 1, 1) for user in ("ann", "bob")},
    custom=b"\n\x00",
    revision=7,
)


def test_X3_a_call_is_encoded_once_a_revision() -> None:
    encoder = CallEncoder(BUILT_IN)
    for _ in range(3):
        for user in ("ann", "bob"):
            encoder.seen(CALL, Actor(user))
    assert encoder.encodings == 1
    encoder.call(replace(CALL, revision=8))
    encoder.call(CALL)
    assert encoder.encodings == 2


def test_W8_who_may_not_read_a_call_sees_five_fields_and_no_viewer() -> None:
    seen = pb.Call.FromString(b"".join(CallEncoder(BUILT_IN).seen(CALL, Actor("eve"), 1))[2:])

    assert {field.name: value for field, value in seen.ListFields()} == {
        "type": "default",
        "id": "standup",
        "cid": "default:standup",
        "uid": "uid",
        "revision": 7,
    }


def test_C8_a_viewer_is_kept_by_their_credentials_too() -> None:
    encoder = CallEncoder(BUILT_IN)
    call = replace(CALL, team="red")

    assert encoder.viewer(call, Actor("bob", teams=frozenset({"red"})))
    assert not encoder.viewer(call, Actor("bob"))
    host = pb.ViewerState.FromString(encoder.viewer(call, Actor("bob", role="host", teams=frozenset({"red"}))))
    assert pb.CAPABILITY_END_CALL in host.capabilities
    service = pb.ViewerState.FromString(encoder.viewer(call, Actor("bob", "backend")))
    assert pb.CAPABILITY_END_CALL not in service.capabilities


def test_a_call_shows_its_open_rings_and_the_one_that_closed_last() -> None:
    def ring(number: int, ended_at: int | None) -> Ring:
        state = RingState.RINGING if ended_at is None else RingState.MISSED
        return Ring(number, 1, "ann", "", state, False, 1, 1, {}, ended_at=ended_at)

    call = replace(CALL, rings=(ring(1, 10), ring(2, None), ring(3, 30), ring(4, 20), ring(5, None)))

    assert [one.number for one in shown_rings(call)] == [2, 3, 5]


@pytest.mark.parametrize("state", TargetState)
def test_C6_a_call_never_takes_more_bytes_than_it_was_estimated_to(state: TargetState) -> None:
    """With texts that are as long as can be, none of which the estimate can leave out."""

    def long(name: str) -> str:
        return name + "\N{GRINNING FACE}" * 250

    device, reason = ("", "") if state is TargetState.RINGING else (long("d"), long("r"))
    users = [long(f"{number:03}") for number in range(100)]
    ring = Ring(
        number=1,
        session=1,
        ringer_id=users[0],
        ringer_device_id=long("d"),
        state=RingState.RINGING,
        video=True,
        started_at=1,
        expires_at=2,
        targets={user: Target(user, state, 1, 2, 3, 9, True, reason, device) for user in users},
        reason=long("r"),
    )
    call = replace(
        CALL,
        id=long("c"),
        custom=b"x" * 1000,
        members={user: Member(user, "call_member", b"x" * 1000, 1, 2) for user in users},
        rings=(ring,),
        participants=tuple(Participant(user, long("d"), 1, 1) for user in users),
    )
    size = len(CallEncoder(BUILT_IN).call(call))
    assert 0.75 * encoded_bound(call) < size <= encoded_bound(call)


def test_of_a_call_that_has_ended_no_parts_are_kept() -> None:
    encoder = CallEncoder(BUILT_IN)
    encoder.call(CALL)
    assert encoder._parts.get(CALL.uid) is not None
    encoder.call(replace(CALL, revision=CALL.revision + 1, ended=True))
    assert encoder._parts.get(CALL.uid) is None


def test_old_calls_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringline_server.api.encode.CALL_BYTES", 10_000)
    encoder = CallEncoder(BUILT_IN)
    big = replace(CALL, custom=b"x" * 4000)
    for revision in range(20):
        encoder.call(replace(big, revision=revision))
    assert encoder.encodings == 20
    encoder.call(replace(big, revision=19))
    assert encoder.encodings == 20
    encoder.call(replace(big, revision=0))
    assert encoder.encodings == 21
