"""Time: what is due, and when the next is (chapter T)."""

from __future__ import annotations

from ringline_server.rules.call import Call
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer
from ringline_server.rules.settings import Settings
from ringline_server.rules.settle import settle
from ringline_server.rules.terms import EndReason, EventType, TargetState


def next_deadline(call: Call, base: Settings) -> int | None:
    """Return when the next thing of this call is due, if anything is. ``base`` are its type's settings."""
    due = []
    for ring in call.rings:
        if ring.ended_at is not None:
            continue
        if (stop := ring.next_stop) is not None:
            due.append(stop)
        if ring.unanswered:
            due.append(ring.expires_at)
    if call.participants and call.started_at is not None:
        due.append(call.started_at + call.settings.over(base).max_duration)
    return min(due, default=None)


def tick(draft: Draft) -> Answer:
    """Decide everything that is due: T1 and T2 in one step, then the end of a session that lasted too long (T3)."""
    now = draft.now
    for ring in draft.call.rings:
        over = ring.unanswered and ring.expires_at <= now
        late = [user for user, target in ring.targets.items() if target.rings and (over or target.expires_at <= now)]
        if late:
            draft.finish_targets(ring, late, TargetState.MISSED)
    draft.emit_missed()
    settle(draft)
    call = draft.call
    if call.participants and call.started_at is not None and call.started_at + draft.settings.max_duration <= now:
        _end_long_session(draft)
    return Answer()


def _end_long_session(draft: Draft) -> None:
    draft.emit(EventType.CALL_ENDED, reason="max_duration", main=True)
    for ring in draft.call.rings:
        if ring.open:
            draft.cancel_ring(ring, EndReason.MAX_DURATION, "max_duration")
    draft.put_out("max_duration")
    draft.over_reason = EndReason.MAX_DURATION
