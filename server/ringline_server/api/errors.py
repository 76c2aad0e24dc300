"""How every error of the API is made: one canonical code, one ErrorInfo, and details as far as they help (X4).

Only texts that were written for a client get into a status: of an exception that nobody expected, nothing does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ringline_server.api.port import Code, RpcError
from ringline_server.engine.port import (
    Draining,
    EngineError,
    NotCommitted,
    OutcomeUnknown,
    Overloaded,
    RequestIdReused,
)
from ringline_server.rules.outcome import MetadataValue, Refusal
from ringline_server.rules.terms import Reason

DOMAIN = "ringline"

ApiReason = Literal[
    "EVENTS_GONE",
    "WATCH_REPLACED",
    "REQUEST_ID_REUSED",
    "BAD_PAGE_TOKEN",
    "RATE_LIMITED",
    "TOO_MANY_WATCHES",
    "TOO_MANY_CALLS",
    "DRAINING",
    "OVERLOADED",
    "TOO_SLOW",
    "BAD_TOKEN",
    "TOKEN_EXPIRED",
    "BAD_IDENTITY",
    "INTERNAL",
    "DEADLINE_EXCEEDED",
]
"""The values of the contract's ErrorReason that the rules do not give themselves."""

CODES: Mapping[str, Code] = {
    "CALL_NOT_FOUND": Code.NOT_FOUND,
    "NOT_ALLOWED": Code.PERMISSION_DENIED,
    "CALL_ENDED": Code.FAILED_PRECONDITION,
    "ALREADY_ACCEPTED": Code.FAILED_PRECONDITION,
    "JOINED_ELSEWHERE": Code.FAILED_PRECONDITION,
    "NOBODY_TO_RING": Code.FAILED_PRECONDITION,
    "RING_OVER": Code.FAILED_PRECONDITION,
    "EVENTS_GONE": Code.FAILED_PRECONDITION,
    "REVISION_MISMATCH": Code.ABORTED,
    "WATCH_REPLACED": Code.ABORTED,
    "INVALID_FIELD": Code.INVALID_ARGUMENT,
    "NOT_A_MEMBER": Code.INVALID_ARGUMENT,
    "REQUEST_ID_REUSED": Code.INVALID_ARGUMENT,
    "BAD_PAGE_TOKEN": Code.INVALID_ARGUMENT,
    "RATE_LIMITED": Code.RESOURCE_EXHAUSTED,
    "TOO_MANY_RINGS": Code.RESOURCE_EXHAUSTED,
    "TOO_MANY_WATCHES": Code.RESOURCE_EXHAUSTED,
    "TOO_MANY_CALLS": Code.RESOURCE_EXHAUSTED,
    "DRAINING": Code.UNAVAILABLE,
    "OVERLOADED": Code.UNAVAILABLE,
    "TOO_SLOW": Code.UNAVAILABLE,
    "BAD_TOKEN": Code.UNAUTHENTICATED,
    "TOKEN_EXPIRED": Code.UNAUTHENTICATED,
    "BAD_IDENTITY": Code.UNAUTHENTICATED,
    "INTERNAL": Code.INTERNAL,
    "DEADLINE_EXCEEDED": Code.DEADLINE_EXCEEDED,
}
"""The status code of every reason."""

_RETRIED = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE})
_DEFAULT_RETRY = 1_000_000

MAX_MESSAGE = 1024
"""Bytes of a message as HTTP/2 carries it; what is longer is cut."""

MAX_DETAILS = 4096
"""Bytes of the details: clients refuse trailers over 8 KiB, and these come in base64."""

MAX_FIELDS = 500
"""How many bad fields an error can name, if they are short enough."""

Fields = Sequence[tuple[str, str]]


class ApiError(RpcError):
    """An error with its reason, for the log."""

    def __init__(self, code: Code, message: str, details: bytes, reason: str) -> None:
        super().__init__(code, message, details)
        self.reason = reason


def fail(
    reason: Reason | ApiReason,
    message: str,
    *,
    metadata: Mapping[str, MetadataValue] | None = None,
    fields: Fields = (),
    retry_after: int | None = None,
    code: Code | None = None,
) -> ApiError:
    """Return the error to raise. ``message`` says what to do next.

    ``metadata`` is as the contract lists it with the reason. ``fields`` are the paths of bad fields, each with what is
    allowed there; the first one is also the metadata ``field``. ``retry_after`` is in microseconds; what can be tried
    again says so in any case. ``code`` is the reason's own unless given.
    """
    code = CODES[reason] if code is None else code
    message = _cut(message)
    texts = {key: _text(value) for key, value in (metadata or {}).items()}
    if fields:
        texts.setdefault("field", fields[0][0])
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=texts)]
    if code in _RETRIED:
        details.append(_retry_info(_DEFAULT_RETRY if retry_after is None else retry_after))
    status = _status(code, message, details)
    if fields:
        room = MAX_DETAILS - status.ByteSize() - 128
        status.details.append(_packed(_bad_request(fields, room)))
    return ApiError(code, message, status.SerializeToString(), str(reason))


