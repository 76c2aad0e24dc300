"""Ringing members of a call (chapter R, C5)."""

from __future__ import annotations

from collections.abc import Sequence

from ringline_server.rules.accept import answer, come_in
from ringline_server.rules.access import require, require_user
from ringline_server.rules.call import Call
from ringline_server.rules.commands import RingMembers
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer, AskedTarget, Refusal, ended_metadata, invalid_field
from ringline_server.rules.terms import Capability, EventType, Reason, SkipReason

MAX_OPEN_RINGS = 20
"""How many rings of one call may be open at once (R6)."""


def ring_members(draft: Draft, command: RingMembers) -> Answer:
    """RingCall."""
    require_user(draft.context, "ring")
    return ring(draft, command.user_ids, path="user_ids[{}]", whole="user_ids", video=command.video)


def ring(draft: Draft, asked: Sequence[str], *, path: str, whole: str, video: bool) -> Answer:
    """Ring the asked members, all if none is asked, for the acting user.

    ``path`` names the request's field of the n-th asked member and ``whole`` that of all, for errors.
    """
    user = require_user(draft.context, "ring")
    require(draft.call, draft.context, Capability.RING_CALL)
    if draft.call.ended_for_good:
        raise Refusal(
            Reason.CALL_ENDED,
            "The call was ended for everyone and cannot ring again. Create a call with another id.",
            ended_metadata(draft.call),
        )
    _require_members(draft.call, asked, path)
    users = list(asked or draft.call.members)
    if not set(users) - {user}:
        raise invalid_field(whole, "name a member to ring beside yourself, or add one to the call first")
    if draft.call.session_over:
        draft.begin_session()
    connected = _connect(draft, user, set(users))
    fresh = [one for one in users if _skip(draft.call, user, one) is None]
    started = 0
    if fresh:
        _require_room(draft)
        started = draft.start_ring(fresh, video=video, main=not connected).number
    targets = tuple(_asked_target(draft.call, user, one, set(fresh)) for one in users)
    number = started or _alerting(draft.call, targets) or connected or _brought_in(draft.call, user, targets)
    if not number:
        raise Refusal(
            Reason.NOBODY_TO_RING,
            "Nobody of those you asked for can be rung: "
            + ", ".join(f"{one.user_id!r} is {one.skip_reason}" for one in targets[:10])
            + ". Ring members who are neither in the call nor ringing.",
        )
    return Answer(ring_id=draft.call.ring_id(number), targets=targets)


def _require_members(call: Call, asked: Sequence[str], path: str) -> None:
    strangers = [(path.format(i), one) for i, one in enumerate(asked) if one not in call.members]
    if strangers:
        raise Refusal(
            Reason.NOT_A_MEMBER,
            f"Not members of the call: {', '.join(repr(one) for _, one in strangers[:10])}. Add them with "
            "UpdateCallMembers first, which can ring them in the same step.",
            {"field": strangers[0][0], "user_id": strangers[0][1]},
            tuple((where, "must be a member of the call") for where, _ in strangers),
        )


def _connect(draft: Draft, user: str, asked: set[str]) -> int:
    """Let a ringing target who rings, or one who rings a waiting ringer, join instead (R8); return by which ring."""
    connected = 0
    if (alerting := draft.call.ringing_target(user)) is not None:
        connected = alerting[0].number
        come_in(draft, user, draft.context.actor.device_id, connected)
    for waiting in draft.call.rings:
        present = draft.call.ring(waiting.number)
        caller = waiting.ringer_id
        if present is None or not present.waited_for or caller == user or caller not in asked:
            continue
        if draft.call.is_in(caller):
            continue
        connected = waiting.number
        if not draft.call.is_in(user):
            come_in(draft, user, draft.context.actor.device_id, connected)
        if (present := draft.call.ring(waiting.number)) is not None and present.unanswered:
            draft.emit(EventType.CALL_ACCEPTED, ring=connected, subjects=[user], main=True)
            answer(draft, present, user)
    return connected


def _skip(call: Call, ringer: str, user: str) -> SkipReason | None:
    if user == ringer:
        return SkipReason.RINGER
    if call.is_in(user):
        return SkipReason.JOINED
    if call.ringing_target(user) is not None:
        return SkipReason.RINGING
    return None


def _asked_target(call: Call, ringer: str, user: str, fresh: set[str]) -> AskedTarget:
    skip = None if user in fresh else _skip(call, ringer, user)
    found = call.ringing_target(user)
    if found is None and skip is SkipReason.JOINED:
        number = next(one.ring for one in call.participants if one.user_id == user)
        brought = call.ring(number)
        target = brought.target(user) if brought else None
        found = (brought, target) if brought and target else None
    if found is None:
        return AskedTarget(user, skip_reason=skip)
    return AskedTarget(user, call.ring_id(found[0].number), found[1], skip)


def _alerting(call: Call, targets: Sequence[AskedTarget]) -> int:
    """Return the open ring that alerts the first asked member who rings."""
    for one in targets:
        if one.skip_reason is SkipReason.RINGING:
            return call.ring_number(one.ring_id) or 0
    return 0


def _brought_in(call: Call, ringer: str, targets: Sequence[AskedTarget]) -> int:
    """Return the ringer's own ring, if their rings brought in everybody asked for (C5)."""
    numbers = []
    for asked in targets:
        if asked.skip_reason is SkipReason.RINGER:
            continue
        number = next((one.ring for one in call.participants if one.user_id == asked.user_id), 0)
        brought = call.ring(number)
        if brought is None or brought.ringer_id != ringer:
            return 0
        numbers.append(number)
    return max(numbers, default=0)


def _require_room(draft: Draft) -> None:
    open_rings = [one for one in draft.call.rings if one.open]
    if len(open_rings) < MAX_OPEN_RINGS:
        return
    frees = min(max(target.expires_at for target in one.targets.values() if target.rings) for one in open_rings)
    raise Refusal(
        Reason.TOO_MANY_RINGS,
        f"{MAX_OPEN_RINGS} rings of this call are open, which is the most. Wait until one is over, or cancel one.",
        {"limit": MAX_OPEN_RINGS},
        retry_after=max(frees - draft.now, 0),
    )
