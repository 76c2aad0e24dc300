"""The RPCs that ask something of one call: what goes in, and what comes out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline_server.engine.port import CommandFailed, Draining, NotCommitted, OutcomeUnknown, Overloaded, Submission
from tests.api.desk import Caller, Desk, open_desk

CALL: dict[str, Any] = {"type": "default", "id": "test-outgoing-call"}


@pytest.fixture
def myself(desk: Desk) -> Caller:
    return desk.caller("myself", "desk")


@pytest.fixture
def friend(desk: Desk) -> Caller:
    return desk.caller("my friend", "phone")


def sample(**more: object) -> pb.GetOrCreateCallRequest:
    """Return the request of the user's own page."""
    request = {**CALL, "ring": True, "data": {"members": [{"user_id": "myself"}, {"user_id": "my friend"}]}, **more}
    return json_format.ParseDict(request, pb.GetOrCreateCallRequest())


async def test_the_users_own_sample_rings_the_friend(desk: Desk, myself: Caller, friend: Caller) -> None:
    answer: pb.GetOrCreateCallResponse = await myself.call(sample())

    assert answer.created
    assert answer.call.cid == "default:test-outgoing-call"
    assert answer.call.state == calls.CALL_STATE_RINGING
    assert [member.role for member in answer.call.members] == ["host", "call_member"]
    assert answer.ring_id == answer.call.rings[0].id == answer.viewer.ring_id
    assert answer.viewer.direction == calls.CALL_DIRECTION_OUTGOING
    assert answer.viewer.calling_state == calls.CALLING_STATE_RINGING
    by_user = {target.user_id: target for target in answer.targets}
    assert by_user["myself"].skip_reason == calls.SKIP_REASON_RINGER
    assert by_user["my friend"].state == calls.RING_TARGET_STATE_RINGING
    assert by_user["my friend"].ring_id == answer.ring_id

    seen: pb.GetCallResponse = await friend.call(pb.GetCallRequest(**CALL))
    assert seen.call == answer.call
    assert seen.viewer.direction == calls.CALL_DIRECTION_INCOMING
    assert seen.viewer.ring_expires_at.ToMicroseconds() == desk.clock.now() + 30_000_000


async def test_an_accept_returns_the_participant_on_the_device_of_the_metadata(myself: Caller, friend: Caller) -> None:
    rung = await myself.call(sample())

    joined: pb.JoinCallResponse = await friend.call(pb.JoinCallRequest(**CALL, ring_id=rung.ring_id))

    assert (joined.participant.user_id, joined.participant.device_id) == ("my friend", "phone")
    assert joined.call.participant_count == 2
    assert joined.viewer.target_state == calls.RING_TARGET_STATE_ACCEPTED


async def test_a_device_in_the_request_wins_over_the_metadata(myself: Caller, friend: Caller) -> None:
    await myself.call(sample())

    joined = await friend.call(pb.JoinCallRequest(**CALL, device_id="tablet"))

    assert joined.participant.device_id == "tablet"


async def test_reject_cancel_leave_and_end_answer_with_the_call(myself: Caller, friend: Caller) -> None:
    await myself.call(sample())
    rejected = await friend.call(pb.RejectCallRequest(**CALL, reason="busy"))
    assert rejected.call.end_reason == calls.END_REASON_BUSY
    await myself.call(pb.RingCallRequest(**CALL, user_ids=["my friend"], video=True))
    cancelled = await myself.call(pb.CancelCallRequest(**CALL, reason="oops"))
    assert cancelled.call.rings[-1].reason == "oops"
    assert cancelled.call.rings[-1].targets[0].reason == "", "a reason is the target's own"
    left = await friend.call(pb.LeaveCallRequest(**CALL))
    assert left.call.revision == cancelled.call.revision
    ended = await myself.call(pb.EndCallRequest(**CALL))
    assert ended.call.ended_by_id == "myself"


