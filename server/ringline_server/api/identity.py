"""Who sends an RPC, from its metadata alone (P3)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NoReturn, Protocol

from ringline_server.api.errors import fail
from ringline_server.api.port import Metadata, RequestContext
from ringline_server.api.texts import ALLOWED_ID, MAX_TEXT, is_id
from ringline_server.rules.context import Actor, CredentialRole

DEVELOPMENT_SERVICE = "development"
"""As whom a service is known in development mode."""

_CREDENTIAL_ROLES: dict[str, CredentialRole] = {"user": "user", "host": "host", "admin": "admin"}

CREDENTIALS = frozenset({"authorization", "x-user-id", "x-user-id-bin"})
"""Metadata by which one user's RPCs are told from another's on a connection that a proxy shares between them."""

_KEYS = CREDENTIALS | {"x-role", "x-teams", "x-device-id", "x-device-id-bin"}
"""What of the metadata is about who sends them."""

_NO_TEAMS: frozenset[str] = frozenset()

_SERVICE: Literal["service"] = "service"


class Identity(Protocol):
    """Tells who sends an RPC. Checking tokens will be another one of these."""

    def identify(self, context: RequestContext) -> Actor:
        """Return the actor, on the device that the metadata name; raise RpcError with UNAUTHENTICATED."""


class DevelopmentIdentity:
    """Believes what the metadata say, without a token: for a laptop only.

    A token is refused instead of being overlooked: who sends one counts on its being checked.
    """

    def identify(self, context: RequestContext) -> Actor:
        return _believe(tuple([entry for entry in context.metadata if entry[0] in _KEYS]))


# A client says the same in all that it sends.
@lru_cache(maxsize=4096)
def _believe(metadata: Metadata) -> Actor:
    headers = _Headers(metadata)
    if headers.has("authorization"):
        raise fail(
            "BAD_TOKEN",
            "This server runs in development mode and checks no tokens. Leave out authorization and name the user "
            "in x-user-id, or start the server with tokens.",
        )
    role = headers.text("x-role")
    device_id = headers.id("x-device-id") or ""
    teams = _teams(headers)
    if role == _SERVICE:
        return Actor(headers.id("x-user-id") or "", DEVELOPMENT_SERVICE, teams=teams, device_id=device_id)
    user_id = headers.id("x-user-id")
    if user_id is None:
        _refuse("x-user-id", "is missing: name the user there, or in x-user-id-bin if the name is not ASCII")
    if role is not None and role not in _CREDENTIAL_ROLES:
        _refuse("x-role", "must be user, host, admin or service")
    return Actor(user_id, "", _CREDENTIAL_ROLES[role or "user"], teams, device_id)


class _Headers:
    """The metadata of one RPC, each key at most once."""

    def __init__(self, metadata: Metadata) -> None:
        self._values: dict[str, list[str | bytes]] = {}
        for key, value in metadata:
            self._values.setdefault(key, []).append(value)

    def has(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str | None:
        """Return the ASCII text under the key without outer blanks, or None if there is none."""
        values = self._values.get(key)
        if values is None:
            return None
        if len(values) > 1:
            _refuse(key, "is given more than once: give it once")
        value = values[0]
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if not value.isascii():
            _refuse(key, "must be ASCII" + (f": put other letters into {key}-bin, as UTF-8" if key in _BOTH else ""))
        return value.strip(" \t")

    def id(self, key: str) -> str | None:
        """Return the id under the key or under its ``-bin`` form, or None if there is none."""
        binary = key + "-bin"
        text, values = self.text(key), self._values.get(binary)
        if values is None:
            if text is not None and not is_id(text):
                _refuse(key, ALLOWED_ID)
            return text
        if text is not None:
            _refuse(binary, f"is given beside {key}: give one of them")
        if len(values) > 1:
            _refuse(binary, "is given more than once: give it once")
        return _decoded(binary, values[0])


_BOTH = frozenset({"x-user-id", "x-device-id"})


def _decoded(key: str, value: str | bytes) -> str:
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        _refuse(key, "must be UTF-8, in base64 on the wire")
    if not is_id(text):
        _refuse(key, ALLOWED_ID)
    return text


def _teams(headers: _Headers) -> frozenset[str]:
    text = headers.text("x-teams")
    if text is None:
        return _NO_TEAMS
    teams = [team.strip(" \t") for team in text.split(",")]
    if not all(0 < len(team) <= MAX_TEXT and team.isprintable() for team in teams):
        _refuse("x-teams", f"must be names of teams, separated by commas, each 1 to {MAX_TEXT} printable letters")
    return frozenset(teams)


def _refuse(key: str, what: str) -> NoReturn:
    raise fail("BAD_IDENTITY", f"The metadata key {key} {what}.", metadata={"key": key})
