"""Refusing a ring (chapter J)."""

from __future__ import annotations

from ringline_server.rules.access import require_user
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Reject
from ringline_server.rules.draft import Draft
from ringline_server.rules.named_ring import named_ring
from ringline_server.rules.outcome import Answer, Refusal
from ringline_server.rules.terms import CallState, EventType, Reason, TargetState


def reject(draft: Draft, command: Reject) -> Answer:
    """RejectCall."""
    user = require_user(draft.context, "reject")
    call = draft.call
    named = named_ring(call, command.ring_id)
    alerting = call.ringing_target(user)
    if alerting is not None and named in (None, alerting[0].number):
        ring, reason = alerting[0], command.reason or "decline"
        device = draft.context.actor.device_id
        draft.finish_targets(ring, [user], TargetState.REJECTED, reason=reason, device_id=device)
        draft.emit(EventType.CALL_REJECTED, ring=ring.number, subjects=[user], reason=reason, main=True)
        return Answer()
    _require_not_accepted(call, user, named)
    if user not in call.members and not any(ring.target(user) for ring in call.rings):
        raise Refusal(
            Reason.NOT_ALLOWED,
            "Only a member of the call can reject it, and only one whom it rings has something to reject.",
        )
    return Answer()


def _require_not_accepted(call: Call, user: str, named: int | None) -> None:
    """Refuse who has accepted the latest ring that rang them in this session, while the call is active (J4)."""
    if call.state is not CallState.ACTIVE:
        return
    rang = ((ring, target) for ring in reversed(call.rings) if (target := ring.target(user)))
    latest = next(rang, None)
    if latest is None or latest[0].session != call.session or named not in (None, latest[0].number):
        return
    ring, target = latest
    if target.state is TargetState.ACCEPTED:
        raise Refusal(
            Reason.ALREADY_ACCEPTED,
            "You have accepted this ring. Hang up with LeaveCall.",
            {
                "ring_id": call.ring_id(ring.number),
                "accepted_by": user,
                "device_id": target.device_id,
                "state": call.state,
                "revision": call.revision,
            },
        )
