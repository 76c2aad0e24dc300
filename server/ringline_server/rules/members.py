"""Adding, changing and removing members (chapter M)."""

from __future__ import annotations

from ringline_server.rules.access import require, require_user
from ringline_server.rules.call import Member
from ringline_server.rules.commands import MemberInput, UpdateMembers
from ringline_server.rules.create import MAX_MEMBERS
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer, invalid_field
from ringline_server.rules.ring import ring
from ringline_server.rules.terms import Capability, EndReason, EventType, TargetState
from ringline_server.rules.value import replace


def update_members(draft: Draft, command: UpdateMembers) -> Answer:
    """UpdateCallMembers."""
    user = draft.context.actor.user_id
    leaves_only = not command.upsert and not command.ring and set(command.remove) == {user}
    if not (leaves_only and user):
        require(draft.call, draft.context, Capability.UPDATE_CALL_MEMBER)
    if command.ring:
        require_user(draft.context, "ring")
        if not command.upsert:
            raise invalid_field("upsert_members", "must name the members to ring when ring is true")
    creator = draft.call.created_by_id
    if creator in command.remove:
        path = f"remove_user_ids[{command.remove.index(creator)}]"
        raise invalid_field(path, "must not be the call's creator, who is always a member")
    removed = [one for one in command.remove if one in draft.call.members]
    if removed:
        _remove(draft, removed)
    if command.upsert:
        _upsert(draft, command.upsert)
    if command.ring:
        asked = [member.user_id for member in command.upsert]
        return ring(draft, asked, path="upsert_members[{}].user_id", whole="upsert_members", video=command.video)
    return Answer()


def _upsert(draft: Draft, inputs: tuple[MemberInput, ...]) -> None:
    members = dict(draft.call.members)
    added, changed = [], []
    for one in inputs:
        old = members.get(one.user_id)
        if old is None:
            members[one.user_id] = Member(
                one.user_id, one.role or "call_member", one.custom or b"", draft.now, draft.now
            )
            added.append(one.user_id)
            continue
        role = "host" if one.user_id == draft.call.created_by_id else one.role or old.role
        custom = old.custom if one.custom is None else one.custom
        if (role, custom) != (old.role, old.custom):
            members[one.user_id] = replace(old, role=role, custom=custom, updated_at=draft.now)
            changed.append(one.user_id)
    if len(members) > MAX_MEMBERS:
        raise invalid_field("upsert_members", f"a call has at most {MAX_MEMBERS} members; this would be {len(members)}")
    draft.call.members = members
    draft.touch(*added, *changed)
    if added:
        draft.emit(EventType.MEMBER_ADDED, subjects=added)
    if changed:
        draft.emit(EventType.MEMBER_UPDATED, subjects=changed)


def _remove(draft: Draft, users: list[str]) -> None:
    """Remove members; for them that is cancel, being cancelled, and leave (M2)."""
    gone = set(users)
    members = {user: member for user, member in draft.call.members.items() if user not in gone}
    draft.call.members = members
    draft.touch(*users)
    draft.emit(EventType.MEMBER_REMOVED, subjects=users, main=True)
    for one in draft.call.rings:
        alerted = [user for user, target in one.targets.items() if target.rings and user in gone]
        if alerted:
            draft.finish_targets(
                one,
                alerted,
                TargetState.CANCELLED,
                reason="removed",
                end_reason=EndReason.CANCELLED,
                own_removal=True,
            )
    for one in draft.call.rings:
        if one.unanswered and one.ringer_id in gone:
            draft.cancel_ring(one, EndReason.CANCELLED, "removed")
            draft.emit(EventType.CALL_CANCELLED, ring=one.number, reason="removed")
    leaving = [one for one in draft.call.participants if one.user_id in gone]
    if leaving:
        draft.depart(leaving, "removed")
