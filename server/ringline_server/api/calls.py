"""The RPCs that ask something of one call: from the request's bytes to the answer's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from google.protobuf.message import Message

from ringline_server.api.commands import VERBS, Verb
from ringline_server.api.encode import CallEncoder
from ringline_server.api.identity import Identity
from ringline_server.api.messages import asked_target_bytes, participant_bytes
from ringline_server.api.port import RequestContext, Unary
from ringline_server.api.requests import on_device
from ringline_server.api.rpc import note, note_actor
from ringline_server.api.splice import int_field, message_field, text_field
from ringline_server.api.validate import MAX_REQUEST_ID, Checks, parse
from ringline_server.engine.port import CallTypes, Outcome, RequestId, Submission
from ringline_server.rules.commands import Command, Get
from ringline_server.rules.context import Actor
from ringline_server.rules.outcome import Answer


class Engine(Protocol):
    """Takes commands."""

    async def submit(self, submission: Submission) -> Outcome:
        """Return what became of the command, durably; raise Refusal or EngineError."""


def command_rpcs(
    engine: Engine, identity: Identity, encoder: CallEncoder, call_types: CallTypes
) -> Mapping[str, Unary]:
    """Return the RPCs with an effect, and GetCall, by name."""

    def rpc(verb: Verb, answer: Callable[[Answer], bytes]) -> Unary:
        async def handle(context: RequestContext, data: bytes) -> bytes:
            actor = identity.identify(context)
            note_actor(context, actor)
            submission = _submission(verb, parse(verb.request, data), Checks(call_types), context, actor)
            outcome = await engine.submit(submission)
            if outcome.answer.ring_id:
                note(context, ring_id=outcome.answer.ring_id)
            return b"".join((*encoder.seen(outcome.call, submission.actor), answer(outcome.answer)))

        return handle

    return {name: rpc(verb, _ANSWERS.get(name, _nothing)) for name, verb in VERBS.items()}


def _submission(verb: Verb, request: Any, checks: Checks, context: RequestContext, actor: Actor) -> Submission:  # noqa: ANN401 -- one of the verbs' requests, all of which have type, id and request_id
    key = checks.type("type", request.type), checks.id("id", request.id)
    if verb.has_device:
        actor = on_device(actor, checks.optional_id("device_id", request.device_id))
    command = verb.command(request, checks, actor)
    request_id = checks.text("request_id", request.request_id, MAX_REQUEST_ID)
    checks.done()
    note(context, cid=f"{key[0]}:{key[1]}", ring_id=getattr(command, "ring_id", ""), request_id=request_id)
    remembered = None
    if request_id and _has_effect(command):
        method = context.method.rpartition("/")[2]
        device = actor.device_id if verb.has_device else ""
        remembered = RequestId(request_id, method, _fingerprint(method, request, device))
    return Submission(key, command, actor, remembered)


def _has_effect(command: Command) -> bool:
    return not isinstance(command, Get) or command.ring or command.notify


def _fingerprint(method: str, request: Message, device_id: str) -> bytes:
    """Return a hash of all that a request means, so that another one under its id is recognised (X3)."""
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    if "device_id" in content.DESCRIPTOR.fields_by_name:
        # It is told apart as it was resolved: wherever the device was named, it is the same request.
        content.ClearField("device_id")
    digest = hashlib.sha256()
    for part in (method.encode(), device_id.encode(), content.SerializeToString(deterministic=True)):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


# The answers' own fields, behind the call and its viewer.


def _nothing(_answer: Answer) -> bytes:
    return b""


def _ringing(answer: Answer, number: int = 3) -> bytes:
    """Return ``ring_id`` and, in the next field, ``targets``."""
    targets = [message_field(number + 1, asked_target_bytes(one)) for one in answer.targets]
    return text_field(number, answer.ring_id) + b"".join(targets)


def _created(answer: Answer) -> bytes:
    return int_field(3, answer.created) + _ringing(answer, 4)


def _joined(answer: Answer) -> bytes:
    return b"" if answer.participant is None else message_field(3, participant_bytes(answer.participant))


_ANSWERS: Mapping[str, Callable[[Answer], bytes]] = {
    "GetOrCreateCall": _created,
    "GetCall": _ringing,
    "UpdateCallMembers": _ringing,
    "RingCall": _ringing,
    "JoinCall": _joined,
}
