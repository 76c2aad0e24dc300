"""Reads cases: what each line may say is in the README. A line that says anything else is an error with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.runner.steps import (
    CUT_OFF,
    UNKNOWN,
    Actor,
    Advance,
    Answer,
    AppDo,
    Asked,
    Ends,
    Fields,
    Follow,
    Network,
    NeverShowed,
    Reading,
    Refuse,
    Refused,
    Remember,
    Request,
    Resume,
    Sees,
    SeesNothing,
    Server,
    Shows,
    Step,
    Unfollow,
    Wait,
    Watch,
)
from conformance.runner.values import ValueSyntaxError, parse


class CaseError(Exception):
    """A case cannot be read. The text begins with file and line."""


@dataclass(frozen=True, slots=True)
class Line:
    """A step and where it stands."""

    number: int
    text: str
    step: Step


@dataclass(slots=True)
class Case:
    """One story. It begins with an empty server whose clock says `@0s`."""

    topic: str
    title: str
    path: Path
    needs_sdk: bool
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How known_failures.txt and the table call it."""
        return f"{self.topic}/{self.title}"


def read_cases(folder: Path) -> list[Case]:
    """Return all cases of a folder. Raises CaseError."""
    cases = [case for path in sorted(folder.glob("*.txt")) for case in _read(path)]
    names = [case.name for case in cases]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CaseError(f"{folder}: two cases are called {', '.join(sorted(twice))}")
    return cases


_HEAD = re.compile(r"case (?P<title>.+?)(?P<sdk> \(needs sdk\))?$")


def _read(path: Path) -> Iterator[Case]:
    case: Case | None = None
    for number, text in _joined(path.read_text(encoding="utf-8")):
        at = f"{path}:{number}"
        if (head := _HEAD.match(text)) is not None:
            if case is not None:
                yield _complete(case)
            case = Case(path.stem, head["title"], path, head["sdk"] is not None)
            continue
        if case is None or not text.startswith("  "):
            raise CaseError(f"{at}: expected 'case …', or a step that is indented by two blanks: {text!r}")
        times, words = _times(text.strip())
        try:
            step = _step(words)
        except ValueSyntaxError as error:
            raise CaseError(f"{at}: {error}: {text.strip()!r}") from error
        if step is None:
            raise CaseError(f"{at}: no step is written like this: {text.strip()!r}")
        if isinstance(step, AppDo | Follow) and not case.needs_sdk:
            raise CaseError(f"{at}: a case with an app needs '(needs sdk)' behind its title")
        case.lines += [Line(number, text.strip(), step)] * times
    if case is not None:
        yield _complete(case)


