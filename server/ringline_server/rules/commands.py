"""What can be asked of a call. Every command has passed the checks on the request alone (C6, C9)."""

from __future__ import annotations

from ringline_server.rules.call import Role
from ringline_server.rules.settings import FIELDS, NO_OVERRIDE, SettingsOverride
from ringline_server.rules.terms import JoinMode
from ringline_server.rules.value import value


@value
class MemberInput:
    """A member to add or change; None keeps what is there, or takes the default."""

    user_id: str
    role: Role | None = None
    custom: bytes | None = None


@value
class GetOrCreate:
    members: tuple[MemberInput, ...] = ()
    custom: bytes = b""
    settings: SettingsOverride = NO_OVERRIDE
    starts_at: int | None = None
    team: str = ""
    ring: bool = False
    notify: bool = False
    video: bool = False


@value
class Get:
    ring: bool = False
    notify: bool = False
    video: bool = False


@value
class Update:
    """Set the named fields; ``fields`` holds ``custom``, ``starts_at`` and names of settings."""

    fields: frozenset[str]
    custom: bytes = b""
    settings: SettingsOverride = NO_OVERRIDE
    starts_at: int | None = None
    expected_revision: int | None = None


UPDATABLE = frozenset({"custom", "starts_at", *FIELDS})
"""What ``Update.fields`` may name."""


@value
class UpdateMembers:
    upsert: tuple[MemberInput, ...] = ()
    remove: tuple[str, ...] = ()
    ring: bool = False
    video: bool = False


@value
class RingMembers:
    user_ids: tuple[str, ...] = ()
    """Empty for all members."""
    video: bool = False


@value
class Join:
    ring_id: str = ""
    mode: JoinMode = JoinMode.SINGLE_DEVICE


@value
class Reject:
    ring_id: str = ""
    reason: str = ""


@value
class Cancel:
    ring_id: str = ""
    reason: str = ""


@value
class Leave:
    reason: str = ""


@value
class End:
    reason: str = ""


@value
class Tick:
    """Decide all that is due (T1, T2, T3)."""


@value
class Lose:
    """A participant's device has shown no sign of life for ``participant_timeout`` (T6)."""

    user_id: str
    device_id: str


Command = GetOrCreate | Get | Update | UpdateMembers | RingMembers | Join | Reject | Cancel | Leave | End | Tick | Lose
