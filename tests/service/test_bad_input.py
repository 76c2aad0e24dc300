"""Bad input of every kind, on every RPC: the right error, by name, and all streams go on (X5, C6, C9, P3)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from grpc import aio

from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Server
from tests.service.phone import PATIENCE, Metadata, Phone, Refused, explain

INVALID = grpc.StatusCode.INVALID_ARGUMENT
Fields = dict[str, Any]
Table = tuple[tuple[Fields, tuple[str, ...]], ...]
"""Fields to change in a good request, as JSON, and the paths that the error has to name."""

LONG = "x" * 256
DECOMPOSED = "cafe\u0301"
COMPOSED = "caf\u00e9"

NAMES: Table = (
    ({"type": None}, ("type",)),
    ({"type": "nonsense"}, ("type",)),
    ({"type": "Default"}, ("type",)),
    ({"type": "x" * 65}, ("type",)),
    ({"id": None}, ("id",)),
    ({"id": LONG}, ("id",)),
    ({"id": "\U0001f514" * 256}, ("id",)),
    ({"id": DECOMPOSED}, ("id",)),
    ({"id": "bell\u0007"}, ("id",)),
    ({"id": "two\nlines"}, ("id",)),
    ({"id": "zero\u200bwidth"}, ("id",)),
    ({"id": " outer"}, ("id",)),
    ({"id": "outer\u00a0"}, ("id",)),
    ({"type": "nonsense", "id": LONG}, ("type", "id")),
)
REQUEST_ID: Table = (({"requestId": "x" * 65}, ("request_id",)),)
DEVICE: Table = (
    ({"deviceId": LONG}, ("device_id",)),
    ({"deviceId": DECOMPOSED}, ("device_id",)),
    ({"deviceId": "bell\u0007"}, ("device_id",)),
)
REASON: Table = (({"reason": "x" * 256}, ("reason",)),)
RING_ID: Table = (({"ringId": "never-was"}, ("ring_id",)),)


def page(token: str) -> Table:
    return (
        ({"pageSize": -1}, ("page_size",)),
        ({token: "nonsense"}, (_snake(token),)),
        ({token: "\u00e4"}, (_snake(token),)),
    )


def _snake(camel: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)


def deep(levels: int) -> Fields:
    """Return custom data so many objects deep."""
    custom: Fields = {}
    for _ in range(levels - 1):
        custom = {"x": custom}
    return custom


def customs(path: str, place: Fields, hole: Fields) -> Table:
    """Return what custom data must not be; ``hole`` is the part of ``place`` that they go into."""
    table: list[tuple[Fields, tuple[str, ...]]] = []
    lists: Fields = {"list": [[[[[[[[]]]]]]]]}
    for custom in (deep(9), deep(31), lists, {"x": "NaN"}, {"x": "Infinity"}, {"x": "y" * 17_000}):
        hole["custom"] = custom
        table.append((_copy(place), (path,)))
    return tuple(table)


def _copy(value: Any) -> Any:  # noqa: ANN401 -- JSON
    if isinstance(value, Mapping):
        return {key: _copy(one) for key, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


_DATA: Fields = {}
_MEMBER: Fields = {"userId": "bob"}
_UPSERT: Fields = {"userId": "bob"}
_CUSTOM: Fields = {}


@dataclass(frozen=True)
class Rpc:
    """An RPC with a good request, and everything that is bad about others."""

    request: type[Message]
    good: Fields
    bad: Table


CALL: Fields = {"type": "default", "id": "standup"}

RPCS: dict[str, Rpc] = {
    "GetOrCreateCall": Rpc(
        pb.GetOrCreateCallRequest,
        CALL,
        (
            *NAMES,
            *REQUEST_ID,
            *DEVICE,
            *customs("data.custom", {"data": _DATA}, _DATA),
            *customs("data.members[0].custom", {"data": {"members": [_MEMBER]}}, _MEMBER),
            ({"data": {"members": [{"userId": "a", "custom": {"x": "y" * 1024}}]}}, ("data.members[0].custom",)),
            ({"data": {"members": [{"userId": "a"}, {"userId": "a"}]}}, ("data.members[1].user_id",)),
            ({"data": {"members": [{"userId": ""}]}}, ("data.members[0].user_id",)),
            ({"data": {"members": [{"userId": LONG}]}}, ("data.members[0].user_id",)),
            ({"data": {"members": [{"userId": DECOMPOSED}]}}, ("data.members[0].user_id",)),
            ({"data": {"members": [{"userId": "a", "role": "boss"}]}}, ("data.members[0].role",)),
            ({"data": {"members": [{"userId": "a", "role": "admin"}]}}, ("data.members[0].role",)),
            ({"data": {"members": [{"userId": f"u{n}"} for n in range(101)]}}, ("data.members",)),
            ({"data": {"createdById": "somebody-else"}}, ("data.created_by_id",)),
            ({"data": {"team": "not-mine"}, "id": "new"}, ("data.team",)),
            (
                {"data": {"settings": {"ring": {"autoCancelTimeout": "0s"}}}},
                ("data.settings.ring.auto_cancel_timeout",),
            ),
            (
                {"data": {"settings": {"ring": {"incomingCallTimeout": "601s"}}}},
                ("data.settings.ring.incoming_call_timeout",),
            ),
            ({"data": {"settings": {"limits": {"maxDuration": "604801s"}}}}, ("data.settings.limits.max_duration",)),
            (
                {"data": {"settings": {"limits": {"participantTimeout": "9s"}}}},
                ("data.settings.limits.participant_timeout",),
            ),
            (
                {
                    "type": "nonsense",
                    "id": LONG,
                    "requestId": "x" * 65,
                    "deviceId": LONG,
                    "data": {
                        "custom": deep(9),
                        "members": [{"userId": "a"}, {"userId": "a", "role": "boss"}],
                        "settings": {"ring": {"autoCancelTimeout": "-1s"}},
                    },
                },
                (
                    "data.custom",
                    "data.members[1].role",
                    "data.members[1].user_id",
                    "data.settings.ring.auto_cancel_timeout",
                    "device_id",
                    "id",
                    "request_id",
                    "type",
                ),
            ),
        ),
    ),
    "GetCall": Rpc(pb.GetCallRequest, CALL, (*NAMES, *REQUEST_ID, *DEVICE)),
    "ListCalls": Rpc(
        pb.ListCallsRequest,
        {},
        (
            *page("pageToken"),
            ({"types": ["default", "nonsense"]}, ("types[1]",)),
            ({"types": ["default"] * 101}, ("types",)),
            ({"directions": [99]}, ("directions[0]",)),
            ({"directions": [1, 0]}, ("directions[1]",)),
            ({"callingStates": [99]}, ("calling_states[0]",)),
            ({"callStates": [1, 2, 99]}, ("call_states[2]",)),
            ({"order": 99}, ("order",)),
            ({"memberUserId": LONG}, ("member_user_id",)),
            ({"memberUserId": DECOMPOSED}, ("member_user_id",)),
        ),
    ),
    "UpdateCall": Rpc(
        pb.UpdateCallRequest,
        {**CALL, "custom": {"n": 1}},
        (
            *NAMES,
            *REQUEST_ID,
            *customs("custom", _CUSTOM, _CUSTOM),
            ({"updateMask": "members"}, ("update_mask.paths[0]",)),
            ({"updateMask": "custom,settings.nonsense"}, ("update_mask.paths[1]",)),
            ({"expectedRevision": -1}, ("expected_revision",)),
            ({"settings": {"ring": {"autoCancelTimeout": "0s"}}}, ("settings.ring.auto_cancel_timeout",)),
        ),
    ),
    "UpdateCallMembers": Rpc(
        pb.UpdateCallMembersRequest,
        {**CALL, "upsertMembers": [{"userId": "cid"}]},
        (
            *NAMES,
            *REQUEST_ID,
            *DEVICE,
            *customs("upsert_members[0].custom", {"upsertMembers": [_UPSERT]}, _UPSERT),
            ({"upsertMembers": [{"userId": "a"}, {"userId": "a"}]}, ("upsert_members[1].user_id",)),
            ({"upsertMembers": [{"userId": "bell\u0007"}]}, ("upsert_members[0].user_id",)),
            ({"upsertMembers": [{"userId": "a", "role": "user"}]}, ("upsert_members[0].role",)),
            ({"upsertMembers": [{"userId": f"u{n}"} for n in range(101)]}, ("upsert_members",)),
            ({"upsertMembers": [], "removeUserIds": ["a", "a"]}, ("remove_user_ids[1]",)),
            ({"removeUserIds": ["cid"]}, ("remove_user_ids[0]",)),
            ({"upsertMembers": [], "removeUserIds": ["ann"]}, ("remove_user_ids[0]",)),
            ({"upsertMembers": [], "removeUserIds": [f"u{n}" for n in range(101)]}, ("remove_user_ids",)),
        ),
    ),
    "RingCall": Rpc(
        pb.RingCallRequest,
        {**CALL, "userIds": ["bob"]},
        (
            *NAMES,
            *REQUEST_ID,
            *DEVICE,
            ({"userIds": ["bob", "bob"]}, ("user_ids[1]",)),
            ({"userIds": [""]}, ("user_ids[0]",)),
            ({"userIds": ["bob", LONG]}, ("user_ids[1]",)),
            ({"userIds": [DECOMPOSED]}, ("user_ids[0]",)),
            ({"userIds": [f"u{n}" for n in range(101)]}, ("user_ids",)),
            ({"userIds": ["ann"]}, ("user_ids",)),
        ),
    ),
    "JoinCall": Rpc(pb.JoinCallRequest, CALL, (*NAMES, *REQUEST_ID, *DEVICE, *RING_ID, ({"mode": 99}, ("mode",)))),
    "RejectCall": Rpc(pb.RejectCallRequest, CALL, (*NAMES, *REQUEST_ID, *DEVICE, *RING_ID, *REASON)),
    "CancelCall": Rpc(pb.CancelCallRequest, CALL, (*NAMES, *REQUEST_ID, *DEVICE, *RING_ID, *REASON)),
    "LeaveCall": Rpc(pb.LeaveCallRequest, CALL, (*NAMES, *REQUEST_ID, *DEVICE, *REASON)),
    "EndCall": Rpc(pb.EndCallRequest, CALL, (*NAMES, *REQUEST_ID, *REASON)),
    "ListCallEvents": Rpc(pb.ListCallEventsRequest, CALL, (*NAMES, *page("pageToken"))),
    "ListEvents": Rpc(pb.ListEventsRequest, {}, page("afterToken")),
    "WatchCalls": Rpc(
        pb.WatchCallsRequest,
        {},
        (
            *DEVICE,
            ({"types": ["nonsense"]}, ("types[0]",)),
            ({"types": ["default"] * 101}, ("types",)),
            ({"directions": [99]}, ("directions[0]",)),
            ({"directions": [0]}, ("directions[0]",)),
            ({"callingStates": [2, 99]}, ("calling_states[1]",)),
            ({"callingStates": [0]}, ("calling_states[0]",)),
            ({"callStates": [1]}, ("call_states",)),
            ({"cids": ["no-colon"]}, ("cids[0]",)),
            ({"cids": ["nonsense:standup"]}, ("cids[0]",)),
            ({"cids": ["default:standup", "default:"]}, ("cids[1]",)),
            ({"cids": [f"default:{LONG}"]}, ("cids[0]",)),
            ({"cids": [f"default:{DECOMPOSED}"]}, ("cids[0]",)),
            ({"cids": [f"default:c{n}" for n in range(101)]}, ("cids",)),
            ({"heartbeatInterval": "4.999s"}, ("heartbeat_interval",)),
            ({"heartbeatInterval": "60.001s"}, ("heartbeat_interval",)),
            ({"heartbeatInterval": "0s"}, ("heartbeat_interval",)),
        ),
    ),
}

every_rpc = pytest.mark.parametrize("rpc", RPCS)


def encode(rpc: str, changed: Fields) -> bytes:
    """Return the bytes of a request: the good one with changed fields; None takes one away."""
    merged = {key: value for key, value in {**RPCS[rpc].good, **changed}.items() if value is not None}
    request = RPCS[rpc].request()
    json_format.ParseDict(merged, request)
    _put_odd_numbers(request)
    return request.SerializeToString()


_ODD = {"NaN": math.nan, "Infinity": math.inf}


def _put_odd_numbers(message: Message) -> None:
    """Put the numbers that JSON does not have where their names stand in custom data."""
    for _, value in message.ListFields():
        if isinstance(value, Struct):
            mark = value.fields["x"].string_value if "x" in value.fields else ""
            if mark in _ODD:
                value.fields["x"].number_value = _ODD[mark]
        elif isinstance(value, Message):
            _put_odd_numbers(value)
        elif not isinstance(value, str | bytes | int):
            for one in value:
                if isinstance(one, Message):
                    _put_odd_numbers(one)


async def send(phone: Phone, rpc: str, raw: bytes, metadata: Metadata | None = None) -> Refused | None:
    """Send bytes as they are, and return the error, None if there was none."""
    path = f"/ringline.v1.CallService/{rpc}"
    metadata = phone.metadata if metadata is None else metadata
    try:
        if rpc == "WatchCalls":
            watch = phone.channel.unary_stream(path, None, None)(raw, metadata=metadata)
            await asyncio.wait_for(watch.read(), PATIENCE)
            watch.cancel()
        else:
            await phone.channel.unary_unary(path, None, None)(raw, metadata=metadata, timeout=PATIENCE)
    except aio.AioRpcError as error:
        return explain(error)
    return None


class Onlookers:
    """Streams that are open meanwhile."""

    def __init__(self, server: Server) -> None:
        self._ann = server.phone("ann")
        self._watchers = [server.phone("bob", "phone"), server.phone(role="service"), self._ann]

    async def __aenter__(self) -> Self:
        await self._ann.create("standup", "bob", "cid")
        self._screens = [await watcher.watch() for watcher in self._watchers]
        self._before = (await self._ann.get("standup")).call
        return self

    async def __aexit__(self, *_: object) -> None:
        assert (await self._ann.get("standup")).call == self._before, "X5: nothing has changed"
        assert all(screen.open for screen in self._screens)
        assert [len(screen.messages) for screen in self._screens] == [1, 1, 1]
        rung = await self._ann.create("afterwards", "bob", ring=True)
        for screen in self._screens:
            assert (await screen.change()).call == rung.call


@pytest.fixture
def sender(server: Server, rpc: str) -> Phone:
    return server.phone(role="service") if rpc == "ListEvents" else server.phone("ann", "desk")


@every_rpc
async def test_C6_C9_every_bad_field_is_refused_by_its_name(server: Server, sender: Phone, rpc: str) -> None:
    async with Onlookers(server):
        for changed, paths in RPCS[rpc].bad:
            error = await send(sender, rpc, encode(rpc, changed))

            assert error is not None, f"{changed} was taken"
            assert error.code == INVALID, f"{str(changed)[:200]}: {error}"
            expected = "BAD_PAGE_TOKEN" if paths[0].endswith("_token") else "INVALID_FIELD"
            assert error.reason == expected, f"{str(changed)[:200]}: {error}"
            assert sorted(error.fields) == sorted(paths), f"{str(changed)[:200]}: {error}"
            assert error.metadata["field"] in paths
            assert error.message


@every_rpc
async def test_X5_bytes_that_are_no_request_are_refused(server: Server, sender: Phone, rpc: str) -> None:
    not_utf8 = b"\x0a\x02\xff\xfe" if "id" in RPCS[rpc].good else None
    bad = [
        b"\xff",
        b"\x0a\x7f",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x00",
        b"\x0b",
        bytes(range(256)),
        b"\xff" * 10_000,
        *([not_utf8, b"\x12\x01\xc0"] if not_utf8 else []),
    ]
    async with Onlookers(server):
        for raw in bad:
            error = await send(sender, rpc, raw)

            assert error is not None, f"{raw[:20]!r} was taken"
            assert (error.code, error.reason) == (INVALID, "INVALID_FIELD"), f"{raw[:20]!r}: {error}"
            assert error.fields == ("request",)


@every_rpc
async def test_C6_a_request_over_256_KiB_is_refused_by_the_transport(server: Server, sender: Phone, rpc: str) -> None:
    # An unknown field: as far as the message goes, all is well.
    padding = b"\xfa\x7f\xe0\xa7\x12" + bytes(300_000)
    async with Onlookers(server):
        error = await send(sender, rpc, encode(rpc, {}) + padding)

    assert error is not None
    assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED


BAD_IDENTITIES: tuple[tuple[Metadata, str], ...] = (
    ((), "x-user-id"),
    ((("x-user-id", ""),), "x-user-id"),
    ((("x-user-id", "   "),), "x-user-id"),
    ((("x-user-id", LONG),), "x-user-id"),
    ((("x-user-id", "ann"), ("x-user-id", "ann")), "x-user-id"),
    ((("x-user-id", "ann"), ("x-user-id-bin", b"ann")), "x-user-id-bin"),
    ((("x-user-id-bin", b"ann"), ("x-user-id-bin", b"bob")), "x-user-id-bin"),
    ((("x-user-id-bin", b"\xff\xfe"),), "x-user-id-bin"),
    ((("x-user-id-bin", b""),), "x-user-id-bin"),
    ((("x-user-id-bin", DECOMPOSED.encode()),), "x-user-id-bin"),
    ((("x-user-id-bin", b"bell\x07"),), "x-user-id-bin"),
    ((("x-user-id", "ann"), ("x-role", "boss")), "x-role"),
    ((("x-user-id", "ann"), ("x-role", "user"), ("x-role", "admin")), "x-role"),
    ((("x-user-id", "ann"), ("x-device-id", LONG)), "x-device-id"),
    ((("x-user-id", "ann"), ("x-device-id", "a"), ("x-device-id", "b")), "x-device-id"),
    ((("x-user-id", "ann"), ("x-device-id", "a"), ("x-device-id-bin", b"a")), "x-device-id-bin"),
    ((("x-user-id", "ann"), ("x-device-id-bin", b"\xff")), "x-device-id-bin"),
    ((("x-role", "service"), ("x-user-id", LONG)), "x-user-id"),
    ((("x-user-id", "ann"), ("x-teams", "a"), ("x-teams", "b")), "x-teams"),
)


@every_rpc
async def test_P3_who_one_is_has_to_be_said_once_and_well(server: Server, sender: Phone, rpc: str) -> None:
    async with Onlookers(server):
        for metadata, key in BAD_IDENTITIES:
            error = await send(sender, rpc, encode(rpc, {}), metadata)

            assert error is not None, f"{metadata} was taken"
            assert error.code == grpc.StatusCode.UNAUTHENTICATED, f"{metadata}: {error}"
            assert error.reason == "BAD_IDENTITY"
            assert error.metadata["key"] == key, f"{metadata}: {error}"
        token = await send(sender, rpc, encode(rpc, {}), (*sender.metadata, ("authorization", "Bearer x")))
        assert token is not None
        assert (token.code, token.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BAD_TOKEN")


async def test_X5_hostile_metadata_of_no_concern_changes_nothing(server: Server) -> None:
    ann = server.phone("ann")
    odd: Metadata = (
        ("x-unknown", "anything"),
        ("x-unknown-bin", bytes(range(256))),
        ("grpc-tags-bin", b"\xff"),
        *((f"x-many-{number}", "y" * 50) for number in range(50)),
    )
    async with Onlookers(server):
        assert await send(ann, "GetCall", encode("GetCall", {}), (*ann.metadata, *odd)) is None


async def test_P2_what_one_may_not_read_and_what_does_not_exist_answer_alike(server: Server) -> None:
    eve = server.phone("eve")
    verbs = [rpc for rpc, one in RPCS.items() if "id" in one.good and rpc != "GetOrCreateCall"]
    async with Onlookers(server):
        for rpc in verbs:
            hidden = await send(eve, rpc, encode(rpc, {}))
            missing = await send(eve, rpc, encode(rpc, {"id": "never-was"}))
            assert hidden is not None
            assert (hidden.code, hidden.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED"), rpc
            assert hidden == missing, rpc
        assert (await send(eve, "GetOrCreateCall", encode("GetOrCreateCall", {}))) is not None


async def test_P2_the_checks_on_the_request_alone_come_first(server: Server) -> None:
    error = await send(server.phone("eve"), "JoinCall", encode("JoinCall", {"id": "never-was", "mode": 99}))

    assert error is not None
    assert (error.code, error.fields) == (INVALID, ("mode",))


GOOD_NAMES = (
    "my friend",
    COMPOSED,
    "\U0001f514" * 255,
    "a:b:c",
    "x" * 255,
    "日本語",
    "../../etc/passwd",
    "%00",
    "'; --",
)


async def test_C9_every_name_that_is_allowed_works_as_user_call_and_device(server: Server) -> None:
    for name in GOOD_NAMES:
        ann, bob = server.phone("ann"), server.phone(name, name)
        screen = await bob.watch()
        rung = await ann.create(f"default:{name}", name, ring=True)
        assert (await screen.change()).call == rung.call
        joined = await bob.join(f"default:{name}", ring_id=rung.ring_id)
        assert joined.participant.user_id == name
        assert joined.participant.device_id == name
        assert set(await bob.snapshot(cids=[f"default:{name}"])) == {f"default:{name}"}
        await screen.cut()


async def test_C6_custom_data_up_to_the_bounds_come_back_as_they_were(server: Server) -> None:
    ann = server.phone("ann")
    for number, custom in enumerate((deep(8), {"x": "y" * 16_000}, {"n": 1e308, "l": [None, True, "", []], "": {}})):
        request = pb.GetOrCreateCallRequest.FromString(
            encode("GetOrCreateCall", {"id": f"call-{number}", "data": {"custom": custom}})
        )
        made = await ann.stub.GetOrCreateCall(request, **ann.options)
        assert json_format.MessageToDict(made.call.custom) == custom
        assert (await ann.get(f"call-{number}")).call == made.call


async def test_an_unknown_method_is_UNIMPLEMENTED(server: Server) -> None:
    error = await send(server.phone("ann"), "Nonsense", b"")

    assert error is not None
    assert error.code == grpc.StatusCode.UNIMPLEMENTED


async def test_X5_a_thousand_bad_requests_at_once_disturb_nobody(server: Server) -> None:
    ann = server.phone("ann")
    raws = [encode("GetOrCreateCall", changed) for changed, _ in RPCS["GetOrCreateCall"].bad]
    async with Onlookers(server):
        for _ in range(10):
            errors = await asyncio.gather(
                *(send(ann, "GetOrCreateCall", raws[number % len(raws)]) for number in range(100))
            )
            assert all(error is not None and error.code == INVALID for error in errors)
