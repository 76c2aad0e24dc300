"""Notifying members without ringing them, and getting a call (chapter N)."""

from __future__ import annotations

from ringline_server.rules.access import require_notify
from ringline_server.rules.commands import Get
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer, Notification
from ringline_server.rules.ring import ring
from ringline_server.rules.terms import EventType


def get(draft: Draft, command: Get) -> Answer:
    """GetCall: a plain one has no effect (N2)."""
    answer = Answer()
    if command.ring:
        answer = ring(draft, (), path="", whole="ring", video=command.video)
    if command.notify:
        notify(draft, video=command.video)
    return answer


def notify(draft: Draft, *, video: bool) -> None:
    """Tell every other member once (N1)."""
    require_notify(draft.call, draft.context)
    user = draft.context.actor.user_id
    draft.call.last_notified_at = draft.now
    draft.call.last_notified_by_id = user
    draft.notification = Notification(user, video, draft.now)
    draft.emit(EventType.CALL_NOTIFICATION, subjects=[member for member in draft.call.members if member != user])
