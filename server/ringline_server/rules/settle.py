"""What follows of itself after every step: rings that close, the last one put out, the session that is over.

There is one stop rule (E3), and it is here.
"""

from __future__ import annotations

from ringline_server.rules.call import Call, Ring
from ringline_server.rules.draft import Draft
from ringline_server.rules.terms import EndReason, EventType, RingState, TargetState
from ringline_server.rules.value import replace

CLOSED_RINGS_KEPT = 8
"""How many closed rings a call keeps whole; older ones only as far as they are somebody's latest."""


def settle(draft: Draft) -> None:
    """Bring a call to rest: J2, L3, L5, E3, then what was missed (T8)."""
    _close_rings(draft)
    _cancel_abandoned(draft)
    _drop_when_alone(draft)
    _end_session(draft)
    draft.emit_missed()
    _forget_rings(draft)


def _close_rings(draft: Draft) -> None:
    """Close every ring of which no target rings any more (J2)."""
    for ring in draft.call.rings:
        if ring.ended_at is not None or ring.open:
            continue
        if ring.unanswered:
            draft.close_ring(ring, *_closing(ring))
        else:
            draft.set_ring(replace(ring, ended_at=draft.now))


def _closing(ring: Ring) -> tuple[RingState, EndReason]:
    states = {target.state for target in ring.targets.values()}
    if TargetState.MISSED in states:
        return RingState.MISSED, EndReason.NO_ANSWER
    if TargetState.REJECTED in states:
        refusals = {target.reason for target in ring.targets.values() if target.state is TargetState.REJECTED}
        return RingState.REJECTED, EndReason.BUSY if refusals == {"busy"} else EndReason.ALL_REJECTED
    return RingState.CANCELLED, EndReason.CANCELLED


def _cancel_abandoned(draft: Draft) -> None:
    """Cancel the open rings whose ringer does not wait when nobody is in (L3)."""
    if draft.call.participants:
        return
    for ring in draft.call.rings:
        if ring.open and not ring.waited_for:
            draft.cancel_ring(ring, EndReason.CANCELLED, "cancel")
            draft.emit(EventType.CALL_CANCELLED, ring=ring.number, reason="cancel")


def _drop_when_alone(draft: Draft) -> None:
    """Put out the only one left in a call that rang and rings no more (L5)."""
    call = draft.call
    if not draft.settings.drop_when_alone or not call.session_rang or call.session_over:
        return
    users = call.users_in
    if len(users) != 1 or any(ring.open for ring in call.rings):
        return
    if call.session_peak > 1:
        draft.over_reason = EndReason.LEFT_ALONE
    else:
        own = next((ring for ring in reversed(call.rings) if ring.ringer_id in users), None)
        if own is None or own.session != call.session or own.state is RingState.ACCEPTED:
            return
        draft.over_reason = own.end_reason
    draft.put_out("alone")


def _end_session(draft: Draft) -> None:
    """End the session if nobody is in and nobody rings (E3)."""
    call = draft.call
    used = call.session_rang or call.session_joined
    if call.session_over or not used or call.participants or any(ring.open for ring in call.rings):
        return
    reason = draft.over_reason or _reason_of_step(draft)
    ended = draft.settings.end_when_empty
    call.session_over, call.ended = True, ended
    call.ended_at, call.end_reason = draft.now, reason
    draft.touch_all()
    if ended and reason is not EndReason.MAX_DURATION:
        draft.emit(EventType.CALL_ENDED, reason=reason.lower())


def _reason_of_step(draft: Draft) -> EndReason:
    if draft.departed:
        return EndReason.EVERYONE_LEFT
    latest = draft.call.ring(max(draft.closed)) if draft.closed else None
    return (latest and latest.end_reason) or EndReason.CANCELLED


def _forget_rings(draft: Draft) -> None:
    """Keep the open rings, the latest closed ones, and of the older ones what is some user's latest."""
    rings = draft.call.rings
    closed = [ring.number for ring in rings if ring.ended_at is not None]
    if len(closed) <= CLOSED_RINGS_KEPT:
        return
    recent = set(closed[-CLOSED_RINGS_KEPT:])
    latest = _latest_rings(draft.call)
    kept = []
    for ring in rings:
        if ring.ended_at is None or ring.number in recent:
            kept.append(ring)
            continue
        targets = {user: target for user, target in ring.targets.items() if ring.number in latest.get(user, ())}
        if targets or ring.number in latest.get(ring.ringer_id, ()):
            kept.append(ring if len(targets) == len(ring.targets) else replace(ring, targets=targets))
    if len(kept) < len(rings) or any(a is not b for a, b in zip(kept, rings, strict=True)):
        draft.call.rings = tuple(kept)


def _latest_rings(call: Call) -> dict[str, set[int]]:
    """Return each user's latest ring as target, their latest as ringer, and the one that brought them in.

    Only of members, and of who rang, was rung or was in during this session: others are forgotten, or a call that is
    used for years would never stop growing.
    """
    latest: dict[str, set[int]] = {user: set() for user in (*call.members, *call.gone)}
    for ring in call.rings:
        if ring.session == call.session:
            latest |= {user: set() for user in (ring.ringer_id, *ring.targets)}
    for one in call.participants:
        latest.setdefault(one.user_id, set()).add(one.ring)
    seen: set[tuple[str, bool]] = set()
    for ring in reversed(call.rings):
        for user, is_ringer in ((ring.ringer_id, True), *((user, False) for user in ring.targets)):
            if user in latest and (user, is_ringer) not in seen:
                seen.add((user, is_ringer))
                latest[user].add(ring.number)
    return latest
