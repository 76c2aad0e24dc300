"""What a call is to one user: derived from the call alone, so that live and resumed streams agree."""

from __future__ import annotations

from collections.abc import Sequence

from ringline_server.rules.call import Call, Ring, Target
from ringline_server.rules.terms import (
    CallingState,
    Direction,
    EndReason,
    Gone,
    RingState,
    StopReason,
    TargetState,
)
from ringline_server.rules.value import value

Part = tuple[Ring, Target | None]
"""A user's part in a ring: the target of it that they are, or None if they are its ringer. Nobody rings themselves."""


@value
class ViewerState:
    """A user's side of a call, without their capabilities."""

    user_id: str
    direction: Direction | None
    calling_state: CallingState
    created_by_me: bool
    ring_id: str = ""
    ringer_id: str = ""
    video: bool = False
    target_state: TargetState | None = None
    device_id: str = ""
    ring_expires_at: int | None = None
    last_ring: int = 0
    """The number of the latest ring that they have a part in; 0 if there is none."""
    missed: bool = False
    """Whether they missed that one."""


@value
class Relation:
    """The part of a user's side by which calls are found again: one row of the store's."""

    ended: bool
    calling_state: CallingState
    direction: Direction | None
    last_ring: int
    missed: bool
    listed: bool
    """Whether the call is in the user's list: they are a member, ring or are in."""
    member: bool


def _parts(call: Call, user_id: str) -> list[Part]:
    """Return the user's parts in the rings that they have one in, the latest first."""
    return [
        (ring, target)
        for ring in reversed(call.rings)
        if (target := ring.targets.get(user_id)) is not None or ring.ringer_id == user_id
    ]


def latest_ring(call: Call, user_id: str) -> Part | None:
    """Return the user's part in the latest ring that they have one in."""
    parts = _parts(call, user_id)
    return parts[0] if parts else None


def viewer_state(call: Call, user_id: str) -> ViewerState:
    """Return what the call, which is no draft's any more, is to the user; worked out once."""
    view = call.views.get(user_id)
    if view is None:
        view = call.views[user_id] = _view(call, user_id)
    return view


def _view(call: Call, user_id: str) -> ViewerState:
    parts = _parts(call, user_id)
    state = _calling_state(call, user_id, parts)
    mine = user_id == call.created_by_id
    if not parts:
        return ViewerState(user_id, None, state, mine)
    latest, as_target = parts[0]
    last_ring, missed = latest.number, as_target is not None and as_target.missed
    present = _present(call, parts)
    if present is None:
        return ViewerState(user_id, None, state, mine, last_ring=last_ring, missed=missed)
    ring, target = present
    if target is None:
        direction, target_state = Direction.OUTGOING, None
        device, expiry = ring.ringer_device_id, _ringer_expiry(ring)
    else:
        direction, target_state = Direction.INCOMING, target.state
        device, expiry = target.device_id, _target_expiry(ring, target)
    return ViewerState(
        user_id,
        direction,
        state,
        mine,
        call.ring_id(ring.number),
        ring.ringer_id,
        ring.video,
        target_state,
        device,
        expiry,
        last_ring,
        missed,
    )


def _calling_state(call: Call, user_id: str, parts: Sequence[Part]) -> CallingState:
    """Return the calling state of a viewer who has these parts."""
    if user_id in call.users_in:
        return CallingState.JOINED
    went = user_id in call.gone
    for ring, target in parts:
        if ring.session != call.session:
            continue
        if ring.waited_for if target is None else target.rings:
            return CallingState.RINGING
        went = True
    return CallingState.LEFT if went else CallingState.IDLE


def _present(call: Call, parts: Sequence[Part]) -> Part | None:
    """Return the part to see: where the user is alerted, else where they ring unanswered, else the session's latest."""
    own = latest = None
    for part in parts:
        ring, target = part
        if target is None:
            if own is None and ring.unanswered:
                own = part
        elif target.rings:
            return part
        if latest is None and ring.session == call.session:
            latest = part
    return own or latest


def _ringer_expiry(ring: Ring) -> int | None:
    """Return when the ring stops for its ringer, if it is going on for them (R3)."""
    if not ring.waited_for:
        return None
    return min(ring.expires_at, max([target.expires_at for target in ring.targets.values() if target.rings]))


def _target_expiry(ring: Ring, target: Target) -> int | None:
    """Return when the ring stops for a target, if it is going on for them (R3)."""
    if not target.rings:
        return None
    return min(target.expires_at, ring.expires_at) if ring.unanswered else target.expires_at


def relation(call: Call, user_id: str) -> Relation:
    """Return the store's row for the user, of a call that is no draft's any more; worked out once."""
    row = call.relations.get(user_id)
    if row is None:
        row = call.relations[user_id] = _relation(call, user_id)
    return row


def _relation(call: Call, user_id: str) -> Relation:
    view = viewer_state(call, user_id)
    member = user_id in call.members
    listed = (
        member
        or view.calling_state is CallingState.JOINED
        or any(ring.ringer_id == user_id and ring.unanswered for ring in call.rings)
    )
    return Relation(call.ended, view.calling_state, view.direction, view.last_ring, view.missed, listed, member)


def stop_reason(call: Call, user_id: str, device_id: str, *, watches_joined: bool) -> StopReason | None:
    """Return why a call the user may read no longer matches their watch (W3), or None if nothing says.

    ``device_id`` is the stream's; ``watches_joined`` says whether its filter includes JOINED.
    """
    if watches_joined and not call.is_in(user_id) and (gone := call.gone.get(user_id)) is not None:
        return StopReason.LEFT if gone is Gone.LEFT else StopReason.ENDED
    latest = latest_ring(call, user_id)
    if latest is None:
        return None
    ring, target = latest
    if target is None:
        return _ringer_stop_reason(call, ring, device_id)
    elsewhere = bool(device_id) and bool(target.device_id) and target.device_id != device_id
    match target.state:
        case TargetState.ACCEPTED:
            return StopReason.ACCEPTED_ELSEWHERE if elsewhere else StopReason.ACCEPTED
        case TargetState.REJECTED:
            return StopReason.REJECTED_ELSEWHERE if elsewhere else StopReason.REJECTED
        case TargetState.MISSED:
            return StopReason.MISSED
        case TargetState.CANCELLED:
            return _cancelled(target.end_reason)
        case TargetState.RINGING:
            return None


def _ringer_stop_reason(call: Call, ring: Ring, device_id: str) -> StopReason | None:
    match ring.state:
        case RingState.ACCEPTED:
            mine = (one for one in call.participants if one.user_id == ring.ringer_id)
            acted = {one.device_id for one in mine if one.ring == ring.number}
            acted.add(ring.ringer_device_id)
            elsewhere = bool(device_id) and "" not in acted and device_id not in acted
            return StopReason.ACCEPTED_ELSEWHERE if elsewhere else StopReason.ACCEPTED
        case RingState.REJECTED:
            return StopReason.REJECTED
        case RingState.MISSED:
            return StopReason.MISSED
        case RingState.CANCELLED:
            return _cancelled(ring.end_reason)
        case RingState.RINGING:
            return None


def _cancelled(reason: EndReason | None) -> StopReason:
    ended = reason in (EndReason.ENDED_BY_USER, EndReason.MAX_DURATION)
    return StopReason.ENDED if ended else StopReason.CANCELLED
