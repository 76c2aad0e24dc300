"""A call while one command changes it: the elementary changes from which every verb is made.

A draft is thrown away when its command is refused, so a verb may change first and refuse later.
"""

from __future__ import annotations

from collections.abc import Iterable

from ringline_server.rules.call import Call, Cause, Participant, Ring, Target
from ringline_server.rules.context import Context
from ringline_server.rules.outcome import Answer, Decision, Event, Notification
from ringline_server.rules.terms import EndReason, EventType, Gone, RingState, TargetState
from ringline_server.rules.value import replace


class Draft:
    """The present state of a call being changed, with what happened to it so far.

    ``call`` is the draft's own and changes in place; what it is made of is replaced, never changed. It is always whole
    and valid to read; ``settle`` brings it to rest at the end of the step.
    """

    def __init__(self, call: Call, context: Context, now: int) -> None:
        self.before = call
        self.call = call.copy()
        self.context = context
        self.now = now
        self.settings = call.settings.over(context.call_type.settings)
        self.notification: Notification | None = None
        self.closed: list[int] = []
        """Numbers of the unanswered rings that closed in this step, in order."""
        self.departed = False
        """Whether a participation ended in this step by leave, loss or removal."""
        self.over_reason: EndReason | None = None
        """Why the session is over, when a rule has already said so."""
        self._cid = call.cid
        self._events: list[Event] = []
        self._main: Event | None = None
        self._touched: set[str] | None = set()
        self._missed: dict[int, list[str]] = {}

    # What happened.

    def emit(
        self,
        type_: EventType,
        *,
        ring: int = 0,
        subjects: Iterable[str] = (),
        reason: str = "",
        device_id: str | None = None,
        main: bool = False,
    ) -> None:
        """Add an event; the latest ``main`` one is the step's cause (X2), else the first."""
        actor, call, before = self.context.actor, self.call, self.before
        # Without the fields' names, which take as long to sort out as all the rest.
        event = Event(
            before.seq + len(self._events) + 1,
            type_,
            self.now,
            self._cid,
            call.uid,
            call.session,
            before.revision + 1,
            actor.user_id,
            actor.service_id,
            actor.device_id if device_id is None else device_id,
            call.ring_id(ring),
            tuple(subjects),
            reason,
        )
        self._events.append(event)
        if main or self._main is None:
            self._main = event

    def touch(self, *users: str) -> None:
        """Note that these users' relation to the call may have changed."""
        if self._touched is not None:
            self._touched.update(users)

    def touch_all(self) -> None:
        """Note that everybody's relation to the call may have changed."""
        self._touched = None

    def decision(self, answer: Answer) -> Decision:
        """Return the outcome: a new revision if anything happened, else the call as it was."""
        if self._main is None:
            return Decision(self.before, answer)
        call = self.call
        call.revision = self.before.revision + 1
        call.seq = self.before.seq + len(self._events)
        call.updated_at = self.now
        call.cause = Cause(self._main.type, self._main.actor_user_id, self._main.reason)
        touched = None if self._touched is None else frozenset(self._touched)
        return Decision(call, answer, tuple(self._events), self.notification, touched)

    # Sessions.

    def begin_session(self) -> None:
        """Start the call's next session (C10)."""
        call = self.call
        call.session += 1
        call.session_rang = call.session_joined = call.session_over = False
        call.session_peak = 0
        call.gone = {}
        call.started_at = call.ended_at = call.end_reason = None
        call.ended = False
        call.ended_by_id = ""
        self.touch_all()

    # Rings.

    def set_ring(self, ring: Ring) -> None:
        """Put a changed ring in the place of the one with its number."""
        self.call.rings = tuple([ring if other.number == ring.number else other for other in self.call.rings])

    def start_ring(self, user_ids: list[str], *, video: bool, main: bool) -> Ring:
        """Start a ring of the actor's for these members, none of whom rings already (R1, R3)."""
        actor, now = self.context.actor, self.now
        until = now + self.settings.incoming_call_timeout
        targets = {
            user: Target(user, TargetState.RINGING, now, now, until, self.context.online.get(user, 0))
            for user in user_ids
        }
        ring = Ring(
            number=self.call.ring_count + 1,
            session=self.call.session,
            ringer_id=actor.user_id,
            ringer_device_id=actor.device_id,
            state=RingState.RINGING,
            video=video,
            started_at=now,
            expires_at=now + self.settings.auto_cancel_timeout,
            targets=targets,
        )
        self.call.rings = (*self.call.rings, ring)
        self.call.ring_count = ring.number
        self.call.session_rang = True
        self.touch(actor.user_id, *user_ids)
        self.emit(EventType.CALL_RING, ring=ring.number, subjects=user_ids, main=main)
        return ring

    def finish_targets(
        self,
        ring: Ring,
        user_ids: Iterable[str],
        state: TargetState,
        *,
        reason: str = "",
        device_id: str = "",
        end_reason: EndReason | None = None,
        own_removal: bool = False,
    ) -> Ring:
        """Give targets of a ring, all of whom have to ring, their one final state (T5); note who missed it (T8)."""
        missed = (
            state is TargetState.MISSED
            or (state is TargetState.CANCELLED and not own_removal)
            or (state is TargetState.REJECTED and reason in ("busy", "timeout"))
        )
        finished = {
            user: replace(
                ring.targets[user],
                state=state,
                updated_at=self.now,
                reason=reason,
                device_id=device_id,
                end_reason=end_reason,
                missed=missed,
            )
            for user in user_ids
        }
        ring = ring.with_finished(finished)
        self.set_ring(ring)
        self.touch(*finished)
        if missed and finished:
            self._missed.setdefault(ring.number, []).extend(finished)
        return ring

    def cancel_ring(self, ring: Ring, why: EndReason, reason: str) -> None:
        """Cancel what still rings of a ring, and the ring itself if it is unanswered."""
        ringing = [user for user, target in ring.targets.items() if target.rings]
        ring = self.finish_targets(ring, ringing, TargetState.CANCELLED, reason=reason, end_reason=why)
        if ring.unanswered:
            self.close_ring(ring, RingState.CANCELLED, why, reason)
        elif ringing:
            self.set_ring(replace(ring, ended_at=self.now))

    def close_ring(self, ring: Ring, state: RingState, why: EndReason, reason: str = "") -> None:
        """End an unanswered ring, none of whose targets rings any more."""
        self.set_ring(replace(ring, state=state, ended_at=self.now, end_reason=why, reason=reason))
        self.closed.append(ring.number)
        self.touch(ring.ringer_id)

    def emit_missed(self) -> None:
        """Raise CALL_MISSED, once, for everybody whom this step made missed (T8)."""
        for number, users in self._missed.items():
            self.emit(EventType.CALL_MISSED, ring=number, subjects=users)
        self._missed.clear()

    # Participants.

    def add_participant(self, user_id: str, device_id: str, ring: int) -> Participant:
        """Let a user in on a device on which they are not in."""
        call = self.call
        participant = Participant(user_id, device_id, self.now, ring)
        call.let_in(participant)
        if user_id in call.gone:
            call.gone = {user: gone for user, gone in call.gone.items() if user != user_id}
        call.session_peak = max(call.session_peak, len(call.users_in))
        if not call.session_joined:
            call.session_joined = True
            call.started_at = self.now
        self.touch(user_id)
        return participant

    def remove_participants(self, leaving: Iterable[Participant], how: Gone) -> None:
        """Take participations out of the call; who has none left is gone, and waits no more."""
        out = set(leaving)
        self._keep(tuple([one for one in self.call.participants if one not in out]), how)

    def _keep(self, stay: tuple[Participant, ...], how: Gone) -> None:
        """Let only these participants stay."""
        gone = self.call.users_in - {one.user_id for one in stay}
        rings = self.call.rings
        if any(ring.ringer_id in gone for ring in rings):
            rings = tuple(
                replace(ring, ringer_gone=True) if ring.ringer_id in gone and ring.ended_at is None else ring
                for ring in rings
            )
        self.call.participants = stay
        self.call.rings = rings
        self.call.gone = {**self.call.gone, **dict.fromkeys(sorted(gone), how)}
        self.touch(*gone)

    def depart(self, leaving: list[Participant], reason: str, *, main: bool = False) -> None:
        """End participations by leave, loss or removal, one event each."""
        self.remove_participants(leaving, Gone.LEFT)
        self.departed = True
        for one in leaving:
            self.emit(
                EventType.PARTICIPANT_LEFT,
                ring=one.ring,
                subjects=[one.user_id],
                reason=reason,
                device_id=one.device_id,
                main=main,
            )

    def put_out(self, reason: str) -> None:
        """Put everybody out because the session ends."""
        leaving = self.call.participants
        self._keep((), Gone.PUT_OUT)
        for one in leaving:
            self.emit(
                EventType.PARTICIPANT_LEFT,
                ring=one.ring,
                subjects=[one.user_id],
                reason=reason,
                device_id=one.device_id,
            )
