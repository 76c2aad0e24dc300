"""The store as a port: one durable transaction at a time to write, short snapshots to read.

The functions that a caller hands in run off the event loop, on a thread of the store's: they must not touch the loop,
and nobody else may touch what they share while they run. Only one ``transact`` runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Protocol, TypeVar

from ringline_server.rules.call import Call
from ringline_server.rules.outcome import Answer, Event, Notification
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.value import value
from ringline_server.rules.viewer import Relation

T = TypeVar("T")

CallKey = tuple[str, str]
"""Type and id of a call."""

RequestKey = tuple[str, str, str]
"""Acting service or empty, acting user or empty, request id (X3)."""


@value
class Step:
    """One decided change of one call."""

    position: int
    """The global position of its last event; its events have the positions up to it, without a gap."""
    first: int
    """The global position of its first event."""
    before: Call | None
    call: Call
    events: tuple[Event, ...]
    """At least one."""
    notification: Notification | None = None
    touched: frozenset[str] | None = None
    """Users whose relation to the call, membership and role included, may have changed; None for all."""


@value
class Write:
    """A step with everything that the store keeps beside the call."""

    step: Step
    relations: tuple[tuple[str, Relation], ...]
    """Users to whom the call is something else now, with what it becomes; ``changed_at`` is the step's position."""
    due: int | None
    """When the call's earliest deadline is; None if it has none."""
    due_changed: bool


@value
class Remembered:
    """An answer that is kept under a request id (X3)."""

    key: RequestKey
    method: str
    fingerprint: bytes
    """Hash of the decoded command."""
    call: CallKey
    answer: Answer
    expires_at: int


@value
class Placed:
    """A call with the position of its latest event."""

    position: int
    call: Call


@value
class Timer:
    """The earliest deadline of a call, in microseconds since the epoch."""

    call: CallKey
    due: int


class Order(Enum):
    """How a list of calls is sorted; ties by uid in the same direction, and calls without a start come last."""

    CREATED_AT_DESC = auto()
    CREATED_AT_ASC = auto()
    UPDATED_AT_DESC = auto()
    STARTS_AT_ASC = auto()


@value
class ListQuery:
    """A page of a list of calls. Empty collections and None do not filter; filters are ANDed."""

    user_id: str | None
    """Only calls listed for this user; None for every call (then directions, calling_states, missed are unused)."""
    directions: frozenset[Direction] = frozenset()
    calling_states: frozenset[CallingState] = frozenset()
    missed: bool = False
    call_states: frozenset[CallState] = frozenset()
    types: frozenset[str] = frozenset()
    member_user_id: str = ""
    created_from: int | None = None
    """Inclusive."""
    created_before: int | None = None
    """Exclusive."""
    order: Order = Order.CREATED_AT_DESC
    limit: int = 20
    after: tuple[int | None, str] | None = None
    """Sort key and uid of the last call of the page before."""


class StoreError(Exception):
    """The store could not do what was asked. Its text is for the log, never for a client."""


class CommitFailed(StoreError):
    """A transaction was not committed; nothing of it is in the store. The next one may well work."""


class CommitUnknown(StoreError):
    """Whether a transaction was committed is not known. The store has opened its writer anew: what it reads is true."""


class StoreBroken(StoreError):
    """Durability can no longer be promised (an fsync failed): the process has to end."""


class StoreInUse(StoreError):
    """Another process owns the store; the text names it."""


class StoreTooNew(StoreError):
    """The store was written by a newer version that this one does not understand; the text says which."""


class Transaction(Protocol):
    """What can be done within ``transact``."""

    def head(self) -> int:
        """Return the position of the latest event ever written; 0 if there was none."""

    def load_calls(self, keys: Collection[CallKey]) -> dict[CallKey, Call]:
        """Return those of the calls that exist."""

    def load_remembered(self, keys: Collection[RequestKey], now: int) -> dict[RequestKey, Remembered]:
        """Return what is remembered under the request ids and has not expired; remove some of what has."""

    def write(self, writes: Sequence[Write], remembered: Sequence[Remembered]) -> None:
        """Write the steps, in order; a later step of the same call replaces what the earlier one left."""


class Snapshot(Protocol):
    """A consistent view for reading, within ``read``."""

    def head(self) -> int:
        """Return the position of the latest event ever written; 0 if there was none."""

    def oldest(self) -> tuple[int, int] | None:
        """Return position and time of the oldest event kept, or None if there is none."""

    def call(self, key: CallKey) -> Placed | None:
        """Return the call, if it exists."""

    def calls(self, keys: Collection[CallKey]) -> list[Placed]:
        """Return those of the calls that exist, in any order."""

    def user_calls(self, user_id: str, states: Collection[CallingState], limit: int) -> list[Placed]:
        """Return the user's calls that are not ENDED and in whose rows they are in one of the states.

        Newest change first, at most ``limit``. The cost does not depend on the user's history (W9).
        """

    def user_changes(
        self, user_id: str, states: Collection[CallingState], after: int, limit: int
    ) -> tuple[list[Placed], list[Placed]]:
        """Return calls whose row for the user changed after the position, and others that changed after it themselves.

        Of the others, those that are not ENDED and in whose rows the user is in one of the states. In any order, and at
        most ``limit`` of both together: if there are as many, some may be missing.
        """

    def calls_in_states(self, states: Collection[CallState], before: int | None, limit: int) -> list[Placed]:
        """Return calls of everybody in the states, newest change first, those with a position below ``before``."""

    def changed_calls(self, after: int, limit: int) -> list[Placed]:
        """Return calls of everybody that changed after the position, oldest change first."""

    def list_calls(self, query: ListQuery) -> list[Placed]:
        """Return one page of a list."""

    def call_events(self, uid: str, after_seq: int, limit: int) -> list[Event]:
        """Return events of a call with a higher ``seq``, oldest first."""

    def events(self, after: int, limit: int) -> list[tuple[int, Event]]:
        """Return events of every call after the position, with their positions, oldest first."""

    def timers(self) -> Iterator[Timer]:
        """Return every open timer."""

    def participant_calls(self) -> Iterable[CallKey]:
        """Return the calls in which somebody is (T6)."""


class Store(Protocol):
    """A place to keep calls. ``transact`` and ``read`` may be used once ``open`` has returned, until ``close``."""

    @property
    def epoch(self) -> str:
        """A name of this history of positions: another one after a restore, so that old tokens are recognised."""

    async def open(self) -> None:
        """Take the store, bring its schema up to date; raise StoreInUse or StoreTooNew."""

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one transaction and commit it durably before returning what it returned.

        If ``work`` raises, nothing is written and the exception passes. Raises CommitFailed, CommitUnknown or
        StoreBroken.
        """

    async def read(self, work: Callable[[Snapshot], T]) -> T:
        """Run ``work`` on a consistent snapshot that holds everything committed before this call."""

    async def close(self) -> None:
        """Let go of the store; what was committed stays."""
