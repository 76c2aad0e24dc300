"""What a decision knows beside the call and the command: who asks, what holds for the call's type, what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ringline_server.rules.settings import Settings
from ringline_server.rules.terms import Capability
from ringline_server.rules.value import value

CredentialRole = Literal["user", "host", "admin"]
GrantRole = Literal["user", "call_member", "host", "admin"]


@value
class Actor:
    """Who sends a command, from the credentials alone (P3).

    A user has a ``user_id``; a service has a ``service_id`` and, when it acts as a user, both; the server's own
    clock has neither.
    """

    user_id: str = ""
    service_id: str = ""
    role: CredentialRole = "user"
    teams: frozenset[str] = frozenset()
    device_id: str = ""

    @property
    def is_service_itself(self) -> bool:
        return bool(self.service_id) and not self.user_id


CLOCK = Actor()
"""The server itself, when time is up or somebody is lost."""


@value
class CallType:
    """Named settings and grants."""

    name: str
    settings: Settings
    grants: Mapping[GrantRole, frozenset[Capability]]
    _granted: dict[frozenset[GrantRole], frozenset[Capability]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def granted(self, roles: frozenset[GrantRole]) -> frozenset[Capability]:
        """Return what somebody in these roles may do: what any of them may (P1)."""
        granted = self._granted.get(roles)
        if granted is None:
            granted = frozenset().union(*[self.grants[role] for role in roles if role in self.grants])
            self._granted[roles] = granted
        return granted


@value
class Context:
    """All that ``decide`` may look at beside its other arguments."""

    actor: Actor
    call_type: CallType
    new_uid: str = ""
    """The uid that a call gets if this command creates it."""
    online: Mapping[str, int] = field(default_factory=dict)
    """How many devices of a user hold a stream at this moment."""
