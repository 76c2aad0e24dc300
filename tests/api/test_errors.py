"""How errors are made (X4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from ringline.v1 import error_reason_pb2
from ringline_server.api.errors import CODES, MAX_DETAILS, ApiReason, fail, refused
from ringline_server.api.port import Code
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.terms import EndReason, Reason
from tests.api.desk import explain


def test_every_reason_of_the_contract_has_its_code_and_can_be_given() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number}

    assert set(CODES) == names
    assert set(get_args(ApiReason)) | {str(reason) for reason in Reason} == names


@pytest.mark.parametrize("reason", [reason for reason, code in CODES.items() if code is Code.UNAVAILABLE])
def test_what_can_be_tried_again_says_when(reason: ApiReason) -> None:
    assert explain(fail(reason, "Wait.")).retry == 1.0
    assert explain(fail(reason, "Wait.", retry_after=2_500_000)).retry == 2.5


def test_metadata_are_texts() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=timezone(timedelta(hours=2)))
    refusal = Refusal(
        Reason.RING_OVER,
        "It is over.",
        {"end_reason": EndReason.NO_ANSWER, "revision": 7, "ended_at": moment, "device_id": ""},
    )

    error = explain(refused(refusal))

    assert error.code == "FAILED_PRECONDITION"
    assert error.metadata == {
        "end_reason": "NO_ANSWER",
        "revision": "7",
        "ended_at": "2026-01-02T01:04:05.600000Z",
        "device_id": "",
    }
    assert explain(fail("EVENTS_GONE", "x", metadata={"oldest_time": datetime(2026, 1, 1, tzinfo=UTC)})).metadata == {
        "oldest_time": "2026-01-01T00:00:00Z"
    }


def test_the_first_field_is_in_the_metadata_too() -> None:
    error = explain(fail(Reason.NOT_A_MEMBER, "x", metadata={"user_id": "a"}, fields=[("x[1]", "y"), ("x[2]", "y")]))

    assert error.metadata == {"user_id": "a", "field": "x[1]"}
    assert error.fields == {"x[1]": "y", "x[2]": "y"}


@pytest.mark.parametrize("letter", ["x", "\u00e4", "\U0001f514", "%"])
def test_an_error_is_never_too_long_for_trailers(letter: str) -> None:
    names = letter * 255
    error = fail(
        Reason.NOT_A_MEMBER,
        names * 10,
        metadata={"user_id": names, "accepted_by": names},
        fields=[(f"data.members[{n}].user_id", "must be a member of the call") for n in range(100)],
    )

    assert len(error.details) <= MAX_DETAILS
    assert explain(error).metadata["user_id"] == names
    assert len(explain(error).fields) > 40