def invalid_fields(fields: Fields) -> ApiError:
    """Return the error of a request with bad fields; at least one."""
    path, allowed = fields[0]
    more = f" ({len(fields) - 1} more fields are wrong: see the details.)" if len(fields) > 1 else ""
    return fail(Reason.INVALID_FIELD, f"{path}: {allowed}.{more}", fields=fields)


def refused(refusal: Refusal) -> ApiError:
    """Return the error that a refusal of the rules becomes."""
    return fail(
        refusal.reason,
        refusal.message,
        metadata=refusal.metadata,
        fields=refusal.fields,
        retry_after=refusal.retry_after,
    )


def not_decided(error: EngineError) -> ApiError:
    """Return the error of a command that the engine did not decide."""
    match error:
        case Overloaded():
            return fail(
                "OVERLOADED",
                "The server has too much to do; nothing has changed. Repeat it after a moment.",
                retry_after=round(error.retry_after * 1_000_000),
            )
        case Draining():
            return fail("DRAINING", "This server is about to stop; nothing has changed. Connect anew and repeat it.")
        case NotCommitted():
            return fail("OVERLOADED", "The server could not store this; nothing has changed. Repeat it after a moment.")
        case RequestIdReused():
            return fail(
                "REQUEST_ID_REUSED",
                "This request_id was used for another request within 24 h. Take a new one for each new request.",
                fields=[("request_id", "must be new, or come with the same RPC and content as before")],
            )
        case OutcomeUnknown():
            # The effect may exist, which no other reason says; trying again is right all the same.
            return fail(
                "INTERNAL",
                "The server does not know whether this took effect. Repeat it with the same request_id.",
                code=Code.UNAVAILABLE,
            )
    return internal()


def internal() -> ApiError:
    """Return the error for an exception that nobody expected; the caller logs it."""
    return fail(
        "INTERNAL",
        "The server made a mistake, which is in its log. The effect may exist: repeat with the same request_id.",
    )


def deadline_exceeded() -> ApiError:
    """Return the error of an RPC whose time is up."""
    return fail(
        "DEADLINE_EXCEEDED",
        "The time is up. The effect may exist: repeat with the same request_id, and with more time.",
    )


def rfc3339(moment: datetime) -> str:
    """Return a time as text, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(microseconds: int) -> datetime:
    """Return a time of the rules' as metadata take it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _text(value: MetadataValue) -> str:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _cut(message: str) -> str:
    """Return as much of a message as fits when every byte that is not printable ASCII takes three."""
    if len(message) * 12 <= MAX_MESSAGE or len(quote(message, safe=_PRINTABLE)) <= MAX_MESSAGE:
        return message
    size = 3
    for end, letter in enumerate(message):
        size += len(quote(letter, safe=_PRINTABLE))
        if size > MAX_MESSAGE:
            return message[:end] + "..."
    return message


_PRINTABLE = "".join(chr(n) for n in range(0x20, 0x7F) if chr(n) != "%")


def _retry_info(microseconds: int) -> Message:
    info: Message = error_details_pb2.RetryInfo(retry_delay=timedelta(microseconds=microseconds))
    return info


def _status(code: Code, message: str, details: Sequence[Message]) -> status_pb2.Status:
    return status_pb2.Status(code=code, message=message, details=[_packed(one) for one in details])


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _bad_request(fields: Fields, room: int) -> Message:
    """Name all bad fields. Where that is too long, what was said before is not said again, and the rest is left out."""
    bad = _violations(fields[:MAX_FIELDS])
    if bad.ByteSize() <= room:
        return bad
    said: set[str] = set()
    brief: list[tuple[str, str]] = []
    for path, allowed in fields[:MAX_FIELDS]:
        brief.append((path, "" if allowed in said else allowed))
        said.add(allowed)
        room -= _violations(brief[-1:]).ByteSize()
        if room < 0:
            del brief[-1]
            break
    return _violations(brief)


def _violations(fields: Fields) -> Message:
    violation = error_details_pb2.BadRequest.FieldViolation
    bad: Message = error_details_pb2.BadRequest(
        field_violations=[violation(field=path, description=allowed) for path, allowed in fields]
    )
    return bad
