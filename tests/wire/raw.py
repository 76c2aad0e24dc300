"""An RPC as bytes that no client library would send."""

from __future__ import annotations

import asyncio

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4


async def send(port: int, path: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    """Send one RPC with an empty message; return what comes back, up to the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *headers,
    )
    writer.write(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, b"".join(_field(name, value) for name, value in head))
        + _frame(_DATA, _END_STREAM, 1, bytes(5))
    )
    answer = b""
    async with asyncio.timeout(5):
        while b"grpc-status" not in answer and (more := await reader.read(65536)):
            answer += more
    writer.close()
    return answer


def status(answer: bytes) -> int:
    """Return the status in an answer: its header is sent as it is, uncompressed."""
    rest = answer.partition(b"grpc-status")[2]
    return int(rest[1 : 1 + rest[0]])


def _field(name: bytes, value: bytes) -> bytes:
    # A literal field, not indexed, without Huffman's code; names and values are shorter than 127 bytes.
    return b"".join((b"\0", bytes([len(name)]), name, bytes([len(value)]), value))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return b"".join((len(payload).to_bytes(3, "big"), bytes([kind, flags]), stream.to_bytes(4, "big"), payload))
