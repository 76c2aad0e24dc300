"""What a decided step means for the store: its position, the users' rows that change, the call's next deadline."""

from __future__ import annotations

from ringline_server.rules.call import Call
from ringline_server.rules.deadline import next_deadline
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import Settings
from ringline_server.rules.viewer import Relation, relation
from ringline_server.store.port import Step, Write


def write_of(before: Call | None, decision: Decision, after: int, base: Settings) -> Write:
    """Return the write of a decision that changed something.

    ``after`` is the position of the event before its first; ``base`` are the settings of the call's type.
    """
    call = decision.call
    due = next_deadline(call, base)
    return Write(
        step=Step(
            position=after + len(decision.events),
            first=after + 1,
            before=before,
            call=call,
            events=decision.events,
            notification=decision.notification,
            touched=decision.touched,
        ),
        relations=_changed_relations(before, decision),
        due=due,
        due_changed=due != (None if before is None else next_deadline(before, base)),
    )


def _changed_relations(before: Call | None, decision: Decision) -> tuple[tuple[str, Relation], ...]:
    """Return the rows that become others, and no more: a step among 500 members is then cheap to write."""
    call = decision.call
    if before is None:
        return tuple((user, relation(call, user)) for user in call.known_users())
    users = decision.touched
    if users is None:
        users = frozenset(before.known_users() | call.known_users())
    changed = []
    for user in users:
        now = relation(call, user)
        if now != relation(before, user):
            changed.append((user, now))
    return tuple(changed)