async def test_an_update_changes_what_its_mask_names(myself: Caller) -> None:
    await myself.call(sample(ring=False))
    update = json_format.ParseDict(
        {
            **CALL,
            "custom": {"n": 1},
            "settings": {"ring": {"autoCancelTimeout": "5s", "incomingCallTimeout": "6s"}},
            "startsAt": "2030-01-01T00:00:00.000001Z",
        },
        pb.UpdateCallRequest(),
    )

    whole = (await myself.call(update)).call
    assert json_format.MessageToDict(whole.custom) == {"n": 1}
    assert whole.settings.ring.auto_cancel_timeout.seconds == 5
    assert whole.settings.ring.incoming_call_timeout.seconds == 6
    assert whole.settings.HasField("end_when_empty")
    assert not whole.settings.limits.HasField("participant_timeout")
    assert whole.starts_at.nanos == 1000

    clear = pb.UpdateCallRequest(**CALL)
    clear.update_mask.paths.extend(["settings.ring.auto_cancel_timeout", "custom", "starts_at"])
    cleared = (await myself.call(clear)).call
    assert cleared.settings.ring.auto_cancel_timeout.seconds == 30
    assert cleared.settings.ring.incoming_call_timeout.seconds == 6
    assert not cleared.HasField("custom")
    assert not cleared.HasField("starts_at")

    reset = pb.UpdateCallRequest(**CALL, custom=json_format.ParseDict({"n": 2}, Struct()))
    reset.update_mask.paths.append("settings")
    last = (await myself.call(reset)).call
    assert last.settings.ring.incoming_call_timeout.seconds == 30
    assert not last.HasField("custom"), "what the mask does not name stays"


async def test_members_keep_what_an_upsert_does_not_give(myself: Caller) -> None:
    await myself.call(sample(ring=False))
    first = pb.UpdateCallMembersRequest(**CALL)
    first.upsert_members.add(user_id="bob", role="host").custom["n"] = 1
    await myself.call(first)
    second = pb.UpdateCallMembersRequest(**CALL, remove_user_ids=["my friend"])
    second.upsert_members.add(user_id="bob")

    call = (await myself.call(second)).call

    assert [(one.user_id, one.role) for one in call.members] == [("myself", "host"), ("bob", "host")]
    assert json_format.MessageToDict(call.members[1].custom) == {"n": 1}
    third = pb.UpdateCallMembersRequest(**CALL)
    third.upsert_members.add(user_id="bob", role="call_member", custom=Struct())
    bob = (await myself.call(third)).call.members[1]
    assert (bob.role, bob.HasField("custom")) == ("call_member", False)


async def test_W8_who_has_removed_themselves_sees_names_and_revision_only(myself: Caller, friend: Caller) -> None:
    await myself.call(sample())

    answer = await friend.call(pb.UpdateCallMembersRequest(**CALL, remove_user_ids=["my friend"]))

    assert [descriptor.name for descriptor, _ in answer.call.ListFields()] == ["type", "id", "cid", "uid", "revision"]
    assert not answer.HasField("viewer")


async def test_W10_a_service_itself_is_nobodys_viewer(desk: Desk, myself: Caller) -> None:
    await myself.call(sample())
    service = desk.caller(role="service")

    answer = await service.call(pb.GetCallRequest(**CALL))

    assert answer.call.state == calls.CALL_STATE_RINGING
    assert not answer.HasField("viewer")
    refused = await service.refused(pb.RingCallRequest(**CALL))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")
    assert "x-user-id" in refused.message


async def test_X3_a_repeat_is_known_by_its_content_and_its_device(myself: Caller) -> None:
    first = await myself.call(sample(request_id="one"))
    again = await myself.call(sample(request_id="one", device_id="desk"))
    other_device = await myself.refused(sample(request_id="one", device_id="phone"))
    other_content = await myself.refused(sample(request_id="one", video=True))
    other_rpc = await myself.refused(pb.GetCallRequest(**CALL, notify=True, request_id="one"))

    assert again == first
    for error in (other_device, other_content, other_rpc):
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
        assert list(error.fields) == ["request_id"]
    plain = await myself.call(pb.GetCallRequest(**CALL, request_id="one"))
    assert plain.call == first.call, "a plain GetCall has no effect, so its request_id means nothing"


