"""Every request with bad fields is refused, naming exactly these (C6, C9, M1, T3)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from ringline.v1 import call_service_pb2 as pb
from ringline_server.api.custom import custom_bytes, custom_problem
from ringline_server.api.splice import message_field
from ringline_server.api.texts import is_id
from tests.api.desk import Desk

CALL = {"type": "default", "id": "standup"}
LONG = "x" * 256
DECOMPOSED = "cafe\u0301"


def deep(levels: int) -> dict[str, Any]:
    custom: dict[str, Any] = {}
    for _ in range(levels - 1):
        custom = {"x": custom}
    return custom


def members(*users: str) -> list[dict[str, str]]:
    return [{"userId": user} for user in users]


NAMED: list[type[Message]] = [
    pb.GetOrCreateCallRequest,
    pb.GetCallRequest,
    pb.UpdateCallRequest,
    pb.UpdateCallMembersRequest,
    pb.RingCallRequest,
    pb.JoinCallRequest,
    pb.RejectCallRequest,
    pb.CancelCallRequest,
    pb.LeaveCallRequest,
    pb.EndCallRequest,
    pb.ListCallEventsRequest,
]
WITH_DEVICE = [one for one in NAMED if "device_id" in one.DESCRIPTOR.fields_by_name]
WITH_REQUEST_ID = [one for one in NAMED if "request_id" in one.DESCRIPTOR.fields_by_name]
WITH_REASON = [one for one in NAMED if "reason" in one.DESCRIPTOR.fields_by_name]

BAD: list[tuple[type[Message], dict[str, Any], list[str]]] = [
    *[(one, {"type": "", "id": ""}, ["type", "id"]) for one in NAMED],
    *[(one, {"type": "Default", "id": LONG}, ["type", "id"]) for one in NAMED],
    *[(one, {**CALL, "id": "x\ny"}, ["id"]) for one in NAMED],
    *[(one, {**CALL, "id": " x"}, ["id"]) for one in NAMED],
    *[(one, {**CALL, "deviceId": DECOMPOSED}, ["device_id"]) for one in WITH_DEVICE],
    *[(one, {**CALL, "requestId": "x" * 65}, ["request_id"]) for one in WITH_REQUEST_ID],
    *[(one, {**CALL, "reason": "\U0001f514" * 256}, ["reason"]) for one in WITH_REASON],
    *[(one, {**CALL, "ringId": LONG}, ["ring_id"]) for one in (pb.JoinCallRequest, pb.RejectCallRequest)],
    (pb.JoinCallRequest, {**CALL, "mode": 4}, ["mode"]),
    (pb.JoinCallRequest, {**CALL, "mode": -1}, ["mode"]),
    (pb.RingCallRequest, {**CALL, "userIds": ["a", "a", "\u200b"]}, ["user_ids[1]", "user_ids[2]"]),
    (pb.RingCallRequest, {**CALL, "userIds": [f"u{n}" for n in range(101)]}, ["user_ids"]),
    (
        pb.GetOrCreateCallRequest,
        {**CALL, "data": {"members": members("a", "", "a")}},
        ["data.members[1].user_id", "data.members[2].user_id"],
    ),
    (pb.GetOrCreateCallRequest, {**CALL, "data": {"createdById": "bob"}}, ["data.created_by_id"]),
    (pb.GetOrCreateCallRequest, {**CALL, "data": {"team": LONG}}, ["data.team"]),
    (
        pb.GetOrCreateCallRequest,
        {**CALL, "data": {"custom": deep(9), "members": [{"userId": "a", "role": "user", "custom": deep(9)}]}},
        ["data.custom", "data.members[0].custom", "data.members[0].role"],
    ),
    (
        pb.GetOrCreateCallRequest,
        {
            **CALL,
            "data": {
                "settings": {
                    "ring": {"autoCancelTimeout": "0s", "incomingCallTimeout": "600.000000001s"},
                    "limits": {"maxDuration": "0.999999999s", "participantTimeout": "9s"},
                }
            },
        },
        [
            "data.settings.ring.auto_cancel_timeout",
            "data.settings.ring.incoming_call_timeout",
            "data.settings.limits.max_duration",
            "data.settings.limits.participant_timeout",
        ],
    ),
    (
        pb.UpdateCallMembersRequest,
        {**CALL, "upsertMembers": members("a", "b"), "removeUserIds": ["b", "c", "c"]},
        ["remove_user_ids[0]", "remove_user_ids[2]"],
    ),
    (pb.UpdateCallRequest, {**CALL, "updateMask": "members,settings.x,custom"}, ["update_mask.paths[0]", "[1]"]),
    (pb.UpdateCallRequest, {**CALL, "expectedRevision": -1}, ["expected_revision"]),
    (pb.UpdateCallRequest, {**CALL, "custom": {"x": "y" * 17_000}}, ["custom"]),
    (
        pb.ListCallsRequest,
        {
            "directions": [0, 1, 3],
            "callingStates": [9],
            "callStates": [0],
            "types": ["default", "x"],
            "order": 5,
            "memberUserId": LONG,
            "pageSize": -1,
        },
        [
            "directions[0]",
            "directions[2]",
            "calling_states[0]",
            "call_states[0]",
            "types[1]",
            "order",
            "member_user_id",
            "page_size",
        ],
    ),
    (pb.ListCallsRequest, {"types": ["default"] * 101}, ["types"]),
    (pb.ListCallEventsRequest, {**CALL, "pageSize": -1}, ["page_size"]),
    (pb.WatchCallsRequest, {"callStates": [1], "heartbeatInterval": "61s"}, ["call_states", "heartbeat_interval"]),
    (pb.WatchCallsRequest, {"cids": ["x", "x:y", "default:"]}, ["cids[0]", "cids[1]", "cids[2]"]),
    (pb.WatchCallsRequest, {"cids": [f"default:{n}" for n in range(101)], "deviceId": " "}, ["cids", "device_id"]),
]


@pytest.mark.parametrize(("kind", "fields", "paths"), BAD)
async def test_C6_all_bad_fields_are_named_at_once(
    desk: Desk, kind: type[Message], fields: dict[str, Any], paths: list[str]
) -> None:
    error = await desk.caller("ann").refused(json_format.ParseDict(fields, kind()))

    expected = [f"update_mask.paths{path}" if path.startswith("[") else path for path in paths]
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert sorted(error.fields) == sorted(expected)
    assert error.metadata == {"field": next(iter(error.fields))}
    assert next(iter(error.fields)) in error.message
    assert all(error.fields.values()), "each says what is allowed"


@pytest.mark.parametrize("kind", [pb.ListCallsRequest, pb.WatchCallsRequest])
async def test_W10_a_service_itself_has_no_side_of_a_call(desk: Desk, kind: type[Message]) -> None:
    request = json_format.ParseDict({"directions": [1], "callingStates": [1]}, kind())

    error = await desk.caller(role="service").refused(request)

    assert list(error.fields) == ["directions", "calling_states"]


async def test_malformed_times_are_refused(desk: Desk) -> None:
    request = pb.UpdateCallRequest(type="default", id="x")
    request.starts_at.nanos = -1
    request.settings.ring.auto_cancel_timeout.seconds = 5
    request.settings.ring.auto_cancel_timeout.nanos = -1
    request.settings.ring.incoming_call_timeout.seconds = 1 << 62
    listing = pb.ListCallsRequest()
    listing.created_after.seconds = 1 << 40
    listing.created_before.nanos = 1_000_000_000

    error = await desk.caller("ann").refused(request)
    other = await desk.caller("ann").refused(listing)

    assert sorted(error.fields) == [
        "settings.ring.auto_cancel_timeout",
        "settings.ring.incoming_call_timeout",
        "starts_at",
    ]
    assert sorted(other.fields) == ["created_after", "created_before"]


@pytest.mark.parametrize("kind", [*NAMED, pb.ListCallsRequest, pb.ListEventsRequest, pb.WatchCallsRequest])
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7f", b"\x0a\x01\xff\x12\x01\xff\x22\x01\xff\x32\x01\xff", b"\x00"])
async def test_X5_bytes_that_are_no_request_are_refused(desk: Desk, kind: type[Message], data: bytes) -> None:
    name = kind.DESCRIPTOR.name.removesuffix("Request")

    error = await desk.caller("ann", role="service").refused_raw(name, data)

    if error.reason != "NOT_ALLOWED":  # the third happens to be unknown fields to ListEvents
        assert (error.code, error.reason, list(error.fields)) == ("INVALID_ARGUMENT", "INVALID_FIELD", ["request"])


async def test_what_is_too_deep_to_be_read_says_how_deep_it_may_be(desk: Desk) -> None:
    value = b""
    for _ in range(40):
        value = message_field(5, message_field(1, message_field(2, value)))
    value = message_field(1, message_field(2, value))

    error = await desk.caller("ann").refused_raw("UpdateCall", message_field(3, value))

    assert "8 objects or lists deep" in error.fields["request"]


async def test_an_error_with_very_many_bad_fields_still_fits_into_the_trailers(desk: Desk) -> None:
    request = pb.GetOrCreateCallRequest(type="default", id="x")
    for _ in range(100):
        request.data.members.add(user_id="\n", role="boss")

    error = await desk.caller("ann").refused(request)

    assert len(error.fields) > 60


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"a": [1, None, True, "x", {}, []]}, ""),
        (deep(8), ""),
        (deep(9), "deep"),
        ({"a": [[[[[[[]]]]]]]}, ""),
        ({"a": [[[[[[[[]]]]]]]]}, "deep"),
    ],
)
def test_C6_custom_is_at_most_8_objects_or_lists_deep(value: dict[str, Any], problem: str) -> None:
    found = custom_problem(json_format.ParseDict(value, Struct()), 1024)

    assert problem in found if found else not problem


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_C6_custom_holds_no_number_that_JSON_does_not_have(number: float) -> None:
    custom = Struct()
    custom.fields["list"].list_value.values.add(number_value=number)
    assert "NaN" in (custom_problem(custom, 1024) or "")


def test_custom_holds_no_value_without_a_kind() -> None:
    custom = Struct()
    custom.fields["x"].SetInParent()
    assert "kind" in (custom_problem(custom, 1024) or "")


def test_C6_custom_is_measured_encoded() -> None:
    custom = json_format.ParseDict({"x": "y" * 100}, Struct())
    size = custom.ByteSize()
    assert custom_problem(custom, size) is None
    assert str(size) in (custom_problem(custom, size - 1) or "")


def test_equal_custom_has_equal_bytes() -> None:
    one, other = Struct(), Struct()
    for key in "abcdef":
        one[key] = 1
    for key in "fedcba":
        other[key] = 1
    assert custom_bytes(one) == custom_bytes(other)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("my friend", True),
        ("caf\u00e9", True),
        ("\U0001f514" * 255, True),
        ("a:b", True),
        ("\u65e5\u672c\u8a9e", True),
        ("", False),
        (LONG, False),
        (DECOMPOSED, False),
        ("\u212b", False),
        (" a", False),
        ("a\u00a0", False),
        ("\u3000a", False),
        ("a\u2028", False),
        ("a\u007fb", False),
        ("a\u0085b", False),
        ("a\u200db", False),
        ("\ufeffa", False),
        ("a\ud800", False),
    ],
)
def test_C9_what_an_id_may_be(text: str, good: bool) -> None:
    assert is_id(text) is good
