"""Creating a call, or finding it (chapter C)."""

from __future__ import annotations

from ringline_server.rules.access import require_create, require_readable, require_user
from ringline_server.rules.call import Call, Member
from ringline_server.rules.commands import GetOrCreate, MemberInput
from ringline_server.rules.context import Context
from ringline_server.rules.draft import Draft
from ringline_server.rules.notify import notify
from ringline_server.rules.outcome import Answer, invalid_field
from ringline_server.rules.ring import ring
from ringline_server.rules.terms import EventType

MAX_MEMBERS = 500
"""How many members a call may have (C6)."""


def get_or_create(
    call: Call | None, key: tuple[str, str], command: GetOrCreate, context: Context, now: int
) -> tuple[Draft, Answer]:
    """GetOrCreateCall."""
    if call is not None:
        return _get(Draft(require_readable(call, context), context, now), command)
    user = require_user(context, "create")
    require_create(context)
    actor = context.actor
    if command.team and not actor.service_id and command.team not in actor.teams:
        raise invalid_field("data.team", "must be one of the teams in your credentials, or empty")
    if command.ring and user not in {member.user_id for member in command.members}:
        raise invalid_field("data.members", f"must list the creator {user!r} too when ring is true")
    call = Call(
        type=key[0],
        id=key[1],
        uid=context.new_uid,
        created_by_id=user,
        created_at=now,
        updated_at=now,
        team=command.team,
        custom=command.custom,
        settings=command.settings,
        starts_at=command.starts_at,
        members=_members(user, command.members, now),
    )
    draft = Draft(call, context, now)
    draft.touch_all()
    draft.emit(EventType.CALL_CREATED, subjects=[member for member in call.members if member != user])
    answer = Answer()
    if command.ring:
        answer = ring(draft, (), path="data.members[{}].user_id", whole="data.members", video=command.video)
    if command.notify:
        notify(draft, video=command.video)
    return draft, Answer(created=True, ring_id=answer.ring_id, targets=answer.targets)


def _members(creator: str, given: tuple[MemberInput, ...], now: int) -> dict[str, Member]:
    """Return the first members: the given ones and the creator, who is a host whatever was given (P1)."""
    inputs = {member.user_id: member for member in given}
    if creator not in inputs:
        inputs = {creator: MemberInput(creator), **inputs}
    members = {
        user: Member(user, "host" if user == creator else one.role or "call_member", one.custom or b"", now, now)
        for user, one in inputs.items()
    }
    if len(members) > MAX_MEMBERS:
        raise invalid_field("data.members", f"a call has at most {MAX_MEMBERS} members, its creator included")
    return members


def _get(draft: Draft, command: GetOrCreate) -> tuple[Draft, Answer]:
    """Answer with the call that exists; ``members`` then are whom to ring (C2)."""
    answer = Answer()
    if command.ring:
        asked = [member.user_id for member in command.members]
        answer = ring(draft, asked, path="data.members[{}].user_id", whole="data.members", video=command.video)
    if command.notify:
        notify(draft, video=command.video)
    return draft, answer
