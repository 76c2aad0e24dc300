"""Calls, events and remembered answers as compact JSON text, the same for every engine.

What has its default is left out, and keys that are not known are skipped, so that a field can be added without touching
what is stored; of what there are many or one a step, events and participants, there are only the values, in a fixed
order, and a new one comes last. A value that is not known raises. Decoding gives back exactly what was encoded. It runs
for every change, which is why it is written out field by field.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

import orjson

from ringline_server.rules.call import Call, Cause
from ringline_server.rules.outcome import Answer, Event
from ringline_server.rules.settings import NO_OVERRIDE
from ringline_server.rules.terms import EndReason, EventType, Gone
from ringline_server.store.codec_large import join
from ringline_server.store.codec_parts import (
    Fields,
    decode_asked,
    decode_cause,
    decode_member,
    decode_participant,
    decode_ring,
    decode_settings,
    encode_asked,
    encode_bytes,
    encode_cause,
    encode_member,
    encode_participant,
    encode_ring,
    encode_settings,
)

# A look-up in a dict is several times as fast as a call of the enumeration.
_END_REASONS = dict(EndReason.__members__)
_EVENT_TYPES = dict(EventType.__members__)
_GONE = dict(Gone.__members__)

_CREATED = Cause(EventType.CALL_CREATED)

# An event as lists of values in this order, to which new fields are added at the end; what the events of a step nearly
# always have in common comes first, and once.
_COMMON = ("time", "cid", "uid", "session", "revision", "actor_user_id", "acting_service_id")
_OWN = ("seq", "type", "device_id", "ring_id", "subject_user_ids", "reason")
_common = attrgetter(*_COMMON)
_own = attrgetter(*_OWN)


def encode_call(call: Call, *, large: bool = False) -> str:
    """Return the call as text; of a large one without what is in its pieces (``codec_large``)."""
    fields: Fields = {
        "type": call.type,
        "id": call.id,
        "uid": call.uid,
        "created_by_id": call.created_by_id,
        "created_at": call.created_at,
        "updated_at": call.updated_at,
        "revision": call.revision,
        "seq": call.seq,
    }
    if not large:
        _add_parts(fields, call)
    if call.rings:
        fields["rings"] = [encode_ring(ring, with_targets=not large) for ring in call.rings]
    if call.settings != NO_OVERRIDE:
        fields["settings"] = encode_settings(call.settings)
    if call.custom:
        fields["custom"] = encode_bytes(call.custom)
    if call.cause != _CREATED:
        fields["cause"] = encode_cause(call.cause)
    _add_call_history(fields, call)
    return orjson.dumps(fields).decode()


def decode_call(text: str, pieces: Iterable[tuple[str, int, str]] = ()) -> Call:
    """Return the call that was encoded; a large one has its pieces with it, as ``join`` wants them."""
    fields: Fields = orjson.loads(text)
    if pieces:
        join(fields, pieces)
    get = fields.get
    created_at = fields["created_at"]
    return Call(
        type=fields["type"],
        id=fields["id"],
        uid=fields["uid"],
        created_by_id=fields["created_by_id"],
        created_at=created_at,
        updated_at=fields["updated_at"],
        team=get("team", ""),
        custom=a2b_base64(get("custom", "")),
        settings=decode_settings(fields["settings"]) if "settings" in fields else NO_OVERRIDE,
        starts_at=get("starts_at"),
        members={user: decode_member(user, one, created_at) for user, one in fields["members"].items()},
        rings=tuple([decode_ring(one) for one in get("rings", ())]),
        ring_count=get("ring_count", 0),
        participants=tuple([decode_participant(one) for one in get("participants", ())]),
        session=get("session", 1),
        session_rang=get("session_rang", False),
        session_joined=get("session_joined", False),
        session_peak=get("session_peak", 0),
        session_over=get("session_over", False),
        gone={user: _GONE[how] for user, how in fields["gone"].items()} if "gone" in fields else {},
        started_at=get("started_at"),
        ended=get("ended", False),
        ended_for_good=get("ended_for_good", False),
        ended_at=get("ended_at"),
        ended_by_id=get("ended_by_id", ""),
        end_reason=_END_REASONS[fields["end_reason"]] if "end_reason" in fields else None,
        last_notified_at=get("last_notified_at"),
        last_notified_by_id=get("last_notified_by_id", ""),
        revision=fields["revision"],
        seq=fields["seq"],
        cause=decode_cause(fields["cause"]) if "cause" in fields else _CREATED,
    )


def encode_events(events: Sequence[Event]) -> str:
    """Return the events of a step as text: lists of what some have in common, each with what they have of their own."""
    return orjson.dumps([(common, [*map(_own, those)]) for common, those in groupby(events, _common)]).decode()


def decode_events(text: str) -> list[Event]:
    """Return the events that were encoded."""
    events = []
    for common, those in orjson.loads(text):
        fields = dict(zip(_COMMON, common, strict=False))
        for own in those:
            fields.update(zip(_OWN, own, strict=False))
            fields["type"] = _EVENT_TYPES[fields["type"]]
            fields["subject_user_ids"] = tuple(fields["subject_user_ids"])
            events.append(Event(**fields))
    return events


def encode_answer(answer: Answer) -> str:
    """Return a remembered answer's own fields as text (X3)."""
    fields: Fields = {}
    if answer.created:
        fields["created"] = True
    if answer.ring_id:
        fields["ring_id"] = answer.ring_id
    if answer.targets:
        fields["targets"] = [encode_asked(one) for one in answer.targets]
    if answer.participant is not None:
        fields["participant"] = encode_participant(answer.participant)
    return orjson.dumps(fields).decode()


def decode_answer(text: str) -> Answer:
    """Return the answer that was encoded."""
    fields: Fields = orjson.loads(text)
    return Answer(
        created=fields.get("created", False),
        ring_id=fields.get("ring_id", ""),
        targets=tuple([decode_asked(one) for one in fields.get("targets", ())]),
        participant=decode_participant(fields["participant"]) if "participant" in fields else None,
    )


def _add_parts(fields: Fields, call: Call) -> None:
    """Add what a large call has in its pieces."""
    fields["members"] = {user: encode_member(member, call.created_at) for user, member in call.members.items()}
    if call.participants:
        fields["participants"] = [encode_participant(one) for one in call.participants]
    if call.gone:
        fields["gone"] = dict(call.gone)


def _add_call_history(fields: Fields, call: Call) -> None:
    """Add what a call has only once something happened to it."""
    if call.team:
        fields["team"] = call.team
    if call.starts_at is not None:
        fields["starts_at"] = call.starts_at
    if call.ring_count:
        fields["ring_count"] = call.ring_count
    _add_session(fields, call)
    if call.ended:
        fields["ended"] = True
    if call.ended_for_good:
        fields["ended_for_good"] = True
    if call.ended_by_id:
        fields["ended_by_id"] = call.ended_by_id
    if call.last_notified_at is not None:
        fields["last_notified_at"] = call.last_notified_at
    if call.last_notified_by_id:
        fields["last_notified_by_id"] = call.last_notified_by_id


def _add_session(fields: Fields, call: Call) -> None:
    if call.session != 1:
        fields["session"] = call.session
    if call.session_rang:
        fields["session_rang"] = True
    if call.session_joined:
        fields["session_joined"] = True
    if call.session_peak:
        fields["session_peak"] = call.session_peak
    if call.session_over:
        fields["session_over"] = True
    if call.started_at is not None:
        fields["started_at"] = call.started_at
    if call.ended_at is not None:
        fields["ended_at"] = call.ended_at
    if call.end_reason is not None:
        fields["end_reason"] = call.end_reason
