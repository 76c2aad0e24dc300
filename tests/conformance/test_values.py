from __future__ import annotations

from typing import Any

import pytest

from conformance.runner.values import ValueSyntaxError, differences, filled, parse, request


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b.c: [x, y z, true], d[my friend].e: default:standup}",
         {"a": 1, "b.c": ["x", "y z", True], "d[my friend].e": "default:standup"}),
        ('{a: "x, {y}: \\"z\\"", b: {}, c: [], d: -1.5}', {"a": 'x, {y}: "z"', "b": {}, "c": [], "d": -1.5}),
        ("[]", []),
    ],
)  # fmt: skip
def test_values_are_read(text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", ["{", "{a}", "{a: }", "[a", '{a: "b}', "{a: b} c"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        parse(text)


def test_requests_get_their_json_form() -> None:
    fields = {"calling_states": ["JOINED"], "created_after": "@30s", "custom": {"my_key": "@1s"}, "ring_id": "$r"}
    assert request(filled(fields, {"r": "uid.1"})) == {
        "callingStates": ["CALLING_STATE_JOINED"],
        "createdAfter": "2023-11-14T22:13:50Z",
        "custom": {"my_key": "@1s"},
        "ringId": "uid.1",
    }


ANSWER: dict[str, Any] = {
    "call": {
        "state": "CALL_STATE_ENDED",
        "endReason": "END_REASON_ALL_REJECTED",
        "endedAt": "2023-11-14T22:13:50.500Z",
    },
    "targets": [{"userId": "bob", "state": "RING_TARGET_STATE_REJECTED"}, {"userId": "my friend", "onlineDevices": 2}],
    "left": 19.2,
}


@pytest.mark.parametrize(
    "expected",
    [
        "{call.state: ENDED, call.end_reason: ALL_REJECTED, call.ended_at: @30.5s}",
        "{targets[bob].state: REJECTED, targets[my friend].online_devices: 2, targets[-1].online_devices: 2}",
        '{created: false, ring_id: absent, ring_id: "", viewer.direction: absent, targets[bob].online_devices: 0}',
        "{targets: [bob, my friend], left: ~20, call: {state: ENDED}}",
        "{targets: [{state: REJECTED}, {online_devices: 2}]}",
        "{targets[carol]: absent, call.state: present}",
    ],
)  # fmt: skip
def test_an_answer_agrees(expected: str) -> None:
    assert differences(parse(expected), ANSWER) == []


@pytest.mark.parametrize(
    "expected",
    [
        "{call.end_reason: REJECTED}",
        "{call.state: absent}",
        "{call.ended_at: @30s}",
        "{targets: [bob]}",
        "{targets: [my friend, bob]}",
        "{targets[carol].state: REJECTED}",
        "{created: true}",
        "{left: ~30}",
        "{viewer: present}",
    ],
)
def test_an_answer_does_not_agree(expected: str) -> None:
    assert len(differences(parse(expected), ANSWER)) == 1
