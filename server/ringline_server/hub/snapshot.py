"""What a stream begins with: the present calls, or what changed since its token (W2, W4, W9)."""

from __future__ import annotations

from collections.abc import Callable

from ringline_server.hub.filter import Filter
from ringline_server.hub.message import Change, Kind, TooManyCalls
from ringline_server.hub.token import ResetReason, Tokens
from ringline_server.rules.access import readable
from ringline_server.rules.call import Call
from ringline_server.rules.context import Actor, CallType
from ringline_server.rules.terms import CallingState, StopReason
from ringline_server.rules.value import value
from ringline_server.rules.viewer import stop_reason
from ringline_server.store.port import CallKey, Placed, Snapshot

MAX_SNAPSHOT_CALLS = 1000
"""With how many calls a user's stream may begin (W9)."""

MAX_RESUME_CHANGES = 1000
"""More changes than this since a token, whatever else the filter says of them, are answered with a snapshot instead."""

PAGE = 200
"""How many calls of a service's snapshot are read at once."""

_MAX_ROWS = 5 * MAX_SNAPSHOT_CALLS
"""Rows read before the rest of the filter narrows them."""


@value
class Sight:
    """Whose stream it is and what it shows: everything that decides what to tell of a call."""

    actor: Actor
    filter: Filter
    call_type: Callable[[str], CallType]

    def matches(self, call: Call) -> bool:
        """Whether the call belongs to the stream now."""
        return self.filter.matches(call, self.actor, self.call_type(call.type))

    def may_read(self, call: Call) -> bool:
        """Whether the viewer may read the call now."""
        return readable(call, self.actor, self.call_type(call.type))

    def removed(self, call: Call) -> Change:
        """Return the change that says that the call no longer matches, and why (W3)."""
        return Change(Kind.REMOVED, call, self._stop_reason(call))

    def _stop_reason(self, call: Call) -> StopReason | None:
        if self.actor.is_service_itself:
            return None
        if not self.may_read(call):
            return StopReason.ACCESS_LOST
        return stop_reason(
            call,
            self.actor.user_id,
            self.actor.device_id,
            watches_joined=CallingState.JOINED in self.filter.calling_states,
        )


@value
class Beginning:
    """What was read at ``position``: everything up to it is in ``changes`` or was not for this stream."""

    position: int
    changes: list[Change]
    reset: ResetReason | None = None


def read_snapshot(snapshot: Snapshot, sight: Sight) -> Beginning:
    """Return the user's present calls, newest change first; raise TooManyCalls."""
    if sight.filter.cids:
        rows = snapshot.calls(_keys(sight.filter.cids))
        rows.sort(key=lambda placed: placed.position, reverse=True)
    else:
        rows = snapshot.user_calls(sight.actor.user_id, sight.filter.calling_states, _MAX_ROWS + 1)
    calls = [placed.call for placed in rows if sight.matches(placed.call)]
    if len(calls) > MAX_SNAPSHOT_CALLS or len(rows) > _MAX_ROWS:
        raise TooManyCalls
    return Beginning(snapshot.head(), [Change(Kind.ADDED, call) for call in calls])


def read_page(snapshot: Snapshot, sight: Sight, before: int | None) -> tuple[int, list[Placed]]:
    """Return a page of a service's snapshot, unfiltered, and the position at which it was read (W9)."""
    if sight.filter.cids:
        return snapshot.head(), snapshot.calls(_keys(sight.filter.cids)) if before is None else []
    return snapshot.head(), snapshot.calls_in_states(sight.filter.call_states, before, PAGE)


def read_resumed(snapshot: Snapshot, sight: Sight, tokens: Tokens, token: str) -> Beginning:
    """Return the present truth of every call that matched at the token or since, or why that cannot be done (W4)."""
    head = snapshot.head()
    since = tokens.decode(token, head)
    if isinstance(since, ResetReason):
        return Beginning(head, [], since)
    oldest = snapshot.oldest()
    if since < head and (oldest is None or oldest[0] > since + 1):
        return Beginning(head, [], ResetReason.TOO_OLD)
    rows = _rows_since(snapshot, sight, since)
    if rows is None or len(rows) > MAX_RESUME_CHANGES:
        return Beginning(head, [], ResetReason.TOO_MANY_CHANGES)
    changes = [
        Change(Kind.ADDED, placed.call) if sight.matches(placed.call) else sight.removed(placed.call)
        for placed in sorted(rows.values(), key=lambda placed: placed.position)
    ]
    return Beginning(head, changes)


def _rows_since(snapshot: Snapshot, sight: Sight, since: int) -> dict[str, Placed] | None:
    """Return calls that may have to be told of, by uid; None if more has changed than is looked through."""
    limit = MAX_RESUME_CHANGES + 1
    if sight.actor.is_service_itself:
        changed = snapshot.changed_calls(since, limit)
        others: list[Placed] = []
    else:
        # Named calls are looked up by their names: of them it only matters whether the user's own part has changed.
        states = frozenset[CallingState]() if sight.filter.cids else sight.filter.calling_states
        changed, others = snapshot.user_changes(sight.actor.user_id, states, since, limit)
    if len(changed) + len(others) >= limit:
        return None
    if sight.filter.cids and not sight.actor.is_service_itself:
        return _named_since(snapshot, sight, since, {one.call.uid for one in changed})
    matching = [one for one in others if sight.matches(one.call)]
    return {one.call.uid: one for one in (*changed, *matching) if sight.filter.covers(one.call)}


def _named_since(snapshot: Snapshot, sight: Sight, since: int, changed: set[str]) -> dict[str, Placed]:
    """Return the named calls that changed, and those the viewer had to do with and may not read any more (W1).

    Of other calls that they may not read nothing is told, not even that they exist (P2).
    """
    rows = {}
    for one in snapshot.calls(_keys(sight.filter.cids)):
        uid = one.call.uid
        if sight.may_read(one.call):
            concerns = one.position > since
        else:
            concerns = uid in changed or sight.actor.user_id in one.call.known_users()
        if concerns:
            rows[uid] = one
    return rows


def _keys(cids: frozenset[str]) -> list[CallKey]:
    parts = (cid.partition(":") for cid in cids)
    return [(type_, id_) for type_, _, id_ in parts]
