"""RPCs as bytes that no client library would send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_CANCEL = (8).to_bytes(4, "big")


async def send(port: int, path: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    """Send one RPC with an empty message; return what comes back, up to the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    own = ((b"te", b"trailers"), (b"content-type", b"application/grpc"), *headers)
    writer.write(_HELLO + _rpc(1, path, bytes(5), own))
    answer = b""
    async with asyncio.timeout(5):
        while b"grpc-status" not in answer and (more := await reader.read(65536)):
            answer += more
    writer.close()
    return answer


@dataclass
class Frames:
    """What came on one stream."""

    data: bytes = b""
    headers: int = 0
    reset: bool = False
    ended: bool = False


async def send_all(
    port: int,
    *rpcs: tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]],
    te: bytes = b"trailers",
    content_type: bytes = b"application/grpc",
) -> list[Frames]:
    """Send RPCs (path, body, headers) on one connection; return what came on each, once each is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_HELLO)
    found = {}
    for number, (path, body, headers) in enumerate(rpcs):
        found[2 * number + 1] = Frames()
        own = (*(((b"te", te),) if te else ()), (b"content-type", content_type), *headers)
        writer.write(_rpc(2 * number + 1, path, body, own))
    async with asyncio.timeout(5):
        while not all(frames.ended or frames.reset for frames in found.values()):
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            assert kind != _GOAWAY, "the connection is over"
            if stream in found:
                frames = found[stream]
                frames.data += payload if kind == _DATA else b""
                frames.headers += kind == _HEADERS
                frames.reset |= kind == _RST_STREAM
                frames.ended |= kind in (_DATA, _HEADERS) and bool(flags & _END_STREAM)
    writer.close()
    return list(found.values())


async def cancel_for_another(port: int, first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> bytes:
    """Send an RPC (path, body); once it answers cancel it and send the second one; return what that answers first."""
    own = ((b"te", b"trailers"), (b"content-type", b"application/grpc"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def data(stream: int) -> bytes:
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == _DATA and int.from_bytes(head[5:], "big") == stream and payload:
                return payload

    async with asyncio.timeout(5):
        writer.write(_HELLO + _rpc(1, *first, own))
        await data(1)
        # At once: a client library may send them in another order.
        writer.write(_frame(_RST_STREAM, 0, 1, _CANCEL) + _rpc(3, *second, own))
        answer = await data(3)
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


_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b"")


def _rpc(stream: int, path: bytes, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    head = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        *headers,
    )
    return _frame(_HEADERS, _END_HEADERS, stream, b"".join(_field(name, value) for name, value in head)) + _frame(
        _DATA, _END_STREAM, stream, body
    )
