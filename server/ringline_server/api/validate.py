"""The checks on a request alone: they find every bad field of it before anything is done (C6, C9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import DecodeError, Message

from ringline_server.api.custom import custom_bytes, custom_problem
from ringline_server.api.errors import MAX_FIELDS, invalid_fields
from ringline_server.api.texts import ALLOWED_ID, MAX_TEXT, is_id
from ringline_server.rules.settings import DAY, SECOND

M = TypeVar("M", bound=Message)
T = TypeVar("T")

MAX_NAMED = 100
"""How many users, types or cids a request may name in one field."""

MAX_REQUEST_ID = 64

_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_799
"""From the year 1 to the end of the year 9999, as the contract's ``Timestamp`` has it."""

_NANOS = 1_000_000_000


def parse(kind: type[M], data: bytes) -> M:
    """Return the request; raise RpcError for bytes that are none."""
    try:
        return kind.FromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.full_name
        allowed = (
            f"must be the bytes of a {name}, with every string in UTF-8 and nothing more than 100 messages deep "
            "(custom may be 8 objects or lists deep)"
        )
        raise invalid_fields([("request", allowed)]) from None


class Checks:
    """Collects what is wrong with one request. Each check returns a value to go on with, whatever it found."""

    def __init__(self, call_types: Collection[str]) -> None:
        self._call_types = call_types
        self._bad: list[tuple[str, str]] = []

    def bad(self, path: str, allowed: str) -> None:
        """Note a bad field, and what is allowed there."""
        if len(self._bad) < MAX_FIELDS:
            self._bad.append((path, allowed))

    def done(self) -> None:
        """Raise RpcError if anything is wrong."""
        if self._bad:
            raise invalid_fields(self._bad)

    # Names and texts.

    def type(self, path: str, name: str) -> str:
        """Check the name of a call type."""
        if name not in self._call_types:
            self.bad(path, "must be a call type that this server knows: " + ", ".join(sorted(self._call_types)[:20]))
        return name

    def types(self, path: str, names: Sequence[str]) -> frozenset[str]:
        """Check a filter by call types."""
        if not names:
            return frozenset()
        for index, name in enumerate(self.few(path, names)):
            self.type(f"{path}[{index}]", name)
        return frozenset(names)

    def id(self, path: str, text: str) -> str:
        """Check an id that has to be there."""
        if not is_id(text):
            self.bad(path, ALLOWED_ID)
        return text

    def optional_id(self, path: str, text: str) -> str:
        """Check an id that may be left out."""
        if text and not is_id(text):
            self.bad(path, f"{ALLOWED_ID}, or be left out")
        return text

    def text(self, path: str, text: str, most: int = MAX_TEXT) -> str:
        """Check free text."""
        if len(text) > most:
            self.bad(path, f"must be at most {most} code points")
        return text

    def few(self, path: str, values: Sequence[T], most: int = MAX_NAMED) -> Sequence[T]:
        """Check how many values a field has; return no more than are allowed."""
        if len(values) > most:
            self.bad(path, f"must have at most {most} entries")
        return values[:most]

    def users(self, path: str, users: Sequence[str]) -> tuple[str, ...]:
        """Check users who are named once each."""
        self.distinct(path + "[{}]", self.few(path, users))
        return tuple(users)

    def distinct(self, path: str, users: Sequence[str]) -> None:
        """Check that all are ids and none is there twice; ``path`` has a place for the index."""
        first: dict[str, int] = {}
        for index, user in enumerate(users):
            if not is_id(user):
                self.bad(path.format(index), ALLOWED_ID)
            if first.setdefault(user, index) != index:
                self.bad(path.format(index), f"must not name the user of {path.format(first[user])} again")

    # Numbers and enumerations.

    def term(self, path: str, number: int, known: Mapping[int, T], default: T) -> T:
        """Check one enumerated value; 0 is the default."""
        if number and number not in known:
            self.bad(path, f"must be one of {_names(known.values())}")
        return known.get(number, default)

    def terms(self, path: str, numbers: Sequence[int], known: Mapping[int, T]) -> frozenset[T]:
        """Check a filter of enumerated values, among which 0 is none."""
        if not numbers:
            return frozenset()
        given = set(numbers)
        if not given <= known.keys():
            for index, number in enumerate(numbers):
                if number not in known:
                    self.bad(f"{path}[{index}]", f"must be one of {_names(known.values())}")
        return frozenset([known[number] for number in given if number in known])

    def page_size(self, size: int) -> int:
        """Check a page size; return how many entries are meant."""
        if size < 0:
            self.bad("page_size", "must be 1 to 100, or be left out for 20")
        return min(size, 100) if size > 0 else 20

    # Times.

    def timestamp(self, path: str, value: timestamp_pb2.Timestamp, *, up: bool = False) -> int:
        """Check a time; return it in microseconds, rounded down, or ``up``."""
        if not (_MIN_SECONDS <= value.seconds <= _MAX_SECONDS and 0 <= value.nanos < _NANOS):
            self.bad(path, "must be a time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, with nanos below 1e9")
            return 0
        nanos = value.seconds * _NANOS + value.nanos
        return -(-nanos // 1000) if up else nanos // 1000

    def duration(self, path: str, value: duration_pb2.Duration, least: int, most: int) -> int:
        """Check a duration; return it in microseconds, as the bounds are."""
        nanos = value.seconds * _NANOS + value.nanos
        if abs(value.nanos) >= _NANOS or value.seconds * value.nanos < 0 or not least <= nanos / 1000 <= most:
            self.bad(path, f"must be {_spoken(least)} to {_spoken(most)}")
            return least
        return nanos // 1000

    # The application's data.

    def custom(self, path: str, custom: struct_pb2.Struct, most: int) -> bytes:
        """Check the application's own data; return them as they are kept."""
        problem = custom_problem(custom, most)
        if problem is not None:
            self.bad(path, problem)
            return b""
        return custom_bytes(custom)


def _names(terms: Iterable[object]) -> str:
    return ", ".join(str(term) for term in terms)


def _spoken(microseconds: int) -> str:
    for unit, size in (("d", DAY), ("min", 60 * SECOND)):
        if microseconds % size == 0:
            return f"{microseconds // size} {unit}"
    return f"{microseconds // SECOND} s"
