"""Leaving a call, or being lost from it (chapter L, T6)."""

from __future__ import annotations

from ringline_server.rules.access import require_user
from ringline_server.rules.cancel import cancel_unanswered
from ringline_server.rules.commands import Leave, Lose
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer


def leave(draft: Draft, command: Leave) -> Answer:
    """LeaveCall."""
    user = require_user(draft.context, "leave")
    device = draft.context.actor.device_id
    mine = [one for one in draft.call.participants if one.user_id == user]
    leaving = [one for one in mine if not device or one.device_id in (device, "")]
    if leaving:
        draft.depart(leaving, command.reason, main=True)
    elif not mine and any(ring.ringer_id == user and ring.waited_for for ring in draft.call.rings):
        cancel_unanswered(draft, user, command.reason)
    return Answer()


def lose(draft: Draft, command: Lose) -> Answer:
    """End the participation of a device that shows no sign of life (T6)."""
    lost = [
        one for one in draft.call.participants if one.user_id == command.user_id and one.device_id == command.device_id
    ]
    if lost:
        draft.depart(lost, "lost", main=True)
    return Answer()
