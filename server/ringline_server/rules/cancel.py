"""Taking back one's own ring (chapter K)."""

from __future__ import annotations

from ringline_server.rules.access import require_user
from ringline_server.rules.call import Call, Ring
from ringline_server.rules.commands import Cancel
from ringline_server.rules.draft import Draft
from ringline_server.rules.named_ring import named_ring
from ringline_server.rules.outcome import Answer, Refusal
from ringline_server.rules.terms import CallState, EndReason, EventType, Reason, RingState


def cancel(draft: Draft, command: Cancel) -> Answer:
    """CancelCall."""
    user = require_user(draft.context, "cancel")
    call = draft.call
    named = named_ring(call, command.ring_id)
    own = [ring for ring in call.rings if ring.ringer_id == user]
    meant = call.ring(named) if named else None
    if not own or (meant is not None and meant.ringer_id != user):
        raise Refusal(
            Reason.NOT_ALLOWED,
            "Only its ringer can cancel a ring. If the call rings you, use RejectCall.",
        )
    if not cancel_unanswered(draft, user, command.reason, only=named):
        _require_not_accepted(call, own[-1], named)
    return Answer()


def cancel_unanswered(draft: Draft, user: str, reason: str, *, only: int | None = None) -> bool:
    """Cancel the user's unanswered rings, or ``only`` the one with that number (K1); return whether there was one."""
    rings = [
        ring for ring in draft.call.rings if ring.ringer_id == user and ring.unanswered and only in (None, ring.number)
    ]
    for ring in rings:
        ringing = [one for one, target in ring.targets.items() if target.rings]
        draft.cancel_ring(ring, EndReason.CANCELLED, reason or "cancel")
        draft.emit(EventType.CALL_CANCELLED, ring=ring.number, subjects=ringing, reason=reason or "cancel", main=True)
    return bool(rings)


def _require_not_accepted(call: Call, latest: Ring, named: int | None) -> None:
    """Refuse a ringer whose latest ring of this session was answered, while the call is active (K2, J4)."""
    if (
        call.state is CallState.ACTIVE
        and latest.session == call.session
        and named in (None, latest.number)
        and latest.state is RingState.ACCEPTED
    ):
        raise Refusal(
            Reason.ALREADY_ACCEPTED,
            f"Your ring was accepted by {latest.accepted_by_id!r}. Hang up with LeaveCall.",
            {
                "ring_id": call.ring_id(latest.number),
                "accepted_by": latest.accepted_by_id,
                "state": call.state,
                "revision": call.revision,
            },
        )
