"""Protobuf by hand, for what is sent so often that building message objects would cost more than all the rest.

A message is the concatenation of its fields, so a part that has been encoded once is put into a larger message as it
is. A field that has its default gives no bytes, as proto3 has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, TypeVar

T = TypeVar("T", bound=StrEnum)

_SECOND = 1_000_000
_ONE_BYTE = 128

_SMALL = tuple(bytes([n]) for n in range(_ONE_BYTE))

# A byte of an integer that is not its last, by its seven bits.
_NOT_LAST = tuple(bytes([n | _ONE_BYTE]) for n in range(_ONE_BYTE))

# What the sizes of nearly all calls are among.
_READY = (*_SMALL, *(_NOT_LAST[n & 0x7F] + _SMALL[n >> 7] for n in range(_ONE_BYTE, 2048)))


class ProtoEnum(Protocol):
    """A generated enumeration."""

    def items(self) -> Sequence[tuple[str, int]]:
        """Return the names, with their prefix, and the numbers."""


def varint(value: int) -> bytes:
    """Return an integer as protobuf has it; a negative one takes ten bytes, as an int32 or int64 does."""
    if 0 <= value < len(_READY):
        return _READY[value]
    if value < 0:
        value += 1 << 64
    begun = b""
    while value >= len(_READY):
        begun += _NOT_LAST[value & 0x7F]
        value >>= 7
    return begun + _READY[value]


# The tags of a length-delimited and of a varint field, by field number: ours are all below 32.
_MESSAGE_TAGS = tuple(varint(number << 3 | 2) for number in range(32))
_VARINT_TAGS = tuple(varint(number << 3) for number in range(32))

# What stands before a short payload: by far the most fields have one.
_SHORT_HEADS = tuple(tuple(tag + size for size in _SMALL) for tag in _MESSAGE_TAGS)
_SMALL_INTS = tuple(tuple(tag + value for value in _SMALL) for tag in _VARINT_TAGS)


def head(number: int, size: int) -> bytes:
    """Return what stands before the bytes of a field that holds a message: its number and how many they are."""
    return _SHORT_HEADS[number][size] if size < _ONE_BYTE else _MESSAGE_TAGS[number] + varint(size)


def message_field(number: int, payload: bytes) -> bytes:
    """Return a field that holds a message, given its bytes. Empty bytes are a message too: one that is set."""
    return head(number, len(payload)) + payload


def text_field(number: int, text: str) -> bytes:
    """Return a string field; nothing for the empty one."""
    if not text:
        return b""
    payload = text.encode()
    size = len(payload)
    return _SHORT_HEADS[number][size] + payload if size < _ONE_BYTE else message_field(number, payload)


def texts_field(number: int, texts: tuple[str, ...]) -> bytes:
    """Return a repeated string field."""
    return b"".join([message_field(number, text.encode()) for text in texts])


def int_field(number: int, value: int) -> bytes:
    """Return an integer, bool or enum field; nothing for 0."""
    if not value:
        return b""
    return _SMALL_INTS[number][value] if 0 < value < _ONE_BYTE else _VARINT_TAGS[number] + varint(value)


def bool_field(number: int, value: bool) -> bytes:  # noqa: FBT001 -- it is the value itself
    """Return an ``optional bool`` field that is set, also to false."""
    return _VARINT_TAGS[number] + _SMALL[value]


def packed_field(number: int, values: Sequence[int]) -> bytes:
    """Return a repeated enum field."""
    return message_field(number, b"".join([varint(value) for value in values])) if values else b""


@lru_cache(maxsize=256)
def _seconds(seconds: int) -> bytes:
    return int_field(1, seconds)


def _new_time(microseconds: int) -> bytes:
    """Return a time as a message, with its length before it."""
    seconds, rest = divmod(microseconds, _SECOND)
    payload = _seconds(seconds) + int_field(2, rest * 1000)
    return _SMALL[len(payload)] + payload


_time = lru_cache(maxsize=4096)(_new_time)


def time_field(number: int, microseconds: int | None) -> bytes:
    """Return a ``google.protobuf.Timestamp``, or a ``Duration`` that is not negative; nothing for None."""
    return b"" if microseconds is None else _MESSAGE_TAGS[number] + _time(microseconds)


def new_time_field(number: int, microseconds: int) -> bytes:
    """Return a time that is told once: to remember it takes longer, and others would be forgotten for it."""
    return _MESSAGE_TAGS[number] + _new_time(microseconds)


def enum_numbers(proto_enum: ProtoEnum, prefix: str, terms: type[T]) -> Mapping[T, int]:
    """Return the contract's number of every term. Raises KeyError for a term that the contract does not have."""
    numbers = dict(proto_enum.items())
    return {term: numbers[f"{prefix}_{term.value}"] for term in terms}


def enum_fields(number: int, proto_enum: ProtoEnum, prefix: str, terms: type[T]) -> Mapping[T, bytes]:
    """Return the field ``number`` with every term. Raises as ``enum_numbers`` does."""
    return {term: int_field(number, value) for term, value in enum_numbers(proto_enum, prefix, terms).items()}


def optional_enum_fields(number: int, proto_enum: ProtoEnum, prefix: str, terms: type[T]) -> Mapping[T | None, bytes]:
    """Return the same, and nothing for None."""
    fields: dict[T | None, bytes] = {None: b""}
    fields.update(enum_fields(number, proto_enum, prefix, terms).items())
    return fields


def enum_terms(proto_enum: ProtoEnum, prefix: str, terms: type[T]) -> Mapping[int, T]:
    """Return the term of every number of the contract's that has one; unspecified has none."""
    return {number: term for term, number in enum_numbers(proto_enum, prefix, terms).items()}
