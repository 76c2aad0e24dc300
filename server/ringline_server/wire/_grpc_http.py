"""gRPC's words in HTTP's: headers, trailers and frames, as the protocol document "gRPC over HTTP2" has them."""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from ringline_server.api.port import MAX_REQUEST_BYTES, Code, RpcError
from ringline_server.wire._fit import fitting

Headers = Iterable[tuple[bytes, bytes]]

PREFIX = 5
"""Bytes before each message: whether it is compressed, and its length."""

CONTENT_TYPE = (b"content-type", b"application/grpc")
OK_TRAILERS = ((b"grpc-status", b"0"),)

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_TIMEOUT_DIGITS = 8

# Of a percent-encoded message: what may stand for itself, that is all printable ASCII but the sign itself.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

_GZIP = 16 + zlib.MAX_WBITS
_WINDOWS = {b"gzip": _GZIP, b"deflate": zlib.MAX_WBITS}

# Headers between client and server that are no metadata.
_TRANSPORT = frozenset(
    {
        *(b"accept", b"accept-encoding", b"content-length", b"grpc-accept-encoding", b"host", b"user-agent"),
        b"x-envoy-external-address",
    }
)


@dataclass(slots=True)
class RequestHead:
    """What the headers of a request say."""

    metadata: list[tuple[str, str | bytes]]
    timeout: float | None = None
    encoding: bytes = b"identity"
    content_type: bytes = b""
    takes_trailers: bool = False


def read_head(headers: Headers) -> RequestHead:
    """Read the headers. Raises RpcError for what the protocol does not allow."""
    metadata: list[tuple[str, str | bytes]] = []
    head = RequestHead(metadata)
    for key, value in headers:
        if key in _TRANSPORT:
            continue
        if key == b"te":
            head.takes_trailers = head.takes_trailers or b"trailers" in value
        elif key == b"content-type":
            head.content_type = value
        elif key == b"grpc-timeout":
            head.timeout = _timeout(value)
        elif key == b"grpc-encoding":
            head.encoding = value
        elif key.endswith(b"-bin"):
            name = key.decode("ascii", "replace")
            # A list of values may be joined by commas; base64 has none.
            metadata.extend((name, _from_base64(name, part.strip())) for part in value.split(b","))
        else:
            metadata.append((key.decode("ascii", "replace"), _text(value)))
    return head


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _from_base64(name: str, value: bytes) -> bytes:
    try:
        # With padding or without, as the protocol has it.
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4), strict_mode=True)
    except binascii.Error:
        raise RpcError(Code.INTERNAL, f"The metadata key {name} must hold base64.", b"") from None


def _timeout(value: bytes) -> float:
    digits, unit = value[:-1], _UNITS.get(value[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _TIMEOUT_DIGITS:
        raise RpcError(Code.INTERNAL, "grpc-timeout must be up to 8 digits and one of H, M, S, m, u, n.", b"")
    return int(digits) * unit


def frame_prefix(size: int) -> bytes:
    """Return what stands before a message of so many bytes, uncompressed."""
    return b"\0" + size.to_bytes(4, "big")


class Unframer:
    """Takes the bytes of a request as they come, and gives its messages back."""

    __slots__ = ("_buffer", "_encoding")

    def __init__(self, encoding: bytes) -> None:
        self._buffer = b""
        self._encoding = encoding

    @property
    def is_empty(self) -> bool:
        """Whether no part of a message is left."""
        return not self._buffer

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are now whole.

        Raises RpcError: RESOURCE_EXHAUSTED as soon as a message says that it is too long, or is when decompressed;
        UNIMPLEMENTED for a compression that is not known here.
        """
        buffer = self._buffer + data if self._buffer else data
        messages = []
        start = 0
        while len(buffer) - start >= PREFIX:
            length = int.from_bytes(buffer[start + 1 : start + PREFIX], "big")
            if length > MAX_REQUEST_BYTES:
                raise _too_long()
            end = start + PREFIX + length
            if len(buffer) < end:
                break
            message = buffer[start + PREFIX : end]
            messages.append(message if buffer[start] == 0 else self._decompressed(buffer[start], message))
            start = end
        self._buffer = buffer[start:]
        return messages

    def _decompressed(self, flag: int, message: bytes) -> bytes:
        if flag != 1 or self._encoding == b"identity":
            raise RpcError(Code.INTERNAL, "A message is marked as compressed, and grpc-encoding names no way.", b"")
        window = _WINDOWS.get(self._encoding)
        if window is None:
            raise RpcError(Code.UNIMPLEMENTED, "Requests may be compressed with gzip or deflate, or not at all.", b"")
        inflater = zlib.decompressobj(window)
        try:
            inflated = inflater.decompress(message, MAX_REQUEST_BYTES + 1)
        except zlib.error:
            raise RpcError(Code.INTERNAL, "A message cannot be decompressed.", b"") from None
        if len(inflated) > MAX_REQUEST_BYTES:
            raise _too_long()
        if not inflater.eof:
            raise RpcError(Code.INTERNAL, "A compressed message is cut off.", b"")
        return inflated


def _too_long() -> RpcError:
    return RpcError(Code.RESOURCE_EXHAUSTED, f"A request may have up to {MAX_REQUEST_BYTES} bytes.", b"")


def error_trailers(error: RpcError) -> list[tuple[bytes, bytes]]:
    """Return the trailers that say how an RPC failed."""
    message, details = fitting(error)
    trailers = [
        (b"grpc-status", b"%d" % error.code),
        (b"grpc-message", quote(message, safe=_PLAIN, errors="replace").encode()),
    ]
    if details:
        trailers.append((b"grpc-status-details-bin", binascii.b2a_base64(details, newline=False).rstrip(b"=")))
    if error.code is Code.UNIMPLEMENTED:
        # What a client needs to know if it was its compression.
        trailers.append((b"grpc-accept-encoding", b"identity,gzip,deflate"))
    return trailers
