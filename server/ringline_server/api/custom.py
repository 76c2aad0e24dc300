"""The applications' own data: what of it is kept, and how (C6)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from google.protobuf import struct_pb2

_Values = Iterable[struct_pb2.Value]

MAX_DEPTH = 8
"""How many objects or lists deep it may be, itself the first."""


def custom_problem(custom: struct_pb2.Struct, max_bytes: int) -> str | None:
    """Return what is wrong with the data, as what is allowed, or None if nothing is."""
    if (size := custom.ByteSize()) > max_bytes:
        return f"must take at most {max_bytes} bytes when encoded; this takes {size}"
    return _problem(custom.fields.values(), MAX_DEPTH - 1)


def custom_bytes(custom: struct_pb2.Struct) -> bytes:
    """Return the data as they are kept: equal data have equal bytes."""
    # What this version does not know could not be shown to anybody either.
    custom.DiscardUnknownFields()
    return custom.SerializeToString(deterministic=True)


def _problem(values: _Values, deeper: int) -> str | None:
    """Look through the values of an object or a list in which ``deeper`` more levels are allowed."""
    for value in values:
        match value.WhichOneof("kind"):
            case "struct_value":
                inner: _Values = value.struct_value.fields.values()
            case "list_value":
                inner = value.list_value.values
            case "number_value" if not math.isfinite(value.number_value):
                return "must not hold NaN or infinity, which JSON does not have"
            case None:
                return "must not hold a google.protobuf.Value without a kind, which JSON does not have"
            case _:
                continue
        if not deeper:
            return f"must be at most {MAX_DEPTH} objects or lists deep, itself the first"
        if (problem := _problem(inner, deeper - 1)) is not None:
            return problem
    return None
