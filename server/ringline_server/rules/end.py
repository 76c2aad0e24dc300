"""Ending a call for everyone (E1)."""

from __future__ import annotations

from ringline_server.rules.access import require
from ringline_server.rules.commands import End
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer
from ringline_server.rules.terms import Capability, EndReason, EventType


def end(draft: Draft, command: End) -> Answer:
    """EndCall: for everyone and for good, also when the call had stopped by itself."""
    require(draft.call, draft.context, Capability.END_CALL)
    if draft.call.ended_for_good:
        return Answer()
    draft.emit(EventType.CALL_ENDED, reason=command.reason, main=True)
    for ring in draft.call.rings:
        if ring.open:
            draft.cancel_ring(ring, EndReason.ENDED_BY_USER, command.reason)
    draft.put_out("ended")
    call = draft.call
    if not call.ended:
        call.ended_at = draft.now
    call.session_over = call.ended = call.ended_for_good = True
    call.ended_by_id = draft.context.actor.user_id
    call.end_reason = EndReason.ENDED_BY_USER
    draft.touch_all()
    return Answer()
