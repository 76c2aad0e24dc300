"""What a large call has many of, as rows beside the call: a step writes what it changes, not hundreds as they were.

Members, participants, who is gone and each ring's targets are parts; a part is cut into pieces of a few, in its order.
A piece is written again if one of its few is other than in the state before. A draft leaves alone what it does not
change, so that hardly any two have to be compared that are not one object. What is in pieces, ``codec`` leaves out of a
large call's own row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ringline_server.rules.call import Call
from ringline_server.store.codec_parts import Fields, encode_member, encode_participant, encode_target

FEW = 50
"""A call that has more members, participants and gone together is large.

This and ``PIECE`` are part of the file's format: what is stored already is told from them. To change one of them takes
a migration that writes all pieces anew.
"""

PIECE = 8
"""How many are in a piece, so that it is about a kilobyte: what SQLite keeps of such a row on its page."""

_Name = tuple[str, int]
"""A part, and the number of the ring whose targets it is, or 0."""

_GONE: _Name = ("gone", 0)

_Many = Mapping[str, Any] | tuple[Any, ...]
"""What a part is made of; as long as it is the same object, nothing has changed."""


@dataclass(slots=True)
class Pieces:
    """How the rows of a call's pieces become others."""

    written: list[tuple[str, int, int, str]] = field(default_factory=list)
    """Part, ring, number from 0, and content as JSON, of those that are new or others now."""
    cut: list[tuple[str, int, int]] = field(default_factory=list)
    """Part, ring, and the number from which on it has no more pieces."""


def is_large(call: Call) -> bool:
    """Whether parts of the call are in pieces of their own."""
    return len(call.members) + len(call.participants) + len(call.gone) > FEW


def pieces(before: Call | None, call: Call) -> Pieces:
    """Return what is to be written of a call's pieces, given the state that is written already."""
    found = Pieces()
    old = _parts(before) if before is not None and is_large(before) else {}
    for part, now in (_parts(call) if is_large(call) else {}).items():
        was = old.pop(part, ())
        if now is not was:
            _compare(call, part, _values(was, part), _values(now, part), found)
    found.cut += [(*part, 0) for part in old]
    return found


def join(fields: Fields, rows: Iterable[tuple[str, int, str]]) -> None:
    """Put pieces back among the fields of their call: part, ring and content of each, in the order of their numbers."""
    parts: dict[tuple[str, int], Any] = {("members", 0): {}}
    for name, ring, text in rows:
        some = orjson.loads(text)
        if (name, ring) not in parts:
            parts[name, ring] = some
        elif isinstance(some, dict):
            parts[name, ring].update(some)
        else:
            parts[name, ring] += some
    for ring in fields.get("rings", ()):
        ring["targets"] = parts.pop(("targets", ring["number"]), ())
    fields.update({name: part for (name, _), part in parts.items()})


def _parts(call: Call) -> dict[_Name, _Many]:
    parts: dict[_Name, _Many] = {
        ("members", 0): call.members,
        _GONE: call.gone,
        ("participants", 0): call.participants,
    }
    for ring in call.rings:
        parts["targets", ring.number] = ring.targets
    return parts


def _values(many: _Many, part: _Name) -> Sequence[Any]:
    if isinstance(many, tuple):
        return many
    return [*many.items()] if part == _GONE else [*many.values()]


def _compare(call: Call, part: _Name, old: Sequence[Any], new: Sequence[Any], found: Pieces) -> None:
    """Find the pieces of a part that have to be written or removed."""
    encode = _encoder(call, *part)
    size = PIECE
    while size < len(new):
        size *= 2
    found.written += [
        (*part, at // PIECE, orjson.dumps(encode(new[at : at + PIECE])).decode()) for at in _changed(old, new, 0, size)
    ]
    count = -(-len(new) // PIECE)
    if count * PIECE < len(old):
        found.cut.append((*part, count))


def _changed(old: Sequence[Any], new: Sequence[Any], at: int, size: int) -> Iterator[int]:
    """Return where the pieces of a stretch begin that are not as they were. Of two halves mostly one is as it was."""
    if at >= len(new) or old[at : at + size] == new[at : at + size]:
        return
    if size == PIECE:
        yield at
        return
    half = size // 2
    yield from _changed(old, new, at, half)
    yield from _changed(old, new, at + half, half)


def _encoder(call: Call, name: str, number: int) -> Callable[[Sequence[Any]], object]:
    """Return what encodes some of a part."""
    match name:
        case "members":
            created_at = call.created_at
            return lambda some: {one.user_id: encode_member(one, created_at) for one in some}
        case "gone":
            return dict
        case "participants":
            return lambda some: [encode_participant(one) for one in some]
        case _:
            ring = next(one for one in call.rings if one.number == number)
            started_at, expires_at = ring.started_at, ring.expires_at
            return lambda some: [encode_target(one, started_at, expires_at) for one in some]
