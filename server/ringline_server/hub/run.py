"""Several steps of one large call in a batch: most streams need to know only what they come to.

When hundreds answer at a time, each step concerns two or three of them, and all of them watch the call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ringline_server.rules.value import replace
from ringline_server.store.port import Step

LARGE = 50
"""Members of a call from which on it is worth while."""


class Run:
    """All steps of one call in a batch."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.first = steps[0]
        self.users = frozenset().union(*[step.touched or () for step in steps])
        """Whom at least one of the steps concerns. To their streams each of them matters."""
        self.whole = replace(
            steps[-1], first=self.first.first, before=self.first.before, touched=frozenset(), notification=None
        )
        """All of them as one step, for everybody else; it stands in the place of the first."""


def runs_of(steps: Sequence[Step]) -> Mapping[str, Run]:
    """Return the runs of a batch, by the uids of their calls; mostly there are none."""
    of_call: defaultdict[str, list[Step]] = defaultdict(list)
    for step in steps:
        if len(step.call.members) > LARGE:
            of_call[step.call.uid].append(step)
    return {
        uid: Run(run) for uid, run in of_call.items() if len(run) > 1 and all(step.touched is not None for step in run)
    }
