from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringline_server.rules.call import Call, Cause, Member, Participant, Ring, Target
from ringline_server.rules.outcome import Answer, AskedTarget, Event
from ringline_server.rules.settings import SettingsOverride
from ringline_server.rules.terms import EventType, Gone, RingState, TargetState
from ringline_server.store import codec_large
from ringline_server.store.codec import (
    decode_answer,
    decode_call,
    decode_events,
    encode_answer,
    encode_call,
    encode_events,
)
from ringline_server.store.codec_large import Pieces, is_large, pieces

T = TypeVar("T")
U = TypeVar("U", Target, Member)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
"""What SQLite and the contract have room for."""

BOUNDED = {"int": INTEGERS, "int | None": st.none() | INTEGERS}


def every_field(kind: type[T], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Return a strategy for a dataclass that fills also the fields that have a default."""
    return st.builds(
        kind,
        **{
            one.name: given.get(one.name, BOUNDED.get(str(one.type), ...))
            for one in fields(kind)  # type: ignore[arg-type]
            if one.init
        },
    )


def few(values: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(values, max_size=2).map(tuple)


def by_user(values: st.SearchStrategy[U]) -> st.SearchStrategy[dict[str, U]]:
    return few(values).map(lambda found: {one.user_id: one for one in found})


TARGETS = every_field(Target)
PARTICIPANTS = every_field(Participant)
RINGS = every_field(Ring, targets=by_user(TARGETS))
CALLS = every_field(
    Call,
    members=by_user(every_field(Member)),
    gone=st.dictionaries(st.text(), st.sampled_from(Gone), max_size=2),
    rings=st.lists(RINGS, max_size=2, unique_by=lambda ring: ring.number).map(tuple),
    participants=few(PARTICIPANTS),
    settings=every_field(SettingsOverride),
    cause=every_field(Cause),
)
ANSWERS = every_field(
    Answer,
    targets=few(every_field(AskedTarget, target=st.none() | TARGETS)),
    participant=st.none() | PARTICIPANTS,
)


EVENTS = st.lists(every_field(Event), min_size=1, max_size=3)

encoded = pytest.mark.parametrize(
    ("encode", "decode", "values"),
    [
        pytest.param(encode_call, decode_call, CALLS, id="call"),
        pytest.param(encode_events, decode_events, EVENTS, id="events"),
        pytest.param(encode_answer, decode_answer, ANSWERS, id="answer"),
    ],
)


@encoded
def test_what_is_decoded_is_what_was_encoded_with_its_order_and_types(
    encode: Callable[[Any], str], decode: Callable[[str], Any], values: st.SearchStrategy[Any]
) -> None:
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values)
    def check(value: object) -> None:
        decoded = decode(encode(value))
        assert decoded == value
        assert repr(decoded) == repr(value)

    check()


@pytest.mark.parametrize(
    ("encode", "decode", "values"),
    [(encode_call, decode_call, CALLS), (encode_answer, decode_answer, ANSWERS)],
)
def test_keys_that_are_not_known_are_skipped(
    encode: Callable[[Any], str], decode: Callable[[str], Any], values: st.SearchStrategy[Any]
) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values)
    def check(value: object) -> None:
        assert decode(json.dumps(_with_more(json.loads(encode(value))))) == value

    check()


@given(st.lists(CALLS, min_size=1, max_size=4), st.data())
def test_a_large_call_is_the_same_from_its_pieces_whatever_has_changed_since(
    some: list[Call], data: st.DataObject
) -> None:
    rows: dict[tuple[str, int, int], str] = {}
    before, call = None, some[0]
    with few_are(data.draw(st.integers(0, 2))):
        for other in some:
            more = other.rings[0].targets if other.rings else {}
            changes: list[dict[str, Any]] = [
                {"members": other.members, "gone": other.gone},
                {"participants": other.participants},
                {"participants": call.participants[1:] + other.participants},
                {"rings": other.rings},
                {"rings": tuple(replace(ring, targets={**ring.targets, **more}) for ring in call.rings)},
                {"members": {}, "participants": (), "gone": {}},
            ]
            call = replace(call, **data.draw(st.sampled_from(changes)))
            for _ in range(2):
                store(rows, pieces(before, call))
                assert bool(rows) <= is_large(call)
                assert repr(decode_call(encode_call(call, large=is_large(call)), in_order(rows))) == repr(call)
                before = call


def test_of_a_large_call_only_pieces_that_have_changed_are_written_again() -> None:
    users = [f"user-{number}" for number in range(60)]
    targets = {user: Target(user, TargetState.RINGING, 1, 1, 2) for user in users}
    ring = Ring(1, 1, "ann", "", RingState.RINGING, False, 1, 2, targets)
    members = {user: Member(user, "call_member", b"", 1, 1) for user in users}
    call = Call("default", "standup", "u1", "ann", 5, 5, members=members, rings=(ring,))
    accepted = replace(targets["user-9"], state=TargetState.ACCEPTED)
    after = replace(
        call,
        rings=(replace(ring, targets={**targets, "user-9": accepted}),),
        participants=(Participant("user-9", "phone", 3, 1),),
    )
    assert len(pieces(None, call).written) == 2 * math.ceil(60 / codec_large.PIECE)
    assert pieces(call, call) == Pieces()
    assert [one[:3] for one in pieces(call, after).written] == [("participants", 0, 0), ("targets", 1, 1)]
    assert pieces(after, call).cut == [("participants", 0, 0)]


def test_what_is_in_pieces_is_part_of_the_files_format() -> None:
    assert (codec_large.FEW, codec_large.PIECE) == (50, 8), "what is stored is told from these: it takes a migration"


def test_a_call_that_is_small_again_has_no_pieces() -> None:
    users = [f"user-{number}" for number in range(51)]
    call = Call("default", "standup", "u1", "ann", 5, 5, members={u: Member(u, "host", b"", 1, 1) for u in users})
    rows: dict[tuple[str, int, int], str] = {}
    store(rows, pieces(None, call))
    assert rows
    store(rows, pieces(call, replace(call, members={})))
    assert not rows


@contextmanager
def few_are(number: int) -> Iterator[None]:
    """Make calls with more than so many large, and pieces as small as can be cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_large, "FEW", number)
        patch.setattr(codec_large, "PIECE", 2)
        yield


