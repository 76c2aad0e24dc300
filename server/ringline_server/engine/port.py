"""What the engine takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command
from ringline_server.rules.context import Actor, CallType
from ringline_server.rules.outcome import Answer
from ringline_server.rules.value import value
from ringline_server.store.port import CallKey, Step


@value
class RequestId:
    """A request that is to have one effect however often it is sent (X3)."""

    id: str
    method: str
    fingerprint: bytes
    """Hash of the decoded command."""


@value
class Submission:
    """A command on its way to be decided. ``key`` names a call of a type that is known."""

    key: CallKey
    command: Command
    actor: Actor
    request: RequestId | None = None


@value
class Outcome:
    """An answered command: the call as it is after the batch's step, and the answer's own fields."""

    call: Call
    answer: Answer
    repeated: bool = False
    """Whether the answer was remembered from an earlier request with the same id."""


class EngineError(Exception):
    """A command that was not decided, for no fault of the rules'. Its text is for the log."""


class Overloaded(EngineError):
    """Too many commands wait; nothing was done. Try again after ``retry_after`` seconds."""

    retry_after = 1.0


class Draining(EngineError):
    """The server is stopping; nothing was done."""


class OutcomeUnknown(EngineError):
    """The store could not say whether the command took effect; repeat it with the same request id."""


class NotCommitted(EngineError):
    """The store failed to write the command's batch; nothing was done."""


class CommandFailed(EngineError):
    """Deciding the command raised, which is our fault; nothing was done. The log has the traceback."""


class RequestIdReused(EngineError):
    """The request id was used for another RPC or another payload (X3)."""


class Bus(Protocol):
    """Who is told of what was committed: the hub, in this process."""

    def publish(self, steps: Sequence[Step]) -> None:
        """Tell steps, which are durable and in the order of their positions. Must not block or raise."""


class Presence(Protocol):
    """Who is there: which devices hold a stream."""

    @property
    def online(self) -> Mapping[str, int]:
        """How many devices of a user hold a stream now; read by the deciding thread."""

    def is_online(self, user_id: str, device_id: str) -> bool:
        """Whether the user's device holds a stream (T6)."""


CallTypes = Mapping[str, CallType]
"""The call types that are known, by name."""
