"""The steps of one large call in a batch: most streams need to know only what they come to.

When hundreds answer, each step concerns two or three of them, and all of them watch the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ringline_server.hub.watch import MANY_MEMBERS
from ringline_server.rules.value import replace
from ringline_server.store.port import Step


class Run:
    """All steps of one call in a batch."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.first = steps[0]
        self.users = frozenset().union(*[step.touched or () for step in steps])
        """Whom at least one of the steps concerns. To their streams each of them matters."""
        self.whole = replace(
            steps[-1],
            first=self.first.first,
            before=self.first.before,
            events=tuple([event for step in steps for event in step.events]),
            touched=frozenset(),
            notification=None,
        )
        """All of them as one step, for everybody else; it stands in the place of the first."""


def runs_of(steps: Sequence[Step]) -> Mapping[str, Run]:
    """Return the runs of a batch, by the uids of their calls; mostly there are none.

    A call is left out whole if one of its steps concerns all, or leaves it with few members: of such a call there are
    too few streams for this to be worth while.
    """
    runs = {}
    for uid in {step.call.uid for step in steps if len(step.call.members) > MANY_MEMBERS}:
        run = [step for step in steps if step.call.uid == uid]
        if all(step.touched is not None and len(step.call.members) > MANY_MEMBERS for step in run):
            runs[uid] = Run(run)
    return runs
