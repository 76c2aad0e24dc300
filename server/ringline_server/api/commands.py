"""What each RPC with an effect asks of a call: its request, checked, as a command of the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from ringline.v1 import call_pb2
from ringline.v1 import call_service_pb2 as pb
from ringline_server.api.settings import MASK_PATHS, settings_override
from ringline_server.api.splice import enum_terms
from ringline_server.api.validate import Checks
from ringline_server.rules.call import Role
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    MemberInput,
    Reject,
    RingMembers,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import Actor
from ringline_server.rules.settings import FIELDS
from ringline_server.rules.terms import JoinMode

MAX_CALL_CUSTOM = 16 * 1024
MAX_MEMBER_CUSTOM = 1024
"""Bytes of ``custom``, encoded (C6)."""

_ROLES: Mapping[str, Role | None] = {"": None, "call_member": "call_member", "host": "host"}
_JOIN_MODES = enum_terms(call_pb2.JoinMode, "JOIN_MODE", JoinMode)

ToCommand = Callable[[Any, Checks, Actor], Command]
"""Makes a command of a request of the verb's own type; what is wrong with the request is noted in the checks."""


@dataclass(frozen=True, slots=True)
class Verb:
    """An RPC that asks something of one call."""

    request: type[Message]
    """Has ``type``, ``id`` and ``request_id``."""
    command: ToCommand
    has_device: bool = True
    """Whether the request has a ``device_id``."""


def _get_or_create(request: pb.GetOrCreateCallRequest, checks: Checks, actor: Actor) -> Command:
    data = request.data
    if data.created_by_id and data.created_by_id != actor.user_id:
        checks.bad("data.created_by_id", "must be the acting user, or be left out; to create as another, act as them")
    return GetOrCreate(
        members=_members("data.members", data.members, checks),
        custom=checks.custom("data.custom", data.custom, MAX_CALL_CUSTOM),
        settings=settings_override("data.settings", data.settings, checks),
        starts_at=checks.timestamp("data.starts_at", data.starts_at) if data.HasField("starts_at") else None,
        team=checks.text("data.team", data.team),
        ring=request.ring,
        notify=request.notify,
        video=request.video,
    )


def _get(request: pb.GetCallRequest, _checks: Checks, _actor: Actor) -> Command:
    return Get(request.ring, request.notify, request.video)


def _update(request: pb.UpdateCallRequest, checks: Checks, _actor: Actor) -> Command:
    if request.expected_revision < 0:
        checks.bad("expected_revision", "must be a call's revision, or be left out")
    settings = settings_override("settings", request.settings, checks)
    if request.update_mask.paths:
        fields: set[str] = set()
        for index, path in enumerate(checks.few("update_mask.paths", request.update_mask.paths)):
            if path not in MASK_PATHS:
                checks.bad(f"update_mask.paths[{index}]", "must be one of " + ", ".join(MASK_PATHS))
            fields |= MASK_PATHS.get(path, frozenset())
    else:
        fields = {name for name in ("custom", "starts_at") if request.HasField(name)}
        fields |= {name for name in FIELDS if getattr(settings, name) is not None}
    return Update(
        fields=frozenset(fields),
        custom=checks.custom("custom", request.custom, MAX_CALL_CUSTOM),
        settings=settings,
        starts_at=checks.timestamp("starts_at", request.starts_at) if request.HasField("starts_at") else None,
        expected_revision=request.expected_revision or None,
    )


def _update_members(request: pb.UpdateCallMembersRequest, checks: Checks, _actor: Actor) -> Command:
    upsert = _members("upsert_members", request.upsert_members, checks)
    remove = checks.users("remove_user_ids", request.remove_user_ids)
    added = {member.user_id: index for index, member in enumerate(upsert)}
    for index, user in enumerate(remove):
        if user in added:
            checks.bad(f"remove_user_ids[{index}]", f"must not name the user of upsert_members[{added[user]}] too")
    return UpdateMembers(upsert, remove, request.ring, request.video)


def _ring(request: pb.RingCallRequest, checks: Checks, _actor: Actor) -> Command:
    return RingMembers(checks.users("user_ids", request.user_ids), request.video)


def _join(request: pb.JoinCallRequest, checks: Checks, _actor: Actor) -> Command:
    mode = checks.term("mode", request.mode, _JOIN_MODES, JoinMode.SINGLE_DEVICE)
    return Join(checks.text("ring_id", request.ring_id), mode)


def _reject(request: pb.RejectCallRequest, checks: Checks, _actor: Actor) -> Command:
    return Reject(checks.text("ring_id", request.ring_id), checks.text("reason", request.reason))


def _cancel(request: pb.CancelCallRequest, checks: Checks, _actor: Actor) -> Command:
    return Cancel(checks.text("ring_id", request.ring_id), checks.text("reason", request.reason))


def _leave(request: pb.LeaveCallRequest, checks: Checks, _actor: Actor) -> Command:
    return Leave(checks.text("reason", request.reason))


def _end(request: pb.EndCallRequest, checks: Checks, _actor: Actor) -> Command:
    return End(checks.text("reason", request.reason))


def _members(path: str, inputs: Sequence[pb.MemberInput], checks: Checks) -> tuple[MemberInput, ...]:
    inputs = checks.few(path, inputs)
    checks.distinct(path + "[{}].user_id", [one.user_id for one in inputs])
    members = []
    for index, one in enumerate(inputs):
        here = f"{path}[{index}]"
        if one.role not in _ROLES:
            checks.bad(f"{here}.role", "must be call_member or host, or be left out")
        custom = checks.custom(f"{here}.custom", one.custom, MAX_MEMBER_CUSTOM) if one.HasField("custom") else None
        members.append(MemberInput(one.user_id, _ROLES.get(one.role), custom))
    return tuple(members)


VERBS: Mapping[str, Verb] = {
    "GetOrCreateCall": Verb(pb.GetOrCreateCallRequest, _get_or_create),
    "GetCall": Verb(pb.GetCallRequest, _get),
    "UpdateCall": Verb(pb.UpdateCallRequest, _update, has_device=False),
    "UpdateCallMembers": Verb(pb.UpdateCallMembersRequest, _update_members),
    "RingCall": Verb(pb.RingCallRequest, _ring),
    "JoinCall": Verb(pb.JoinCallRequest, _join),
    "RejectCall": Verb(pb.RejectCallRequest, _reject),
    "CancelCall": Verb(pb.CancelCallRequest, _cancel),
    "LeaveCall": Verb(pb.LeaveCallRequest, _leave),
    "EndCall": Verb(pb.EndCallRequest, _end, has_device=False),
}
"""The RPCs that are commands, by name."""
