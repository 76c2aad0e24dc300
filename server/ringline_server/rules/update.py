"""Changing what a call says of itself."""

from __future__ import annotations

from typing import Any

from ringline_server.rules.access import require
from ringline_server.rules.commands import Update
from ringline_server.rules.draft import Draft
from ringline_server.rules.outcome import Answer, Refusal
from ringline_server.rules.settings import FIELDS
from ringline_server.rules.terms import Capability, EventType, Reason
from ringline_server.rules.value import replace


def update(draft: Draft, command: Update) -> Answer:
    """UpdateCall."""
    require(draft.call, draft.context, Capability.UPDATE_CALL)
    call = draft.call
    if command.expected_revision is not None and command.expected_revision != call.revision:
        raise Refusal(
            Reason.REVISION_MISMATCH,
            f"The call is at revision {call.revision}, not {command.expected_revision}. Read it, apply your change to "
            "what it is now, and try again with its revision.",
            {"revision": call.revision},
        )
    overrides: dict[str, Any] = {name: getattr(command.settings, name) for name in FIELDS if name in command.fields}
    if "custom" in command.fields:
        call.custom = command.custom
    if "starts_at" in command.fields:
        call.starts_at = command.starts_at
    if overrides:
        call.settings = replace(call.settings, **overrides)
        draft.settings = call.settings.over(draft.context.call_type.settings)
    if call != draft.before:
        draft.emit(EventType.CALL_UPDATED)
    return Answer()