async def test_X3_requests_that_have_no_device_repeat_too(desk: Desk, myself: Caller) -> None:
    await myself.call(sample(ring=False))
    for request in (
        pb.UpdateCallRequest(**CALL, custom=Struct(), request_id="update"),
        pb.EndCallRequest(**CALL, request_id="end"),
    ):
        first = await myself.call(request)
        assert await myself.call(request) == first
        assert await desk.caller("myself", "other").call(request) == first


async def test_refusals_carry_what_the_contract_lists(myself: Caller, friend: Caller) -> None:
    await myself.call(sample(ring=False))
    stranger = await myself.refused(pb.RingCallRequest(**CALL, user_ids=["a", "b"]))
    assert (stranger.reason, stranger.metadata) == ("NOT_A_MEMBER", {"field": "user_ids[0]", "user_id": "a"})
    assert list(stranger.fields) == ["user_ids[0]", "user_ids[1]"]
    denied = await friend.refused(pb.EndCallRequest(**CALL))
    assert (denied.code, denied.metadata) == ("PERMISSION_DENIED", {"capability": "END_CALL"})
    stale = await myself.refused(pb.UpdateCallRequest(**CALL, custom=Struct(), expected_revision=7))
    assert (stale.code, stale.reason, stale.metadata) == ("ABORTED", "REVISION_MISMATCH", {"revision": "1"})
    await myself.call(pb.EndCallRequest(**CALL))
    ended = await friend.refused(pb.JoinCallRequest(**CALL))
    assert (ended.code, ended.reason) == ("FAILED_PRECONDITION", "CALL_ENDED")
    assert ended.metadata == {
        "state": "ENDED",
        "revision": "2",
        "end_reason": "ENDED_BY_USER",
        "ended_at": "2023-11-14T22:13:20Z",
    }


async def test_P2_what_may_not_be_read_and_what_does_not_exist_look_alike(desk: Desk, myself: Caller) -> None:
    await myself.call(sample())
    eve = desk.caller("eve")

    assert await eve.refused(pb.GetCallRequest(**CALL)) == await eve.refused(pb.GetCallRequest(type="default", id="no"))
    missing = await eve.refused(pb.GetCallRequest(type="livestream", id="no"))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "CALL_NOT_FOUND")


@pytest.mark.parametrize(
    ("raised", "code", "reason", "retry"),
    [
        (Overloaded("text"), "UNAVAILABLE", "OVERLOADED", 1.0),
        (Draining("text"), "UNAVAILABLE", "DRAINING", 1.0),
        (NotCommitted("text"), "UNAVAILABLE", "OVERLOADED", 1.0),
        (OutcomeUnknown("text"), "UNAVAILABLE", "INTERNAL", 1.0),
        (CommandFailed("text"), "INTERNAL", "INTERNAL", None),
        (ZeroDivisionError("text"), "INTERNAL", "INTERNAL", None),
        (TimeoutError("text"), "INTERNAL", "INTERNAL", None),
    ],
)
async def test_X4_no_text_of_an_exception_reaches_a_client(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, reason: str, retry: float | None
) -> None:
    async def submit(submission: Submission) -> None:
        raise raised

    monkeypatch.setattr(desk.engine, "submit", submit)

    error = await desk.caller("ann").refused(pb.GetCallRequest(**CALL))

    assert (error.code, error.reason, error.retry) == (code, reason, retry)
    assert "text" not in error.message


async def test_a_request_without_a_deadline_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def submit(submission: Submission) -> None:
        await asyncio.Event().wait()

    async with open_desk(tmp_path / "ringline.db", default_timeout=0.01) as desk:
        monkeypatch.setattr(desk.engine, "submit", submit)
        error = await desk.caller("ann").refused(pb.GetCallRequest(**CALL))

    assert (error.code, error.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert "request_id" in error.message
