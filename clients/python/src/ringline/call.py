"""A call, as it was last told, and all that can be done with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from google.protobuf.field_mask_pb2 import FieldMask

from ringline._connection import Connection, new_request_id
from ringline.enums import (
    CallDirection,
    CallingState,
    CallState,
    Capability,
    EndReason,
    JoinMode,
    RingTargetState,
)
from ringline.errors import AlreadyAccepted
from ringline.model import (
    Event,
    Member,
    Members,
    Participant,
    Ring,
    Rung,
    Settings,
    Users,
    custom_of,
    event_of,
    member_inputs_of,
    member_of,
    participant_of,
    ring_of,
    seconds_of,
    settings_message_of,
    settings_of,
    struct_of,
    target_of,
    time_of,
    timestamp_of,
    users_of,
)
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb


class Call:
    """One call: what it was when it was last told, and the verbs.

    What it shows changes only by its own verbs; a watch hands out a new one for every change. So ``join``, ``reject``
    and ``cancel`` mean the ring that this object shows: a late tap never answers or stops another one. The server
    decides every value, nothing here is worked out.

    Every verb raises RinglineError. Made with ``client.call(type, id)`` it shows nothing until it is told.
    """

    def __init__(
        self,
        connection: Connection,
        type: str,
        id: str,
        told: calls.Call | None = None,
        viewer: calls.ViewerState | None = None,
    ) -> None:
        self._connection = connection
        self._type = type
        self._id = id
        self._call = told or calls.Call()
        self._viewer = viewer or calls.ViewerState()

    # What it is.

    @property
    def type(self) -> str:
        """The call type."""
        return self._type

    @property
    def id(self) -> str:
        """The id within the type."""
        return self._id

    @property
    def cid(self) -> str:
        """``type:id``."""
        return f"{self._type}:{self._id}"

    @property
    def uid(self) -> str:
        """Made by the server, new whenever the id is created anew. Empty until the call is told."""
        return self._call.uid

    @property
    def revision(self) -> int:
        """Counts the changes of the call. 0 until it is told."""
        return self._call.revision

    @property
    def session(self) -> int:
        """Counts the uses of the call."""
        return self._call.session

    @property
    def state(self) -> CallState:
        """The state of the call, the same for everyone."""
        return CallState(self._call.state)

    @property
    def end_reason(self) -> EndReason:
        """Why the session is over."""
        return EndReason(self._call.end_reason)

    @property
    def created_by_id(self) -> str:
        """Who created it."""
        return self._call.created_by_id

    @property
    def team(self) -> str:
        """The tenant it belongs to. Empty for none."""
        return self._call.team

    @property
    def members(self) -> tuple[Member, ...]:
        """The users listed on it."""
        return tuple(map(member_of, self._call.members))

    @property
    def participants(self) -> tuple[Participant, ...]:
        """The devices that are in, at most 100 of them."""
        return tuple(map(participant_of, self._call.participants))

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The open rings and the last closed one, oldest first."""
        return tuple(map(ring_of, self._call.rings))

    @property
    def custom(self) -> dict[str, Any]:
        """The application's own data."""
        return custom_of(self._call.custom)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return settings_of(self._call.settings)

    @property
    def starts_at(self) -> dt.datetime | None:
        """When it is meant to start."""
        return time_of(self._call.starts_at) if self._call.HasField("starts_at") else None

    @property
    def started_at(self) -> dt.datetime | None:
        """When the session's first participant came in."""
        return time_of(self._call.started_at) if self._call.HasField("started_at") else None

    @property
    def ended_at(self) -> dt.datetime | None:
        """When the session was over."""
        return time_of(self._call.ended_at) if self._call.HasField("ended_at") else None

    @property
    def message(self) -> calls.Call:
        """The contract's own message, with all its fields. Not to be changed."""
        return self._call

    @property
    def viewer(self) -> calls.ViewerState:
        """What the call means to the user, as the contract's own message. Not to be changed."""
        return self._viewer

    # What it means to the user.

    @property
    def calling_state(self) -> CallingState:
        """Whether the user is being rung or waits, is in, or has left."""
        return CallingState(self._viewer.calling_state)

    @property
    def direction(self) -> CallDirection:
        """Whether the user is called or calls."""
        return CallDirection(self._viewer.direction)

    @property
    def is_created_by_me(self) -> bool:
        """Whether the user created the call."""
        return self._viewer.created_by_me

    @property
    def ring_id(self) -> str:
        """The ring that concerns the user. Empty for none."""
        return self._viewer.ring_id

    @property
    def ringer_id(self) -> str:
        """Who started that ring: the caller to show."""
        return self._viewer.ringer_id

    @property
    def is_video(self) -> bool:
        """Whether that ring was started as a video call."""
        return self._viewer.video

    @property
    def target_state(self) -> RingTargetState:
        """Where the user stands as a target of that ring."""
        return RingTargetState(self._viewer.target_state)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the user may do with the call."""
        return frozenset(map(Capability, self._viewer.capabilities))

    @property
    def seconds_left(self) -> float | None:
        """How long the user still rings or waits, by the server's clock. None when nothing rings, or that is not known.

        A watch tells it, and without one only the user's own new ring. It counts down by itself, to be shown; when it
        is over the server says so.
        """
        if not self._viewer.HasField("ring_expires_at"):
            return None
        return self._connection.server_time.until(seconds_of(self._viewer.ring_expires_at))

    # What can be done.

    async def get_or_create(  # noqa: PLR0913 -- the contract's options, all by name
        self,
        *,
        ring: bool = False,
        notify: bool = False,
        video: bool = False,
        members: Members = (),
        custom: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
        starts_at: dt.datetime | None = None,
        team: str = "",
    ) -> Rung:
        """Create the call, or get it if it exists; with ``ring`` ring, with ``notify`` notify, in the same step.

        To ring, list the user among the members. On a call that exists the other options change nothing, and
        ``members`` are those to ring.
        """
        data = pb.CallData(
            members=member_inputs_of(members),
            custom=None if custom is None else struct_of(custom),
            settings=None if settings is None else settings_message_of(settings),
            starts_at=None if starts_at is None else timestamp_of(starts_at),
            team=team,
        )
        request = pb.GetOrCreateCallRequest(
            type=self._type,
            id=self._id,
            data=data,
            ring=ring,
            notify=notify,
            video=video,
            request_id=new_request_id(),
        )
        answer = await self._connection.unary(lambda stub: stub.GetOrCreateCall, request)
        return self._rung(answer, created=answer.created)

    async def get(self, *, ring: bool = False, notify: bool = False, video: bool = False) -> Rung:
        """Get the call as it is now; with ``ring`` ring all members, with ``notify`` notify them."""
        request = pb.GetCallRequest(
            type=self._type,
            id=self._id,
            ring=ring,
            notify=notify,
            video=video,
            request_id=new_request_id() if ring or notify else "",
        )
        answer = await self._connection.unary(lambda stub: stub.GetCall, request)
        return self._rung(answer)

    async def ring(self, user_ids: Users = (), *, video: bool = False) -> Rung:
        """Ring these members, or all."""
        request = pb.RingCallRequest(
            type=self._type, id=self._id, user_ids=users_of(user_ids), video=video, request_id=new_request_id()
        )
        answer = await self._connection.unary(lambda stub: stub.RingCall, request)
        return self._rung(answer)

    async def join(self, mode: JoinMode = JoinMode.UNSPECIFIED, *, ring_id: str | None = None) -> Participant:
        """Come in; while the call rings the user, that is the answer.

        It answers the ring that this object shows, or the one given; if it shows none that rings, the server is asked
        first. Raises RingOver if that ring is over meanwhile, JoinedElsewhere if the user is in on another device
        (``mode`` says what to do then), CallEnded.
        """
        if ring_id is None:
            await self._know()
            # A ring that is over is not what is meant by joining now.
            ring_id = self._ringing()
        request = pb.JoinCallRequest(
            type=self._type,
            id=self._id,
            ring_id=ring_id,
            mode=calls.JoinMode.ValueType(mode),
            request_id=new_request_id(),
        )
        answer = await self._connection.unary(lambda stub: stub.JoinCall, request)
        self._take(answer)
        return participant_of(answer.participant)

    async def reject(self, reason: str = "", *, ring_id: str | None = None) -> None:
        """Refuse the ring that this object shows, or the one given, on all devices of the user.

        If it shows none that rings, the server is asked first. ``busy`` and ``timeout`` leave a missed call. Nothing
        changes if that ring is over already; after the user's own answer it raises AlreadyAccepted.
        """
        if ring_id is None:
            await self._know()
        request = pb.RejectCallRequest(
            type=self._type,
            id=self._id,
            ring_id=self.ring_id if ring_id is None else ring_id,
            reason=reason,
            request_id=new_request_id(),
        )
        self._take(await self._connection.unary(lambda stub: stub.RejectCall, request))

    async def cancel(self, reason: str = "", *, ring_id: str | None = None) -> None:
        """Take back the user's own rings that this object shows, or the one given.

        If it shows none that rings, the server is asked first. Nothing changes if they are over already; once one is
        answered it raises AlreadyAccepted: ``leave`` hangs up.
        """
        rings = self._unanswered() if ring_id is None else [ring_id]
        if not rings:
            await self._know()
            # Of the last one, if none is unanswered, the server tells what became.
            rings = self._unanswered() or [self.ring_id]
        for one in rings:
            request = pb.CancelCallRequest(
                type=self._type, id=self._id, ring_id=one, reason=reason, request_id=new_request_id()
            )
            self._take(await self._connection.unary(lambda stub: stub.CancelCall, request))

    async def leave(self, *, reject: bool = False, reason: str = "") -> None:
        """Leave the call; with ``reject`` also refuse or take back what rings, whichever it is.

        With ``reject`` the server is asked where the user stands now: who is in leaves, who is being rung rejects,
        and whose own ring is unanswered cancels it. If the ring or the participation that this object showed is over,
        nothing happens.
        """
        if not reject:
            await self._leave(reason)
            return
        meant = self.ring_id if self.calling_state in (CallingState.RINGING, CallingState.JOINED) else None
        await self.get()
        if self.calling_state is CallingState.JOINED:
            await self._leave(reason)
        elif meant not in (None, self.ring_id):
            return
        elif self.target_state is RingTargetState.RINGING:
            await self.reject(reason)
        elif self._unanswered():
            try:
                await self.cancel(reason)
            except AlreadyAccepted:
                # Somebody answered meanwhile, which brought the user in: now it is hanging up that is meant.
                await self._leave(reason)

    async def end_call(self, reason: str = "") -> None:
        """End the call for everyone and for good."""
        request = pb.EndCallRequest(type=self._type, id=self._id, reason=reason, request_id=new_request_id())
        self._take(await self._connection.unary(lambda stub: stub.EndCall, request))

    async def update(
        self,
        *,
        custom: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
        starts_at: dt.datetime | None = None,
        update_mask: Iterable[str] = (),
        expected_revision: int = 0,
    ) -> None:
        """Change what is given. What ``update_mask`` names without its being given is cleared.

        With ``expected_revision`` it raises RevisionMismatch if the call has changed since.
        """
        mask = list(update_mask)
        request = pb.UpdateCallRequest(
            type=self._type,
            id=self._id,
            custom=None if custom is None else struct_of(custom),
            settings=None if settings is None else settings_message_of(settings),
            starts_at=None if starts_at is None else timestamp_of(starts_at),
            update_mask=FieldMask(paths=mask) if mask else None,
            expected_revision=expected_revision,
            request_id=new_request_id(),
        )
        self._take(await self._connection.unary(lambda stub: stub.UpdateCall, request))

    async def update_members(
        self, upsert: Members = (), *, remove: Users = (), ring: bool = False, video: bool = False
    ) -> Rung:
        """Add or change members, and remove some, in one step; with ``ring`` ring those added or changed."""
        request = pb.UpdateCallMembersRequest(
            type=self._type,
            id=self._id,
            upsert_members=member_inputs_of(upsert),
            remove_user_ids=users_of(remove),
            ring=ring,
            video=video,
            request_id=new_request_id(),
        )
        answer = await self._connection.unary(lambda stub: stub.UpdateCallMembers, request)
        return self._rung(answer)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Tell what happened to the call, oldest first, as far as it is kept. To follow it, watch it."""
        request = pb.ListCallEventsRequest(type=self._type, id=self._id)
        while True:
            answer = await self._connection.unary(lambda stub: stub.ListCallEvents, request)
            for event in answer.events:
                yield event_of(event)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    async def _leave(self, reason: str) -> None:
        request = pb.LeaveCallRequest(type=self._type, id=self._id, reason=reason, request_id=new_request_id())
        self._take(await self._connection.unary(lambda stub: stub.LeaveCall, request))

    async def _know(self) -> None:
        """Ask what rings, unless a ring is shown: then that was seen and is meant."""
        if not self._ringing():
            await self.get()

    def _ringing(self) -> str:
        """The ring that is shown, if it rings the user or waits for an answer. Empty for none."""
        return self.ring_id if self.calling_state is CallingState.RINGING else ""

    def _unanswered(self) -> list[str]:
        """The user's own unanswered rings."""
        return [
            ring.id
            for ring in self._call.rings
            if ring.ringer_id == self._viewer.user_id and ring.state == calls.RING_STATE_RINGING
        ]

    def _rung(self, answer: _RingAnswer, *, created: bool = False) -> Rung:
        """Show what an answer tells, and return what the ring came to."""
        if any(_is_newly_rung(target, answer.call) for target in answer.targets):
            self._connection.server_time.guess(seconds_of(answer.call.updated_at))
        self._take(answer)
        return Rung(answer.ring_id, tuple(map(target_of, answer.targets)), created)

    def _take(self, answer: _Answer) -> None:
        """Show what an answer tells, unless something newer has been told already."""
        told = answer.call
        if told.uid == self._call.uid and told.revision < self._call.revision:
            return
        if told.HasField("updated_at"):
            self._connection.server_time.is_past(seconds_of(told.updated_at))
        self._call, self._viewer = told, answer.viewer

    def __repr__(self) -> str:
        return f"<Call {self.cid!r} {self.state}, {self.calling_state} revision={self.revision}>"


def _is_newly_rung(target: calls.RingTarget, call: calls.Call) -> bool:
    """Return whether it is the call's last change that rang this one: then that was just now."""
    return not target.skip_reason and target.HasField("rung_at") and target.rung_at == call.updated_at


class _Answer(Protocol):
    """Any answer that carries a call."""

    @property
    def call(self) -> calls.Call: ...
    @property
    def viewer(self) -> calls.ViewerState: ...


class _RingAnswer(_Answer, Protocol):
    """Any answer that also carries what a ring came to."""

    @property
    def ring_id(self) -> str: ...
    @property
    def targets(self) -> Sequence[calls.RingTarget]: ...
