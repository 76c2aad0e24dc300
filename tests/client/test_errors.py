from __future__ import annotations

import re
from datetime import UTC, datetime
from inspect import getdoc

import grpc
import pytest

import ringline
from ringline import Client, errors
from ringline.v1.error_reason_pb2 import ErrorReason
from tests.client.scripted import Refusal, ScriptedServer

C = grpc.StatusCode

# Each reason with its code, as error_reason.proto has it, and the class that an app catches.
REASONS = [
    ("CALL_NOT_FOUND", C.NOT_FOUND, errors.CallNotFound),
    ("NOT_ALLOWED", C.PERMISSION_DENIED, errors.NotAllowed),
    ("CALL_ENDED", C.FAILED_PRECONDITION, errors.CallEnded),
    ("ALREADY_ACCEPTED", C.FAILED_PRECONDITION, errors.AlreadyAccepted),
    ("JOINED_ELSEWHERE", C.FAILED_PRECONDITION, errors.JoinedElsewhere),
    ("NOBODY_TO_RING", C.FAILED_PRECONDITION, errors.NobodyToRing),
    ("RING_OVER", C.FAILED_PRECONDITION, errors.RingOver),
    ("EVENTS_GONE", C.FAILED_PRECONDITION, errors.Refused),
    ("REVISION_MISMATCH", C.ABORTED, errors.RevisionMismatch),
    ("WATCH_REPLACED", C.ABORTED, errors.WatchReplaced),
    ("INVALID_FIELD", C.INVALID_ARGUMENT, errors.InvalidRequest),
    ("NOT_A_MEMBER", C.INVALID_ARGUMENT, errors.NotAMember),
    ("REQUEST_ID_REUSED", C.INVALID_ARGUMENT, errors.InvalidRequest),
    ("BAD_PAGE_TOKEN", C.INVALID_ARGUMENT, errors.InvalidRequest),
    ("RATE_LIMITED", C.RESOURCE_EXHAUSTED, errors.LimitReached),
    ("TOO_MANY_RINGS", C.RESOURCE_EXHAUSTED, errors.LimitReached),
    ("TOO_MANY_WATCHES", C.RESOURCE_EXHAUSTED, errors.LimitReached),
    ("TOO_MANY_CALLS", C.RESOURCE_EXHAUSTED, errors.LimitReached),
    ("BAD_TOKEN", C.UNAUTHENTICATED, errors.Unauthenticated),
    ("TOKEN_EXPIRED", C.UNAUTHENTICATED, errors.TokenExpired),
    ("BAD_IDENTITY", C.UNAUTHENTICATED, errors.Unauthenticated),
    ("INTERNAL", C.INTERNAL, errors.RinglineError),
]
REPEATED = {"DRAINING", "OVERLOADED", "TOO_SLOW", "DEADLINE_EXCEEDED"}
"""See test_retry."""


@pytest.mark.parametrize(("reason", "code", "kind"), REASONS)
async def test_X4_every_reason_is_an_error_of_its_class(
    reason: str, code: grpc.StatusCode, kind: type[Exception], scripted: ScriptedServer, client: Client
) -> None:
    scripted.outcomes.append(Refusal(code, reason, {"key": "value"}, fields=("a", "b"), retry_after=0.5))
    with pytest.raises(errors.RinglineError) as caught:
        await client.call("default", "standup").get()
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason, caught.value.metadata) == (code, reason, {"key": "value"})
    assert (caught.value.fields, caught.value.retry_after, str(caught.value)) == (("a", "b"), 0.5, "no")


def test_the_table_above_has_every_reason() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name}
    assert names == {reason for reason, _, _ in REASONS} | REPEATED | {"UNSPECIFIED"}


async def test_a_reason_that_is_not_known_yet_is_an_error_of_its_codes_class(
    scripted: ScriptedServer, client: Client
) -> None:
    scripted.outcomes.append(Refusal(C.FAILED_PRECONDITION, "FROM_THE_FUTURE"))
    with pytest.raises(errors.Refused) as caught:
        await client.call("default", "standup").join()
    assert type(caught.value) is errors.Refused
    assert caught.value.reason == "FROM_THE_FUTURE"


async def test_an_error_without_details_or_with_some_that_cannot_be_read_still_has_its_class(
    scripted: ScriptedServer, client: Client
) -> None:
    for details in (b"", b"\xff\xff\xff"):
        scripted.outcomes.append(Refusal(C.PERMISSION_DENIED, details=details))
        with pytest.raises(errors.NotAllowed) as caught:
            await client.call("default", "standup").get()
        assert caught.value.reason == ""


async def test_an_error_has_what_varies_with_its_type(scripted: ScriptedServer, client: Client) -> None:
    call = client.call("default", "standup")
    more = {"end_reason": "NO_ANSWER", "ended_at": "2026-01-02T03:04:05.5Z"}
    scripted.outcomes.append(Refusal(C.FAILED_PRECONDITION, "CALL_ENDED", more))
    with pytest.raises(errors.CallEnded) as ended:
        await call.join()
    assert ended.value.end_reason == "NO_ANSWER"
    assert ended.value.ended_at == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)

    more = {"target_state": "CANCELLED", "accepted_by": "bob", "device_id": "tablet"}
    scripted.outcomes.append(Refusal(C.FAILED_PRECONDITION, "RING_OVER", more))
    with pytest.raises(errors.RingOver) as over:
        await call.join()
    assert (over.value.target_state, over.value.accepted_by, over.value.device_id) == ("CANCELLED", "bob", "tablet")

    scripted.outcomes.append(Refusal(C.ABORTED, "REVISION_MISMATCH", {"revision": "7"}))
    with pytest.raises(errors.RevisionMismatch) as mismatch:
        await call.update(custom={}, expected_revision=3)
    assert mismatch.value.revision == 7


def test_the_tree_is_documented_and_exported_as_it_is() -> None:
    documented = set(re.findall(r"─ (\w+) ", getdoc(errors) or "")) | {"RinglineError"}
    defined = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.RinglineError)
    }
    assert documented == defined
    assert defined <= set(ringline.__all__)
