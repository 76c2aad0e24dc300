"""The values in cases: `{call.state: ENDED, targets[bob].state: RINGING}`, and how they are compared with JSON."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

START = 1_700_000_000_000_000
"""What the clock says when a case begins, in microseconds since the epoch."""

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")
_TIME = re.compile(r"@(-?\d+(?:\.\d+)?)s$")
_LETTERS = re.compile(r"%(\d+)$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")


class ValueSyntaxError(ValueError):
    """What stands there is not a value."""


def parse(text: str) -> Any:  # noqa: ANN401 -- JSON
    """Read one value: `{…}`, `[…]`, a word, a number, a text in double quotes."""
    parser = _Parser(text)
    value = parser.value()
    parser.done()
    return value


class _Parser:
    """Reads from left to right. Keys of objects stay as they are written."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def done(self) -> None:
        if self._text[self._at :].strip():
            raise ValueSyntaxError(f"did not expect {self._text[self._at :].strip()!r}")

    def value(self) -> Any:  # noqa: ANN401 -- JSON
        if self._take("{"):
            return self._object()
        if self._take("["):
            return self._list()
        return _scalar(self._word(",}]"))

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._take("}"):
            key = self._word(":")
            self._expect(":")
            found[key.strip('"')] = self.value()
            if not self._take(","):
                self._expect("}")
                return found
        return found

    def _list(self) -> list[Any]:
        found: list[Any] = []
        while not self._take("]"):
            found.append(self.value())
            if not self._take(","):
                self._expect("]")
                return found
        return found

    def _word(self, ends: str) -> str:
        """Read up to one of the ends that is not in quotes or in the brackets of a path; `a:b` is one word."""
        self._blanks()
        rest, start, depth = self._text, self._at, 0
        if rest[start : start + 1] == '"':
            quoted = re.compile(r'"(?:[^"\\]|\\.)*"').match(rest, start)
            if quoted is None:
                raise ValueSyntaxError("a quote is not closed")
            self._at = quoted.end()
            return quoted.group()
        at = start
        while at < len(rest) and (depth or not _is_end(rest, at, ends)):
            depth += {"[": 1, "]": -1}.get(rest[at], 0)
            at += 1
        self._at = at
        if not (word := rest[start:at].strip()):
            raise ValueSyntaxError(f"expected a value at {rest[start:]!r}")
        return word

    def _blanks(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1

    def _take(self, sign: str) -> bool:
        self._blanks()
        if self._text[self._at : self._at + 1] != sign:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ValueSyntaxError(f"expected {sign!r} before {self._text[self._at :]!r}")


def _is_end(text: str, at: int, ends: str) -> bool:
    # `default:standup` is one word; a colon that ends a key has a blank after it.
    return text[at] in ends and (text[at] != ":" or text[at + 1 : at + 2].isspace())


def _scalar(word: str) -> Any:  # noqa: ANN401 -- JSON
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if word in {"true", "false"}:
        return word == "true"
    if (letters := _LETTERS.match(word)) is not None:
        return "x" * int(letters.group(1))
    if _NUMBER.match(word):
        return float(word) if "." in word else int(word)
    return word


def filled(value: Any, memory: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- JSON
    """Return the value with what was remembered in place of `$name`. Raises KeyError."""
    if isinstance(value, Mapping):
        return {key: filled(one, memory) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, memory) for one in value]
    if isinstance(value, str) and value.startswith("$"):
        return memory[value[1:]]
    return value


_ENUMS = {
    "directions": "CALL_DIRECTION_",
    "calling_states": "CALLING_STATE_",
    "call_states": "CALL_STATE_",
    "mode": "JOIN_MODE_",
    "order": "CALL_ORDER_",
}


def request(value: Any, name: str = "") -> Any:  # noqa: ANN401 -- JSON
    """Return fields as protobuf's JSON has them: names in camelCase, enums with their prefix, `@30s` as a time.

    What is in `custom` and texts in quotes stay as they are.
    """
    if isinstance(value, Mapping):
        keep = name == "custom"
        return {key if keep else camel(key): one if keep else request(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [request(one, name) for one in value]
    if isinstance(value, str):
        if name in _ENUMS and value.isupper():
            return _ENUMS[name] + value
        if (time := _TIME.match(value)) is not None:
            return at(float(time.group(1))).isoformat().replace("+00:00", "Z")
    return value


def camel(name: str) -> str:
    """Return the JSON name of a field: `end_reason` is `endReason`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def at(seconds: float) -> dt.datetime:
    """Return the time so many seconds after a case began."""
    return dt.datetime.fromtimestamp(START / 1_000_000, dt.UTC) + dt.timedelta(seconds=seconds)


PREFIXES = (
    "CALL_STATE_",
    "CALLING_STATE_",
    "CALL_DIRECTION_",
    "RING_STATE_",
    "RING_TARGET_STATE_",
    "SKIP_REASON_",
    "END_REASON_",
    "STOP_REASON_",
    "CALL_EVENT_TYPE_",
    "CAPABILITY_",
    "CHANGE_KIND_",
    "RESET_REASON_",
)

_ABSENT = object()


def look_up(actual: Any, path: str) -> Any:  # noqa: ANN401 -- JSON
    """Return what is at the path, or a mark that is equal to nothing. `[bob]` is the entry of that user or call."""
    found = actual
    for field, index in _STEP.findall(path):
        if isinstance(found, Mapping) and field:
            found = found.get(camel(field), found.get(field, _ABSENT))
        elif isinstance(found, list) and index:
            found = _entry(found, index)
        elif found is not _ABSENT:
            return _ABSENT
    return found


def _entry(entries: list[Any], index: str) -> Any:  # noqa: ANN401 -- JSON
    if re.fullmatch(r"-?\d+", index):
        number = int(index)
        return entries[number] if -len(entries) <= number < len(entries) else _ABSENT
    for entry in entries:
        named = entry.get("call", entry)
        if index in {named.get("userId"), named.get("cid")} or entry.get("type") == "CALL_EVENT_TYPE_" + index:
            return entry
    return _ABSENT


def differences(expected: Mapping[str, Any], actual: Any) -> list[str]:  # noqa: ANN401 -- JSON
    """Return what is not as expected, in words; nothing if all is."""
    found = []
    for path, wanted in expected.items():
        there = look_up(actual, path)
        if not matches(wanted, there):
            shown = "absent" if there is _ABSENT else repr(there)
            found.append(f"{path} is {shown}, expected {wanted!r}")
    return found


def matches(wanted: Any, there: Any) -> bool:  # noqa: ANN401 -- JSON; one line a kind of value
    """Whether a value is as expected. What proto3 leaves out of JSON is equal to its default."""
    if isinstance(wanted, str):
        if wanted == "present":
            return there is not _ABSENT and there not in ("", None, [])
        if wanted == "absent":
            return there is _ABSENT or there in ("", None, [], 0, False)
        if (time := _TIME.match(wanted)) is not None:
            return isinstance(there, str) and abs((_time(there) - at(float(time.group(1)))).total_seconds()) < 1e-5  # noqa: PLR2004 -- rounding
        if wanted.startswith("~") and isinstance(there, int | float):
            return abs(there - float(wanted[1:])) <= 2  # noqa: PLR2004 -- seconds that a slow machine may take
        if isinstance(there, str):
            return there == wanted or (wanted.isupper() and there in {prefix + wanted for prefix in PREFIXES})
        return wanted == "" and there is _ABSENT
    if isinstance(wanted, bool):
        return there is wanted or (not wanted and there is _ABSENT) or there == str(wanted).lower()
    if isinstance(wanted, int | float):
        return there == wanted or (wanted == 0 and there is _ABSENT) or there == str(wanted)
    if isinstance(wanted, list):
        return _list_matches(wanted, [] if there is _ABSENT else there)
    return isinstance(there, Mapping) and not differences(wanted, there)


def _list_matches(wanted: list[Any], there: Any) -> bool:  # noqa: ANN401 -- JSON
    if not isinstance(there, list) or len(wanted) != len(there):
        return False
    # A word stands for an entry of that user or call; the order of entries is part of what is expected.
    return all(
        _entry([one], want) is not _ABSENT if isinstance(want, str) and isinstance(one, Mapping) else matches(want, one)
        for want, one in zip(wanted, there, strict=True)
    )


def _time(text: str) -> dt.datetime:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return dt.datetime.fromisoformat(whole + "+00:00") + dt.timedelta(microseconds=int((fraction + "000000")[:6] or 0))
