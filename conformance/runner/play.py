"""Plays a case: each step in turn, until one is not as expected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from conformance.runner.cases import Case, Line
from conformance.runner.process import ChildError
from conformance.runner.steps import (
    CUT_OFF,
    UNKNOWN,
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
from conformance.runner.values import differences, filled, look_up, matches, request
from conformance.runner.world import ANSWER_TIME, Inbox, Json, Mismatch, World

_SEE = 8.0
"""Seconds in which a message must have come."""

_SHOW = 30.0
"""The same of a list that an SDK follows: more than 2.5 heartbeats of 5 s, and a reconnect."""

_NOTHING = 0.3
"""Seconds in which nothing must come."""

_SETTLE = 0.1
"""Seconds for both ends to notice that a connection is gone."""

_APART = 0.1
"""Seconds over which ten come back, at least, who wait for up to 0.5 s as chance has it."""

_CUT_OFF_CODES = {"UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL"}
"""What libraries make of a connection that is reset."""

_EVENTS = {"change", "notification", "snapshotComplete", "heartbeat", "reset", "goingAway"}

_NOT_IDS = {"ListCalls", "ListEvents"}


class Player:
    """What a case remembers while it is played."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cid = ""
        self._memory: dict[str, Any] = {}
        self._last: Json = {}
        """The last answer or message."""
        self._refusal: Json | None = None
        self._streams: dict[str, Inbox] = {}
        self._follows: dict[str, Inbox] = {}

    async def play(self, case: Case) -> None:
        """Play it. Raises Mismatch, which says where."""
        for line, after in zip(case.lines, [*case.lines[1:], None], strict=True):
            try:
                await self._do(line.step, after)
            except (Mismatch, ChildError) as error:
                raise Mismatch(f"{case.path.name}:{line.number}: {line.text}\n    {error}") from error
            except KeyError as error:
                raise Mismatch(f"{case.path.name}:{line.number}: {line.text}\n    nothing is called {error}") from error
        for inbox in self._streams.values():
            check_stream(inbox)
        for inbox in self._follows.values():
            check_follow(inbox)

    async def _do(self, step: Step, after: Line | None) -> None:  # noqa: C901 -- one case a step
        expects_refusal = after is not None and isinstance(after.step, Refused)
        match step:
            case Request():
                self._settle(await self._request(step), "response", expects_refusal=expects_refusal)
            case AppDo():
                self._settle(await self._app_do(step), "result", expects_refusal=expects_refusal)
            case Refused():
                self._check_refusal(step)
            case Answer(expected):
                agree(filled(expected, self._memory), self._last, "the answer")
            case Remember():
                self._remember(step)
            case Watch():
                await self._watch(step)
            case Resume():
                await self._resume(step)
            case Sees():
                await self._sees(step)
            case SeesNothing(stream):
                await self._sees_nothing(stream)
            case Ends():
                await self._ends(step)
            case Reading(stream, op):
                await self._world.ask(op, watch=self._streams[stream].name)
                if op == "cancel":
                    await self._world.server.notice()
            case Follow():
                await self._follow(step)
            case Unfollow(app):
                await self._world.ask("sdk.unfollow", follow=self._follows[app].name)
                await self._ends(Ends(app, "OK"))
                await self._world.server.notice()
            case Shows():
                await self._shows(step)
            case NeverShowed():
                self._never_showed(step)
            case Advance(seconds):
                await self._world.server.advance(seconds)
            case Server(op):
                await self._serve(op)
            case Refuse(method, reason, seconds):
                await self._world.server.refuse(method, reason, seconds)
            case Asked():
                await self._asked(step)
            case Network():
                await self._network(step)
            case Wait(seconds):
                await asyncio.sleep(seconds)

    # RPCs.

    def _named(self, cid: str) -> tuple[str, str]:
        self._cid = cid or self._cid
        type_, _, id_ = self._cid.partition(":")
        return type_, id_

    async def _request(self, step: Request) -> Json:
        fields = request(filled(step.fields, self._memory))
        if step.method not in _NOT_IDS:
            type_, id_ = self._named(step.cid)
            fields = {"type": type_, "id": id_, **fields}
        client = await self._world.stub_client(step.actor)
        call = {"client": client, "method": step.method, "request": fields}
        if step.within is not None:
            call["timeout"] = step.within
        return await self._world.try_("unary", ANSWER_TIME, **call)

    async def _app_do(self, step: AppDo) -> Json:
        type_, id_ = self._named(step.cid)
        client = await self._world.app_client(step.app)
        args = request(filled(step.args, self._memory))
        return await self._world.try_("sdk.do", _SHOW, client=client, verb=step.verb, type=type_, callId=id_, args=args)

    def _settle(self, answer: Json, key: str, *, expects_refusal: bool) -> None:
        self._refusal = answer.get("error")
        if self._refusal is not None and not expects_refusal:
            raise Mismatch(f"refused: {self._refusal}")
        self._last = answer.get(key, {})

    def _check_refusal(self, step: Refused) -> None:
        error = self._refusal
        if error is None:
            raise Mismatch(f"not refused, but answered {self._last}")
        if not is_called(step.reason, error):
            raise Mismatch(f"refused with {error}")
        # What stands in braces is metadata; `code`, `message` and `retryAfter` are the error's own.
        own = {"code", "message", "retryAfter"}
        wanted = filled(step.metadata, self._memory)
        agree({key: value for key, value in wanted.items() if key in own}, error, "the error")
        metadata = {key: value for key, value in wanted.items() if key not in own}
        agree_flat(metadata, error.get("metadata", {}))
        if step.fields is not None and sorted(error.get("fields", [])) != sorted(step.fields):
            raise Mismatch(f"the fields are {error.get('fields')}, expected {list(step.fields)}")
        self._last = error

    def _remember(self, step: Remember) -> None:
        if step.token_of:
            self._memory[step.name] = token(self._streams[step.token_of])
            return
        value = look_up(self._last, step.path)
        if not matches("present", value):
            raise Mismatch(f"there is no {step.path} in {self._last}")
        self._memory[step.name] = value

    # Streams.

    async def _watch(self, step: Watch) -> None:
        fields = request(filled(step.fields, self._memory))
        await self._open(step.name, Inbox(self._world.new_name(), "", fields, step.actor))
        if step.settle:
            await self._sees(Sees(step.name, "snapshotComplete", "", {}))

    async def _open(self, stream: str, inbox: Inbox) -> None:
        assert inbox.actor is not None  # noqa: S101 -- streams on stubs have one
        inbox.client = await self._world.stub_client(inbox.actor)
        self._streams[stream] = inbox
        self._world.inboxes[inbox.name] = inbox
        await self._world.ask("watch", client=inbox.client, watch=inbox.name, request=inbox.request)

    async def _resume(self, step: Resume) -> None:
        old = self._streams[step.stream]
        check_stream(old)
        if old.end is None:
            await self._world.ask("cancel", watch=old.name)
        fields = {**old.request, "resumeToken": token(old), **request(filled(step.fields, self._memory))}
        inbox = Inbox(self._world.new_name(), "", fields, old.actor, token=fields["resumeToken"])
        await self._open(step.stream, inbox)

    async def _next(self, stream: str, event: str) -> Json:
        inbox = self._streams[stream]
        while await inbox.until(lambda: inbox.read < len(inbox.reports) or inbox.end is not None, _SEE):
            if inbox.read == len(inbox.reports):
                raise Mismatch(f"the stream has ended: {inbox.end}")
            message: Json = inbox.reports[inbox.read]["message"]
            inbox.read += 1
            if event == "heartbeat" or "heartbeat" not in message:
                return message
        raise Mismatch(f"nothing came within {_SEE:g} s")

    async def _sees(self, step: Sees) -> None:
        message = await self._next(step.stream, step.event)
        if step.event == UNKNOWN and not message.keys() & _EVENTS:
            return
        if step.event not in message:
            raise Mismatch(f"saw {brief(message)}")
        found = message[step.event]
        expected = filled(step.expected, self._memory)
        if step.cid:
            expected = {"call.cid": step.cid, **expected}
        agree(expected, found, f"in {brief(message)}")
        self._last = {**found, "serverTime": message.get("serverTime")}

    async def _sees_nothing(self, stream: str) -> None:
        inbox = self._streams[stream]
        await asyncio.sleep(_NOTHING)
        more = [one["message"] for one in inbox.reports[inbox.read :] if "heartbeat" not in one["message"]]
        if more:
            raise Mismatch(f"saw {', '.join(brief(one) for one in more)}")
        if inbox.end is not None:
            raise Mismatch(f"the stream has ended: {inbox.end}")

    async def _ends(self, step: Ends) -> None:
        inbox = self._streams.get(step.stream) or self._follows[step.stream]
        await inbox.until(lambda: inbox.end is not None, _SEE)
        if inbox.end is None:
            raise Mismatch(f"it did not end within {_SEE:g} s")
        if not is_called(step.reason, inbox.end):
            raise Mismatch(f"it ended with {inbox.end}")
        self._last = inbox.end

    # The SDK.

    async def _follow(self, step: Follow) -> None:
        client = await self._world.app_client(step.app)
        inbox = Inbox(self._world.new_name(), client)
        self._follows[step.app] = inbox
        self._world.inboxes[inbox.name] = inbox
        args = request(filled(step.args, self._memory))
        await self._world.ask("sdk.follow", client=client, follow=inbox.name, args=args)

    async def _shows(self, step: Shows) -> None:
        inbox = self._follows[step.app]
        wanted = [filled(one, self._memory) for one in step.calls]

        def shown() -> bool:
            return bool(inbox.reports) and matches(wanted, inbox.reports[-1]["calls"])

        if not await inbox.until(lambda: shown() or inbox.end is not None, _SHOW) or not shown():
            last = inbox.reports[-1]["calls"] if inbox.reports else "no list at all"
            raise Mismatch(f"it shows {last}" + (f", and has ended: {inbox.end}" if inbox.end else ""))
        self._last = {"calls": inbox.reports[-1]["calls"]}

    def _never_showed(self, step: NeverShowed) -> None:
        for report in self._follows[step.app].reports:
            for call in report["calls"]:
                if not differences(filled(step.call, self._memory), call):
                    raise Mismatch(f"it once showed {call}")

    # Server and network.

    async def _serve(self, op: str) -> None:
        server = self._world.server
        match op:
            case "stop" | "restart" | "newer" | "repeating":
                await server.stop()
            case "empty":
                await server.stop()
                server.forget()
            case "crash":
                await server.crash()
        if op != "stop":
            await server.start(op if op in {"newer", "repeating"} else "")
        await asyncio.sleep(_SETTLE)
        self._world.forget_clients()

    async def _asked(self, step: Asked) -> None:
        until = time.monotonic() + _SEE
        while True:
            refused, served = await self._world.server.asked(step.method)
            if refused + len(served) >= step.times or time.monotonic() > until:
                break
            await asyncio.sleep(_SETTLE)
        if refused + len(served) != step.times:
            raise Mismatch(f"it was asked {refused + len(served)} times: it refused {refused} of them")
        if step.apart and not (served and max(served) - min(served) >= _APART):
            raise Mismatch(f"they came back at once: {served}")

    async def _network(self, step: Network) -> None:
        if step.op == "anew":
            self._world.forget_clients(step.label)
            return
        proxy = self._world.known_proxy(step.label)
        match step.op:
            case "cut":
                proxy.cut()
                await asyncio.sleep(_SETTLE)
                self._world.forget_clients(step.label)
            case "stall":
                proxy.stall()
            case "pass":
                proxy.let_through()
            case _:
                proxy.lose_next_answer()


