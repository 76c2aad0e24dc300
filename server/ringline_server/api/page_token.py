"""Tokens that say where a list goes on: opaque, of URL-safe letters, and of no use anywhere else.

A token carries a place and a digest of the place and of all that it belongs to: viewer, query, history. It is no
secret: whoever makes one up sees what they may see anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from ringline_server.api.errors import ApiError, fail
from ringline_server.rules.context import Actor

_VERSION = b"\x01"
_DIGEST_BYTES = 12
_MAX_TOKEN = 512
_MAX_NUMBER = 2**63 - 1

Place = tuple[int | None, str] | int


def make_token(place: Place, *belongs_to: object) -> str:
    """Return the token of a place in the list that is known by all of ``belongs_to``."""
    body = json.dumps(place, separators=(",", ":")).encode()
    token = _VERSION + _digest(body, belongs_to) + body
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode("ascii")


def read_token(token: str, *belongs_to: object) -> tuple[int | None, str] | None:
    """Return the place of a token, or None if it is damaged or of another list."""
    match _place(token, belongs_to):
        case [None | int() as key, str() as uid] if uid.isascii() and abs(key or 0) <= _MAX_NUMBER:
            return key, uid
        case _:
            return None


def read_number(token: str, *belongs_to: object) -> int | None:
    """Return the place of a token whose list is counted through, or None as `read_token` does."""
    match _place(token, belongs_to):
        case int() as number if 0 <= number <= _MAX_NUMBER:
            return number
        case _:
            return None


def bad_token(field: str) -> ApiError:
    """Return the error of a request whose token cannot be used."""
    return fail(
        "BAD_PAGE_TOKEN",
        "The token is damaged, or belongs to another list, user or query. List again from the first page.",
        fields=[(field, "must be a token from an answer to the same query by the same user, or be left out")],
    )


def viewer_name(actor: Actor) -> str:
    """Return a name for whoever a list was made for."""
    return f"user:{actor.user_id}" if actor.user_id else f"service:{actor.service_id}"


def _place(token: str, belongs_to: tuple[object, ...]) -> object:
    """Return what is in a token; it may be anything, if somebody made the token up."""
    if len(token) > _MAX_TOKEN:
        return None
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        version, digest, body = raw[:1], raw[1 : 1 + _DIGEST_BYTES], raw[1 + _DIGEST_BYTES :]
        if (version, digest) != (_VERSION, _digest(body, belongs_to)):
            return None
        place: object = json.loads(body)
    except (ValueError, binascii.Error):
        return None
    return place


def _digest(body: bytes, belongs_to: tuple[object, ...]) -> bytes:
    known_by = repr(belongs_to).encode()
    return hashlib.blake2b(len(body).to_bytes(4, "big") + body + known_by, digest_size=_DIGEST_BYTES).digest()
