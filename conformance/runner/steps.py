"""What a line of a case can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]

CUT_OFF = "the connection was lost"
"""In place of a reason. Which code that is depends on the library."""

UNKNOWN = "an event that the contract does not know"
"""In place of an event: the message has none."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends: a user on a device, a service, or just metadata."""

    user: str = ""
    device: str = ""
    role: str = ""
    team: str = ""
    metadata: tuple[tuple[str, str], ...] | None = None

    @property
    def label(self) -> str:
        """What its streams and its connection are called."""
        return f"{self.user or 'the service'}'s {self.device or 'stream'}"


@dataclass(frozen=True, slots=True)
class Request:
    """An RPC on stubs. `method` and `fields` are as in the contract, but for short enums; ids may be left out."""

    actor: Actor
    method: str
    cid: str
    fields: Fields
    within: float | None


@dataclass(frozen=True, slots=True)
class AppDo:
    """A verb of the SDK."""

    app: str
    verb: str
    cid: str
    args: Fields


@dataclass(frozen=True, slots=True)
class Refused:
    """How the last RPC must have failed."""

    reason: str
    metadata: Fields
    fields: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the last answer must contain."""

    expected: Fields


@dataclass(frozen=True, slots=True)
class Remember:
    """A value of the last answer or message, or the token of a stream, to be used as `$name`."""

    path: str
    name: str
    token_of: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Opens a stream. `settle` says to wait for a snapshot of nothing."""

    actor: Actor
    name: str
    fields: Fields
    settle: bool


@dataclass(frozen=True, slots=True)
class Resume:
    """Opens a stream again, with its last token unless the fields say otherwise."""

    stream: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Sees:
    """The next message of a stream. Heartbeats are passed over unless one is asked for."""

    stream: str
    event: str
    cid: str
    expected: Fields


@dataclass(frozen=True, slots=True)
class SeesNothing:
    """No message comes for a moment."""

    stream: str


@dataclass(frozen=True, slots=True)
class Ends:
    """How a stream or a list that is followed ends."""

    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Pause, resume or cancel a stream in the driver."""

    stream: str
    op: str


@dataclass(frozen=True, slots=True)
class Follow:
    """The SDK follows the live list."""

    app: str
    args: Fields


@dataclass(frozen=True, slots=True)
class Unfollow:
    """It stops."""

    app: str


@dataclass(frozen=True, slots=True)
class Shows:
    """What the followed list comes to show."""

    app: str
    calls: tuple[Fields, ...]


@dataclass(frozen=True, slots=True)
class NeverShowed:
    """What the followed list must not have shown at any time."""

    app: str
    call: Fields


@dataclass(frozen=True, slots=True)
class Advance:
    """Moves the server's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Server:
    """restart, crash, stop or start; `newer`, `repeating`: a restart as such a server; `empty`: one on no data."""

    op: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The server refuses a method for so long, in real time."""

    method: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """How often it has been asked since. `apart` says that those whom it no longer refused did not come at once."""

    method: str
    times: int
    apart: bool


@dataclass(frozen=True, slots=True)
class Network:
    """cut, stall, pass or lose, on the connections of a client; `anew` gives it a new one."""

    label: str
    op: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Real time goes by."""

    seconds: float


Step = (
    Request
    | AppDo
    | Refused
    | Answer
    | Remember
    | Watch
    | Resume
    | Sees
    | SeesNothing
    | Ends
    | Reading
    | Follow
    | Unfollow
    | Shows
    | NeverShowed
    | Advance
    | Server
    | Refuse
    | Asked
    | Network
    | Wait
)
