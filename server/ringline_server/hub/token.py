"""Resume tokens: a place in the history of positions, bound to who asks for what (W4).

A token says which history (``epoch``), up to where (one position a shard, and there is one shard here), for which
user and which filter. It is no secret and grants nothing: with a token that somebody made up, a stream shows the same
calls. The checksum tells a damaged one.
"""

from __future__ import annotations

import binascii
import hashlib
import struct
import zlib
from enum import StrEnum
from functools import lru_cache

from ringline_server.rules.context import Actor

_VERSION = 1
_FORMAT = struct.Struct(">B8s8s8sBHQ")

# URL-safe base64 has other letters for two of the 64.
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class ResetReason(StrEnum):
    """Why a stream starts again with a snapshot."""

    OTHER_USER = "OTHER_USER"
    OTHER_FILTER = "OTHER_FILTER"
    TOO_OLD = "TOO_OLD"
    FUTURE = "FUTURE"
    DAMAGED = "DAMAGED"
    TOO_MANY_CHANGES = "TOO_MANY_CHANGES"


class Tokens:
    """Makes and reads the tokens of one stream."""

    def __init__(self, epoch: str, actor: Actor, filter_digest: bytes) -> None:
        viewer = f"user:{actor.user_id}" if actor.user_id else f"service:{actor.service_id}"
        # With another role or other teams another picture is true, though no call has changed.
        self._epoch = _epoch_digest(epoch)
        self._viewer = _digest(repr((viewer, actor.role, sorted(actor.teams))))
        self._filter = filter_digest

    def encode(self, position: int) -> str:
        """Return the token that says: told everything up to ``position``."""
        body = _FORMAT.pack(_VERSION, self._epoch, self._viewer, self._filter, 1, 0, position)
        return _text(body + zlib.crc32(body).to_bytes(4, "big"))

    def decode(self, token: str, head: int) -> int | ResetReason:
        """Return the position of a token, or why it cannot be used. ``head`` is the latest position there is."""
        try:
            raw = binascii.a2b_base64(token.encode("ascii").translate(_FROM_URL) + b"=" * (-len(token) % 4))
        except ValueError:
            return ResetReason.DAMAGED
        body, checksum = raw[:-4], raw[-4:]
        # A token can be written in one way only: the decoder skips characters that are not base64, so what was read is
        # encoded again and compared.
        if _text(raw) != token or len(body) != _FORMAT.size or zlib.crc32(body).to_bytes(4, "big") != checksum:
            return ResetReason.DAMAGED
        version, epoch, viewer, filter_digest, shards, shard, position = _FORMAT.unpack(body)
        if (version, shards, shard) != (_VERSION, 1, 0):
            return ResetReason.DAMAGED
        if viewer != self._viewer:
            return ResetReason.OTHER_USER
        if filter_digest != self._filter:
            return ResetReason.OTHER_FILTER
        if epoch != self._epoch or position > head:
            return ResetReason.FUTURE
        return int(position)


def _text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL).decode()


@lru_cache(maxsize=1)
def _epoch_digest(epoch: str) -> bytes:
    return _digest(epoch)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
