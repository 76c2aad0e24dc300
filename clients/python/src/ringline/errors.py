"""What can go wrong, as exceptions.

Every error of the server becomes one of these. The message says what to do next and can be shown; an app decides by
the class, or by ``reason``, and finds the parts that vary in ``metadata``::

    RinglineError                   code, message, reason, metadata, fields, retry_after
     ├─ InvalidRequest              fields are out of their bounds or do not go together: ``fields`` names them
     │   └─ NotAMember              somebody who is to be rung is no member of the call
     ├─ NotAllowed                  the call does not exist or may not be read, or a capability is missing
     ├─ CallNotFound                there is no such call (told only to those who may know)
     ├─ Refused                     it cannot be done as things stand now
     │   ├─ CallEnded               the call is over: it cannot be joined, or never rung again
     │   ├─ AlreadyAccepted         too late to cancel or reject: hang up with ``leave``
     │   ├─ JoinedElsewhere         you are in on another device: join with a ``JoinMode``
     │   ├─ NobodyToRing            all who were asked for are in already
     │   └─ RingOver                the ring that was to be answered is over: stop ringing
     ├─ RevisionMismatch            the call has changed since ``expected_revision``: read it, and decide again
     ├─ WatchReplaced               newer streams of the same device took this one's place
     ├─ LimitReached                too many or too often: try again after ``retry_after`` seconds
     ├─ Unauthenticated             the credentials are missing or wrong
     │   └─ TokenExpired            they have run out: get new ones
     ├─ Unavailable                 no server, or one that stops or has too much to do; it was tried several times
     └─ DeadlineExceeded            the time was up; the effect may exist

A reason that this version does not know yet is an error of the class of its code, so catch the base classes too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_DOMAIN = "ringline"
_DETAILS = "grpc-status-details-bin"


class RinglineError(Exception):
    """An error that the server answered, or that was met on the way to it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """The canonical gRPC code."""
        self.message = message
        """What happened and what to do next, in English."""
        self.reason = reason
        """The ``ErrorReason`` without its prefix, such as ``RING_OVER``. Empty if the server did not say it."""
        self.metadata = dict(metadata or {})
        """The parts that vary, by the keys that ``error_reason.proto`` lists with each reason."""
        self.fields = tuple(fields)
        """Every bad field of the request, by its path."""
        self.retry_after = retry_after
        """Seconds after which trying again helps, where the server said so."""


class InvalidRequest(RinglineError):
    """Fields are out of their bounds or do not go together; nothing has changed. ``fields`` names them."""


class NotAMember(InvalidRequest):
    """Somebody who is to be rung is no member of the call. Nobody was rung."""

    @property
    def user_id(self) -> str:
        """Who is no member."""
        return self.metadata.get("user_id", "")


class NotAllowed(RinglineError):
    """The call does not exist or may not be read, or a capability is missing."""

    @property
    def capability(self) -> str:
        """The missing capability, where it is about one that may be told."""
        return self.metadata.get("capability", "")


class CallNotFound(RinglineError):
    """There is no such call."""


class Refused(RinglineError):
    """It cannot be done as things stand now."""

    @property
    def accepted_by(self) -> str:
        """Who answered the ring. Empty if nobody did."""
        return self.metadata.get("accepted_by", "")

    @property
    def device_id(self) -> str:
        """The user's own device that acted or is in. Empty if none did or it has no name."""
        return self.metadata.get("device_id", "")

    @property
    def end_reason(self) -> str:
        """Why the call is over, as an ``EndReason`` by name. Empty if it is not."""
        return self.metadata.get("end_reason", "")


class CallEnded(Refused):
    """The call is over: it cannot be joined, or never rung again."""

    @property
    def ended_at(self) -> dt.datetime | None:
        """When it ended."""
        text = self.metadata.get("ended_at")
        return dt.datetime.fromisoformat(text) if text else None


class AlreadyAccepted(Refused):
    """The ring was answered: too late to cancel or reject. Hang up with ``leave``."""


class JoinedElsewhere(Refused):
    """The user is in on another device, ``device_id``. Join with ADD_DEVICE or MOVE_DEVICE."""


class NobodyToRing(Refused):
    """All who were asked for are in already. Nothing has changed."""


class RingOver(Refused):
    """The ring that was to be answered is over for the user. Stop ringing."""

    @property
    def target_state(self) -> str:
        """How it ended for the user, as a ``RingTargetState`` by name. Empty if they were its ringer."""
        return self.metadata.get("target_state", "")


class RevisionMismatch(RinglineError):
    """The call has changed since ``expected_revision``. Read it, and decide again."""

    @property
    def revision(self) -> int:
        """The present revision."""
        return int(self.metadata.get("revision") or 0)


class WatchReplaced(RinglineError):
    """Newer streams of the same device took this one's place. Do not watch again by itself."""


class LimitReached(RinglineError):
    """Too many or too often. Try again after ``retry_after`` seconds, if the server gave them."""


class Unauthenticated(RinglineError):
    """The credentials are missing or wrong."""


class TokenExpired(Unauthenticated):
    """The token has run out."""


class Unavailable(RinglineError):
    """There is no server, or it stops, or it has too much to do. Trying several times did not help."""


class DeadlineExceeded(RinglineError):
    """The time was up. The effect may exist."""


_BY_REASON: dict[str, type[RinglineError]] = {
    "NOT_A_MEMBER": NotAMember,
    "CALL_ENDED": CallEnded,
    "ALREADY_ACCEPTED": AlreadyAccepted,
    "JOINED_ELSEWHERE": JoinedElsewhere,
    "NOBODY_TO_RING": NobodyToRing,
    "RING_OVER": RingOver,
    "REVISION_MISMATCH": RevisionMismatch,
    "WATCH_REPLACED": WatchReplaced,
    "TOKEN_EXPIRED": TokenExpired,
}

_BY_CODE: dict[grpc.StatusCode, type[RinglineError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.NOT_FOUND: CallNotFound,
    grpc.StatusCode.FAILED_PRECONDITION: Refused,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitReached,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


class _Details:
    """The google.rpc details of a status, as far as they are there and can be read."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.fields: list[str] = []
        self.retry_after: float | None = None
        trailers: Any = error.trailing_metadata() or ()  # pairs, whatever the stubs say
        for key, value in trailers:
            if key == _DETAILS and isinstance(value, bytes):
                self._read(value)

    def _read(self, raw: bytes) -> None:
        info, fields, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        try:
            for detail in status_pb2.Status.FromString(raw).details:
                if detail.Unpack(info) and info.domain == _DOMAIN:
                    self.reason, self.metadata = info.reason, dict(info.metadata)
                elif detail.Unpack(fields):
                    self.fields = [violation.field for violation in fields.field_violations]
                elif detail.Unpack(retry):
                    self.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        except DecodeError:  # what a proxy put there says nothing to us
            return


def error_of(error: grpc.aio.AioRpcError) -> RinglineError:
    """Return what an RPC's failure is to an app."""
    code, details = error.code(), _Details(error)
    kind = _BY_REASON.get(details.reason) or _BY_CODE.get(code) or RinglineError
    return kind(
        code,
        error.details() or code.name,
        reason=details.reason,
        metadata=details.metadata,
        fields=details.fields,
        retry_after=details.retry_after,
    )
