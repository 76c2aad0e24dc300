"""The rules of ringing as one pure function."""

from __future__ import annotations

from ringline_server.rules.accept import join
from ringline_server.rules.access import require_readable
from ringline_server.rules.call import Call
from ringline_server.rules.cancel import cancel
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    Get,
    GetOrCreate,
    Join,
    Leave,
    Lose,
    Reject,
    RingMembers,
    Tick,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import Context
from ringline_server.rules.create import get_or_create
from ringline_server.rules.deadline import tick
from ringline_server.rules.draft import Draft
from ringline_server.rules.end import end
from ringline_server.rules.leave import leave, lose
from ringline_server.rules.members import update_members
from ringline_server.rules.notify import get
from ringline_server.rules.outcome import Answer, Decision, Refusal
from ringline_server.rules.reject import reject
from ringline_server.rules.ring import ring_members
from ringline_server.rules.settle import settle
from ringline_server.rules.size import require_bounded
from ringline_server.rules.update import update


def decide(call: Call | None, key: tuple[str, str], command: Command, context: Context, now: int) -> Decision | Refusal:
    """Decide one command on the call with this type and id, which is None if it does not exist.

    ``now`` is microseconds since the epoch and does not go back between decisions on one call. A decision without
    events changes nothing; a refusal never does.
    """
    try:
        draft, answer = _run(call, key, command, context, now)
        settle(draft)
        require_bounded(call, draft.call)
    except Refusal as refusal:
        return refusal
    return draft.decision(answer)


def _run(call: Call | None, key: tuple[str, str], command: Command, context: Context, now: int) -> tuple[Draft, Answer]:
    if isinstance(command, GetOrCreate):
        return get_or_create(call, key, command, context, now)
    if isinstance(command, Tick | Lose) and call is not None:
        draft = Draft(call, context, now)
        return draft, tick(draft) if isinstance(command, Tick) else lose(draft, command)
    draft = Draft(require_readable(call, context), context, now)
    return draft, _apply(draft, command)


def _apply(draft: Draft, command: Command) -> Answer:
    match command:
        case Get():
            return get(draft, command)
        case Update():
            return update(draft, command)
        case UpdateMembers():
            return update_members(draft, command)
        case RingMembers():
            return ring_members(draft, command)
        case Join():
            return join(draft, command)
        case Reject():
            return reject(draft, command)
        case Cancel():
            return cancel(draft, command)
        case Leave():
            return leave(draft, command)
        case End():
            return end(draft, command)
        case GetOrCreate() | Tick() | Lose():
            return Answer()