def store(rows: dict[tuple[str, int, int], str], changed: Pieces) -> None:
    """Do what a store does with pieces."""
    for *part, start in changed.cut:
        for key in [key for key in rows if [*key[:2]] == part and key[2] >= start]:
            del rows[key]
    rows.update({(part, ring, number): body for part, ring, number, body in changed.written})


def in_order(rows: dict[tuple[str, int, int], str]) -> list[tuple[str, int, str]]:
    return [(part, ring, body) for (part, ring, _), body in sorted(rows.items())]


def test_what_has_its_default_is_left_out() -> None:
    ann = Member("ann", "call_member", b"", 5, 5)
    call = Call("default", "standup", "u1", "ann", 5, 5, members={"ann": ann}, revision=1, seq=1)
    assert encode_call(call) == (
        '{"type":"default","id":"standup","uid":"u1","created_by_id":"ann","created_at":5,"updated_at":5,'
        '"revision":1,"seq":1,"members":{"ann":{}}}'
    )
    ring = Ring(1, 1, "ann", "", RingState.RINGING, False, 6, 9, {"bob": Target("bob", TargetState.RINGING, 6, 6, 9)})
    assert '"targets":[{"user_id":"bob"}]' in encode_call(replace(call, rings=(ring,)))
    assert encode_answer(Answer()) == "{}"


def test_what_the_events_of_a_step_have_in_common_is_encoded_once() -> None:
    first = Event(1, EventType.CALL_CREATED, 5, "default:standup", "u1", 1, 1, actor_user_id="ann", device_id="phone")
    second = replace(first, seq=2, type=EventType.CALL_RING, ring_id="u1.1", subject_user_ids=("bob",))
    third = replace(first, seq=3, type=EventType.CALL_UPDATED, session=2, device_id="")
    text = encode_events([first, second, third])
    assert text == (
        '[[[5,"default:standup","u1",1,1,"ann",""],'
        '[[1,"CALL_CREATED","phone","",[],""],[2,"CALL_RING","phone","u1.1",["bob"],""]]],'
        '[[5,"default:standup","u1",2,1,"ann",""],[[3,"CALL_UPDATED","","",[],""]]]]'
    )
    assert decode_events(text) == [first, second, third]


def test_values_of_events_and_participants_that_are_not_known_are_skipped() -> None:
    participant = decode_answer('{"participant":["ann","phone",5,1,"later"]}').participant
    assert participant == Participant("ann", "phone", 5, 1)
    event = Event(1, EventType.CALL_CREATED, 5, "default:standup", "u1", 1, 1)
    more = '[[[5,"default:standup","u1",1,1,"","","later"],[[1,"CALL_CREATED","","",[],"","later"]]]]'
    assert decode_events(more) == [event]


def test_a_value_that_is_not_known_raises() -> None:
    with pytest.raises(KeyError):
        decode_events('[[[5,"a:b","u",1,1,"",""],[[1,"CALL_TELEPORTED","","",[],""]]]]')


def _with_more(value: Any, key: str = "") -> Any:  # noqa: ANN401 -- any JSON
    """Return the JSON with another key in every object, except in those whose keys are users."""
    if isinstance(value, list):
        return [_with_more(one) for one in value]
    if not isinstance(value, dict):
        return value
    more = {name: _with_more(one, name if key not in ("members", "gone") else "") for name, one in value.items()}
    return more if key in ("members", "gone") else {**more, "later": [1]}