def _times(text: str) -> tuple[int, str]:
    """Take `400 times, ` off a step."""
    match = re.match(r"(\d+) times, (.+)", text)
    return (int(match[1]), match[2]) if match is not None else (1, text)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines without comments; one that is indented by six blanks or more goes on the line before."""
    begun: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith(" " * 6) and begun is not None:
            begun = (begun[0], f"{begun[1]} {line.strip()}")
            continue
        if begun is not None:
            yield begun
        begun = (number, line)
    if begun is not None:
        yield begun


def _complete(case: Case) -> Case:
    if not case.lines:
        raise CaseError(f"{case.path}: the case {case.title!r} has no steps")
    return case


# Parts of lines.

_APP = r"(?P<app>[^:{}]+?'s app(?: on [^:{}]+?)?)"
_STREAM = r"(?P<stream>[^:{}]+?)"
_ACTOR = r"(?P<actor>as \{[^}]*\}|[^:{}]+?)"
_FIELDS = r"(?: (?P<fields>\{.*\}))?"
_CID = r"(?P<cid>[a-z0-9_-]+:[^{}]+?)"
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}

_WORDS = {
    "ringing": ("viewer.calling_state", "RINGING"),
    "joined": ("viewer.calling_state", "JOINED"),
    "left": ("viewer.calling_state", "LEFT"),
    "idle": ("viewer.calling_state", "IDLE"),
    "incoming": ("viewer.direction", "INCOMING"),
    "outgoing": ("viewer.direction", "OUTGOING"),
}


def _fields(match: re.Match[str], group: str = "fields") -> Fields:
    text = match[group]
    if not text:
        return {}
    value = parse(text)
    if not isinstance(value, dict):
        raise ValueSyntaxError("expected {…}")
    return value


_PERSON = re.compile(
    r"(?:(?P<service>the service)(?: as (?P<for>.+?))?|(?P<role>admin )?(?P<user>.+?))"
    r"(?: on (?P<device>.+?))?(?: of team (?P<team>.+))?$"
)


def _actor(text: str) -> Actor:
    if text.startswith("as {"):
        metadata = parse(text.removeprefix("as "))
        return Actor("somebody", metadata=tuple((key, str(value)) for key, value in metadata.items()))
    match = _PERSON.match(text)
    if match is None:
        raise ValueSyntaxError(f"{text!r} is nobody")
    role = "service" if match["service"] else "admin" if match["role"] else ""
    return Actor(match["for"] or match["user"] or "", match["device"] or "", role, match["team"] or "")


def _users(text: str) -> list[str]:
    return re.split(r", | and ", text)


def _app(match: re.Match[str]) -> str:
    return match["app"]


# What an actor asks of the server: the words after the colon.

_Build = Callable[[Actor, re.Match[str]], tuple[str, Fields]]


def _members(users: list[str]) -> list[Fields]:
    return [{"user_id": user} for user in dict.fromkeys(users)]


def _create(actor: Actor, match: re.Match[str]) -> tuple[str, Fields]:
    users = _users(match["users"]) if match["users"] else []
    return "GetOrCreateCall", {"data": {"members": _members([actor.user, *users])}} if users else {}


def _ring(actor: Actor, match: re.Match[str]) -> tuple[str, Fields]:
    members = _members([actor.user, *_users(match["users"])])
    return "GetOrCreateCall", {"ring": True, "data": {"members": members}}


def _ring_again(_: Actor, match: re.Match[str]) -> tuple[str, Fields]:
    return "RingCall", {"user_ids": _users(match["users"])} if match["users"] else {}


def _plain(method: str, **fields: Any) -> _Build:  # noqa: ANN401 -- JSON
    return lambda _actor, _match: (method, dict(fields))


def _saying(method: str) -> _Build:
    return lambda _actor, match: (method, {"reason": match["reason"]} if match["reason"] else {})


def _add(_: Actor, match: re.Match[str]) -> tuple[str, Fields]:
    fields: Fields = {"upsert_members": _members(_users(match["users"]))}
    return "UpdateCallMembers", fields | ({"ring": True} if match["ring"] else {})


def _remove(_: Actor, match: re.Match[str]) -> tuple[str, Fields]:
    return "UpdateCallMembers", {"remove_user_ids": _users(match["users"])}


_USERS = r"(?P<users>[^{}]+?)"
_IN = rf"(?: in {_CID})?"
_SAYING = r"(?: saying (?P<reason>[^{}]+?))?"

_REQUESTS: tuple[tuple[str, _Build], ...] = (
    (rf"create {_CID}(?: with {_USERS})?", _create),
    (rf"ring again(?: {_USERS})?{_IN}", _ring_again),
    (rf"ring {_USERS} in {_CID}", _ring),
    (rf"get{_IN}", _plain("GetCall")),
    (rf"notify{_IN}", _plain("GetCall", notify=True)),
    (rf"(?:join|accept){_IN}", _plain("JoinCall")),
    (rf"reject{_SAYING}{_IN}", _saying("RejectCall")),
    (rf"cancel{_SAYING}{_IN}", _saying("CancelCall")),
    (rf"leave{_SAYING}{_IN}", _saying("LeaveCall")),
    (rf"end{_SAYING}{_IN}", _saying("EndCall")),
    (rf"add (?P<ring>and ring )?{_USERS}{_IN}", _add),
    (rf"remove {_USERS}{_IN}", _remove),
    (rf"update{_IN}", _plain("UpdateCall")),
    (r"list calls", _plain("ListCalls")),
    (rf"list events{_IN}", _plain("ListCallEvents")),
    (r"list all events", _plain("ListEvents")),
)
_REQUEST_LINES = [
    (re.compile(rf"{_ACTOR}: {words}(?: within (?P<within>[\d.]+) s)?{_FIELDS}$"), build) for words, build in _REQUESTS
]


def _request(text: str) -> Request | None:
    for pattern, build in _REQUEST_LINES:
        if (match := pattern.match(text)) is None:
            continue
        actor = _actor(match["actor"])
        method, fields = build(actor, match)
        groups = match.groupdict()
        within = float(match["within"]) if match["within"] else None
        return Request(actor, method, groups.get("cid") or "", merged(fields, _fields(match)), within)
    return None


def merged(base: Fields, over: Fields) -> Fields:
    """Return both, field by field; the second one wins."""
    result = dict(base)
    for key, value in over.items():
        there = result.get(key)
        result[key] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return result


# The other lines.


def _sees(match: re.Match[str]) -> Sees:
    expected: Fields = {"kind": match["kind"]}
    for word in (match["words"] or "").split():
        path, value = _WORDS[word]
        expected[path] = value
    if match["stop"]:
        expected["stop_reason"] = match["stop"]
    return Sees(match["stream"], "change", match["cid"] or "", expected | _fields(match))


def _shows(match: re.Match[str]) -> Shows:
    if match["nothing"]:
        return Shows(_app(match), ())
    calls = []
    for part in match["calls"].split("; "):
        one = re.fullmatch(rf"{_CID}(?P<words>(?: [a-z]+)*?){_FIELDS}", part)
        if one is None:
            raise ValueSyntaxError(f"{part!r} is no call")
        calls.append(_shown(one))
    return Shows(_app(match), tuple(calls))


def _shown(match: re.Match[str]) -> Fields:
    expected: Fields = {"cid": match["cid"]}
    for word in (match["words"] or "").split():
        if word not in _WORDS:
            raise ValueSyntaxError(f"{word!r} is not one of {', '.join(_WORDS)}")
        path, value = _WORDS[word]
        expected[path.removeprefix("viewer.")] = value
    return expected | _fields(match)


def _refused(match: re.Match[str]) -> Refused:
    naming = tuple(match["naming"].split(", ")) if match["naming"] else None
    return Refused(match["reason"], _fields(match), naming)


_WORD_LIST = rf"(?P<words>(?: (?:{'|'.join(_WORDS)}))*)"

_LINES: tuple[tuple[str, Callable[[re.Match[str]], Step]], ...] = (
    (r"refused with (?P<reason>[A-Z_]+)(?: naming (?P<naming>[^{}]+?))?" + _FIELDS, _refused),
    (r"cut off", lambda _: Refused(CUT_OFF, {}, None)),
    (r"answer (?P<fields>\{.*\})", lambda m: Answer(_fields(m))),
    (r"remember the token of (?P<stream>.+) as (?P<name>\w+)", lambda m: Remember("", m["name"], m["stream"])),
    (r"remember (?P<path>\S.*) as (?P<name>\w+)", lambda m: Remember(m["path"], m["name"])),
    (r"advance (?P<number>[\d.]+) (?P<unit>s|min|h)", lambda m: Advance(float(m["number"]) * _UNITS[m["unit"]])),
    (r"wait (?P<number>[\d.]+) s", lambda m: Wait(float(m["number"]))),
    (r"(?P<op>restart|crash|stop|start) the server", lambda m: Server(m["op"])),
    (r"restart the server on an empty disk", lambda _: Server("empty")),
    (r"restart as a newer server", lambda _: Server("newer")),
    (r"restart as a server that repeats itself", lambda _: Server("repeating")),
    (
        r"the server refuses (?P<method>\w+)(?: with (?P<reason>[A-Z_]+))? for (?P<number>[\d.]+) s",
        lambda m: Refuse(m["method"], m["reason"] or "OVERLOADED", float(m["number"])),
    ),
    (
        r"the server was asked (?P<method>\w+) (?P<times>\d+) times?(?P<apart>, not all at once)?",
        lambda m: Asked(m["method"], int(m["times"]), apart=m["apart"] is not None),
    ),
    (r"(?P<op>cut|stall) (?P<label>[^:]+)", lambda m: Network(m["label"], m["op"])),
    (r"lose the next answer to (?P<label>[^:]+)", lambda m: Network(m["label"], "lose")),
    (r"let (?P<label>[^:]+) through", lambda m: Network(m["label"], "pass")),
    (r"(?P<label>[^:]+) connects anew", lambda m: Network(m["label"], "anew")),
    (
        rf"{_APP}: (?P<verb>[a-zA-Z]+)(?: {_CID})?{_FIELDS}",
        lambda m: AppDo(_app(m), m["verb"], m["cid"] or "", _fields(m)),
    ),
    (rf"{_APP} follows{_FIELDS}", lambda m: Follow(_app(m), _fields(m))),
    (rf"{_APP} stops following", lambda m: Unfollow(_app(m))),
    (rf"{_APP} shows (?:(?P<nothing>nothing)|(?P<calls>.+))", _shows),
    (
        rf"{_APP} never showed {_CID}{_WORD_LIST}{_FIELDS}",
        lambda m: NeverShowed(_app(m), _shown(m)),
    ),
    (
        rf"{_ACTOR} (?P<how>watches|opens a watch)(?: as (?P<name>[^{{}}]+?))?{_FIELDS}",
        lambda m: Watch(
            _actor(m["actor"]), m["name"] or _actor(m["actor"]).label, _fields(m), settle=m["how"] == "watches"
        ),
    ),
    (rf"{_STREAM} resumes{_FIELDS}", lambda m: Resume(m["stream"], _fields(m))),
    (rf"{_STREAM} sees nothing more", lambda m: SeesNothing(m["stream"])),
    (
        rf"{_STREAM} sees (?P<kind>ADDED|UPDATED|REMOVED)(?: of {_CID})?{_WORD_LIST}(?: (?P<stop>[A-Z_]+))?{_FIELDS}",
        _sees,
    ),
    (
        rf"{_STREAM} sees a notification(?: of {_CID})?{_FIELDS}",
        lambda m: Sees(m["stream"], "notification", m["cid"] or "", _fields(m)),
    ),
    (
        rf"{_STREAM} sees the snapshot end",
        lambda m: Sees(m["stream"], "snapshotComplete", "", {"resumed": False}),
    ),
    (
        rf"{_STREAM} sees that it resumed",
        lambda m: Sees(m["stream"], "snapshotComplete", "", {"resumed": True}),
    ),
    (
        rf"{_STREAM} sees reset (?P<why>[A-Z_]+)",
        lambda m: Sees(m["stream"], "reset", "", {"reason": m["why"]}),
    ),
    (rf"{_STREAM} sees something unknown", lambda m: Sees(m["stream"], UNKNOWN, "", {})),
    (rf"{_STREAM} sees a heartbeat", lambda m: Sees(m["stream"], "heartbeat", "", {})),
    (rf"{_STREAM} sees going away", lambda m: Sees(m["stream"], "goingAway", "", {})),
    (rf"{_STREAM} ends with (?P<reason>[A-Z_]+)", lambda m: Ends(m["stream"], m["reason"])),
    (rf"{_STREAM} is cut off", lambda m: Ends(m["stream"], CUT_OFF)),
    (rf"{_STREAM} stops reading", lambda m: Reading(m["stream"], "pause")),
    (rf"{_STREAM} reads on", lambda m: Reading(m["stream"], "resume")),
    (rf"{_STREAM} stops watching", lambda m: Reading(m["stream"], "cancel")),
)
_LINE_PATTERNS = [(re.compile(pattern + "$"), build) for pattern, build in _LINES]


def _step(text: str) -> Step | None:
    for pattern, build in _LINE_PATTERNS:
        if (match := pattern.match(text)) is not None:
            return build(match)
    return _request(text)
