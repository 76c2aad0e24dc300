"""Deciding a batch of commands, within the store's transaction and on the store's thread.

Commands are decided in order on an overlay: each sees what those before it did to its call and to its request id,
though nothing of it is in the store yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ringline_server.engine.cache import HotCalls
from ringline_server.engine.port import (
    CallTypes,
    CommandFailed,
    EngineError,
    Outcome,
    Presence,
    RequestId,
    RequestIdReused,
    Submission,
)
from ringline_server.engine.writes import write_of
from ringline_server.rules.call import Call
from ringline_server.rules.commands import GetOrCreate, Join, Lose, Tick
from ringline_server.rules.context import Actor, Context
from ringline_server.rules.deadline import next_deadline
from ringline_server.rules.decide import decide
from ringline_server.rules.outcome import Answer, Decision, Refusal
from ringline_server.rules.settings import DAY
from ringline_server.store.port import CallKey, Remembered, RequestKey, Transaction, Write

REMEMBERED_FOR = DAY
"""How long an answer is kept under its request id (X3)."""

Result = Outcome | Refusal | EngineError

Lease = tuple[CallKey, str, str]
"""A participation that can be lost: call, user, device (T6)."""


@dataclass(slots=True, eq=False)
class Decided:
    """What became of a batch."""

    results: list[Result] = field(default_factory=list)
    """One for each command, in order."""
    writes: list[Write] = field(default_factory=list)
    sources: list[Submission] = field(default_factory=list)
    """Where each write comes from."""
    remembered: list[Remembered] = field(default_factory=list)
    calls: dict[CallKey, Call] = field(default_factory=dict)
    """Every call that was looked at, as it now is."""
    due: dict[CallKey, int | None] = field(default_factory=dict)
    """The next deadline of the calls that changed or whose time was up."""
    stuck: set[CallKey] = field(default_factory=set)
    """Calls whose time is up, but deciding that raised or changed nothing."""
    joined: set[Lease] = field(default_factory=set)
    """Who joined, for the first time or again."""


class Decider:
    """Decides batches, one at a time."""

    def __init__(
        self,
        cache: HotCalls,
        presence: Presence,
        call_types: CallTypes,
        new_uid: Callable[[], str],
        now: Callable[[], int],
    ) -> None:
        self._cache = cache
        self._presence = presence
        self._call_types = call_types
        self._new_uid = new_uid
        self._clock_now = now
        self._now = 0

    def decide(self, transaction: Transaction, submissions: Sequence[Submission]) -> Decided:
        """Decide the commands in order and write what they change; if they change nothing, write nothing.

        A command that is refused, or whose decision raises, changes nothing and leaves the others as they are. Raises
        only what the transaction does.
        """
        keys = {submission.key for submission in submissions}
        calls = self._cache.find(keys)
        if missing := keys - calls.keys():
            calls.update(transaction.load_calls(missing))
        requests = {_request_key(one.actor, one.request) for one in submissions if one.request is not None}
        remembered = transaction.load_remembered(requests, self._tell_time()) if requests else {}
        batch = _Batch(Decided(calls=calls), remembered, transaction.head(), self._tell_time, self._context)
        for submission in submissions:
            batch.add(submission)
        decided = batch.decided
        if decided.writes or decided.remembered:
            transaction.write(decided.writes, decided.remembered)
        return decided

    def _tell_time(self) -> int:
        self._now = max(self._now, self._clock_now())
        return self._now

    def _context(self, submission: Submission, call: Call | None) -> Context:
        new = call is None and isinstance(submission.command, GetOrCreate)
        return Context(
            actor=submission.actor,
            call_type=self._call_types[submission.key[0]],
            new_uid=self._new_uid() if new else "",
            online=self._presence.online,
        )


class _Batch:
    """The overlay on which a batch is decided."""

    def __init__(
        self,
        decided: Decided,
        remembered: dict[RequestKey, Remembered],
        position: int,
        now: Callable[[], int],
        context: Callable[[Submission, Call | None], Context],
    ) -> None:
        self.decided = decided
        self._remembered = remembered
        self._position = position
        self._now = now
        self._context = context

    def add(self, submission: Submission) -> None:
        """Decide one more command."""
        try:
            result = self._result(submission)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is this command's alone; the engine logs it
            result = CommandFailed()
            result.__cause__ = error
            if isinstance(submission.command, Tick):
                self.decided.stuck.add(submission.key)
        self.decided.results.append(result)

    def _result(self, submission: Submission) -> Result:
        key, command, request = submission.key, submission.command, submission.request
        call = self.decided.calls.get(key)
        if request is not None and (repeat := self._repeat(submission, request, call)) is not None:
            if isinstance(repeat, Outcome) and isinstance(command, Join):
                self.decided.joined.add((key, submission.actor.user_id, submission.actor.device_id))
            return repeat
        if call is not None and isinstance(command, Lose):
            lease = (key, command.user_id, command.device_id)
            if lease in self.decided.joined:
                return Outcome(call, Answer())  # They have just shown a sign of life.
        now = self._now()
        context = self._context(submission, call)
        decision = decide(call, key, command, context, now)
        if isinstance(decision, Refusal):
            return decision
        self._take(submission, call, decision, context, now)
        return Outcome(decision.call, decision.answer)

    def _repeat(self, submission: Submission, request: RequestId, call: Call | None) -> Result | None:
        """Return the answer to a request whose id was used before, or None (X3)."""
        known = self._remembered.get(_request_key(submission.actor, request))
        if known is None:
            return None
        if (known.method, known.fingerprint, known.call) != (request.method, request.fingerprint, submission.key):
            return RequestIdReused()
        # If the call has been deleted since, so has all that the first request did: it is decided as a new one.
        return None if call is None else Outcome(call, known.answer, repeated=True)

    def _take(
        self, submission: Submission, before: Call | None, decision: Decision, context: Context, now: int
    ) -> None:
        """Take a decision into the overlay: wholly, or not at all if this raises."""
        decided, key, command = self.decided, submission.key, submission.command
        base = context.call_type.settings
        if decision.events:
            write = write_of(before, decision, self._position, base)
            self._position = write.step.position
            decided.writes.append(write)
            decided.sources.append(submission)
            decided.calls[key] = decision.call
            decided.due[key] = write.due
            decided.stuck.discard(key)
        elif isinstance(command, Tick):
            due = next_deadline(decision.call, base)
            decided.due[key] = due
            if due is not None and due <= now:
                decided.stuck.add(key)
        if isinstance(command, Join):
            decided.joined.add((key, submission.actor.user_id, submission.actor.device_id))
        if submission.request is not None:
            self._remember(submission, submission.request, decision.answer, now)

    def _remember(self, submission: Submission, request: RequestId, answer: Answer, now: int) -> None:
        kept = Remembered(
            key=_request_key(submission.actor, request),
            method=request.method,
            fingerprint=request.fingerprint,
            call=submission.key,
            answer=answer,
            expires_at=now + REMEMBERED_FOR,
        )
        self._remembered[kept.key] = kept
        self.decided.remembered.append(kept)


def _request_key(actor: Actor, request: RequestId) -> RequestKey:
    return actor.service_id, actor.user_id, request.id