def token(inbox: Inbox) -> str:
    """Return the last token of a stream among the messages that the case has seen."""
    for report in reversed(inbox.reports[: inbox.read]):
        if report["message"].get("resumeToken"):
            return str(report["message"]["resumeToken"])
    return inbox.token


def is_called(reason: str, error: Json) -> bool:
    """Whether an error has this reason or code."""
    if reason == CUT_OFF:
        return error.get("code") in _CUT_OFF_CODES and not error.get("reason")
    return reason in {error.get("reason"), error.get("code")}


def agree(expected: Fields, actual: object, what: str) -> None:
    """Raise Mismatch unless all is as expected."""
    if wrong := differences(expected, actual):
        raise Mismatch(f"{what}: " + "; ".join(wrong))


def agree_flat(expected: Fields, actual: Mapping[str, str]) -> None:
    """The same for metadata, whose keys are no paths."""
    wrong = [
        f"{key} is {actual.get(key)!r}, expected {wanted!r}"
        for key, wanted in expected.items()
        if not (
            (wanted == "present" and actual.get(key))
            or (wanted == "absent" and not actual.get(key))
            or matches(wanted, actual.get(key, ""))
        )
    ]
    if wrong:
        raise Mismatch("the metadata: " + "; ".join(wrong))


def brief(message: Json) -> str:
    """Return what a message is, in a few words."""
    for event, found in message.items():
        if event in {"resumeToken", "serverTime"}:
            continue
        call, viewer = found.get("call", {}), found.get("viewer", {})
        words = [event, found.get("kind"), found.get("cause"), found.get("stopReason"), found.get("reason")]
        words += [call.get("cid"), call.get("state"), viewer.get("callingState"), viewer.get("direction")]
        return " ".join(str(word) for word in words if word)
    return "a message without an event"


def check_stream(inbox: Inbox) -> None:
    """Raise Mismatch for what no stream may do (W3, W4), whatever a case expects."""
    revisions: dict[str, int] = {}
    complete = False
    for report in inbox.reports:
        message = report["message"]
        complete = complete or "snapshotComplete" in message
        if complete != bool(message.get("resumeToken")):
            raise Mismatch(f"{brief(message)} has {'no' if complete else 'a'} resume token")
        call = message.get("change", {}).get("call", {})
        uid, revision = call.get("uid", ""), call.get("revision", 0)
        if revision < revisions.get(uid, 0):
            raise Mismatch(f"{brief(message)} goes back from revision {revisions[uid]} to {revision}")
        revisions[uid] = revision


def check_follow(inbox: Inbox) -> None:
    """Raise Mismatch for lists that show an older revision of a call after a newer one."""
    revisions: dict[str, int] = {}
    for report in inbox.reports:
        for call in report["calls"]:
            uid, revision = call.get("uid", ""), call.get("revision", 0)
            if revision < revisions.get(uid, 0):
                raise Mismatch(f"the list goes back from revision {revisions[uid]} of {call.get('cid')} to {revision}")
            revisions[uid] = revision
