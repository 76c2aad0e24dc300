"""Joining a call, which is how a ring is answered (chapter A, X6)."""

from __future__ import annotations

from ringline_server.rules.access import require, require_user
from ringline_server.rules.call import Participant, Ring
from ringline_server.rules.commands import Join
from ringline_server.rules.draft import Draft
from ringline_server.rules.named_ring import named_ring
from ringline_server.rules.outcome import Answer, MetadataValue, Refusal, ended_metadata
from ringline_server.rules.terms import Capability, EventType, JoinMode, Reason, RingState, TargetState
from ringline_server.rules.value import replace


def join(draft: Draft, command: Join) -> Answer:
    """JoinCall."""
    user = require_user(draft.context, "join")
    require(draft.call, draft.context, Capability.JOIN_CALL)
    _require_not_over(draft, user, command)
    if draft.call.ended:
        raise Refusal(
            Reason.CALL_ENDED,
            "The call is over and a join does not revive it. Ring it to start its next session, unless it was ended "
            "for everyone.",
            ended_metadata(draft.call),
        )
    if draft.call.is_in(user):
        return Answer(participant=_join_again(draft, user, command.mode))
    if draft.call.session_over:
        draft.begin_session()
    device = draft.context.actor.device_id
    alerting = draft.call.ringing_target(user)
    number = alerting[0].number if alerting else _own_waiting(draft, user)
    return Answer(participant=come_in(draft, user, device, number))


def come_in(draft: Draft, user: str, device: str, number: int) -> Participant:
    """Let a user in who is not in, by the ring with this number if by any, and answer what that answers (A1, A2)."""
    call = draft.call
    alerting = call.ringing_target(user)
    answers = [alerting[0].number] if alerting and alerting[0].unanswered else []
    if not call.participants and user in call.members:
        answers += [
            ring.number
            for ring in call.rings
            if ring.unanswered and ring.ringer_id != user and ring.number not in answers
        ]
    participant = draft.add_participant(user, device, number)
    if alerting is not None:
        draft.finish_targets(alerting[0], [user], TargetState.ACCEPTED, device_id=device)
    if alerting is not None or answers:
        accepted = alerting[0].number if alerting is not None else answers[0]
        draft.emit(EventType.CALL_ACCEPTED, ring=accepted, subjects=[user], main=True)
    else:
        draft.emit(EventType.PARTICIPANT_JOINED, ring=number, subjects=[user], main=True)
    for answered in answers:
        ring = draft.call.ring(answered)
        if ring is not None:
            answer(draft, ring, user)
    return participant


def answer(draft: Draft, ring: Ring, by: str) -> None:
    """Answer an unanswered ring, and join its ringer if they wait (A2, A9)."""
    draft.set_ring(replace(ring, state=RingState.ACCEPTED, accepted_at=draft.now, accepted_by_id=by))
    draft.touch(ring.ringer_id)
    if ring.waited_for and not draft.call.is_in(ring.ringer_id):
        draft.add_participant(ring.ringer_id, ring.ringer_device_id, ring.number)
        draft.emit(
            EventType.PARTICIPANT_JOINED,
            ring=ring.number,
            subjects=[ring.ringer_id],
            device_id=ring.ringer_device_id,
        )


def _own_waiting(draft: Draft, user: str) -> int:
    """Return the ring on which the user waits: a ringer who joins early comes in by it (A6, X6)."""
    for ring in reversed(draft.call.rings):
        if ring.ringer_id == user and ring.waited_for:
            return ring.number
    return 0


def _join_again(draft: Draft, user: str, mode: JoinMode) -> Participant:
    """Return, claim, add or move a participation of a user who is in (A5, A9, A10)."""
    device = draft.context.actor.device_id
    mine = [one for one in draft.call.participants if one.user_id == user]
    here = next((one for one in mine if one.device_id == device), None)
    unclaimed = next((one for one in mine if not one.device_id), None)
    if here is None and unclaimed is not None:
        here = _claim(draft, unclaimed, device)
        mine[mine.index(unclaimed)] = here
    if here is None:
        if mode is JoinMode.SINGLE_DEVICE:
            raise _joined_elsewhere(draft, mine[0].device_id)
        here = draft.add_participant(user, device, mine[0].ring)
        draft.emit(EventType.PARTICIPANT_JOINED, ring=here.ring, subjects=[user], main=True)
    others = [one for one in mine if one is not here]
    if mode is JoinMode.MOVE_DEVICE and others:
        if here in draft.before.participants:
            draft.emit(EventType.PARTICIPANT_JOINED, ring=here.ring, subjects=[user], main=True)
        draft.depart(others, "moved")
    return here


def _claim(draft: Draft, unclaimed: Participant, device: str) -> Participant:
    """Give an unclaimed participation the device that joins, also where the ring names the device (A9)."""
    claimed = replace(unclaimed, device_id=device)
    participants = tuple(claimed if one is unclaimed else one for one in draft.call.participants)
    draft.call.participants = participants
    ring = draft.call.ring(unclaimed.ring)
    if ring is not None:
        user = unclaimed.user_id
        if ring.ringer_id == user and not ring.ringer_device_id:
            ring = replace(ring, ringer_device_id=device)
        target = ring.target(user)
        if target is not None and target.state is TargetState.ACCEPTED and not target.device_id:
            ring = replace(ring, targets={**ring.targets, user: replace(target, device_id=device)})
        draft.set_ring(ring)
    draft.touch(unclaimed.user_id)
    draft.emit(EventType.PARTICIPANT_JOINED, ring=claimed.ring, subjects=[claimed.user_id], main=True)
    return claimed


def _require_not_over(draft: Draft, user: str, command: Join) -> None:
    """Refuse a join that names a ring which is over for the sender, unless it brought them in (X6)."""
    call = draft.call
    number = named_ring(call, command.ring_id)
    if number is None:
        return
    ring = call.ring(number)
    target = ring.target(user) if ring else None
    if ring is not None and ring.ended_at is None and ring.ringer_id == user:
        return
    if target is not None and target.rings:
        return
    mine = [one for one in call.participants if one.user_id == user]
    device = draft.context.actor.device_id
    if any(one.ring == number for one in mine):
        return
    if mine and all(one.device_id != device for one in mine):
        raise _joined_elsewhere(draft, mine[0].device_id)
    raise _ring_over(draft, number, ring, user)


def _joined_elsewhere(draft: Draft, device: str) -> Refusal:
    return Refusal(
        Reason.JOINED_ELSEWHERE,
        "You are in this call on another device. Set mode to MOVE_DEVICE to continue here, or to ADD_DEVICE to be in "
        "on both.",
        {"device_id": device, "state": draft.call.state, "revision": draft.call.revision},
    )


def _ring_over(draft: Draft, number: int, ring: Ring | None, user: str) -> Refusal:
    call = draft.call
    metadata: dict[str, MetadataValue] = {
        "ring_id": call.ring_id(number),
        "call_state": call.state,
        "revision": call.revision,
    }
    end_reason = (ring and ring.end_reason) or call.end_reason
    if end_reason is not None:
        metadata["end_reason"] = end_reason
    if ring is not None:
        if ring.accepted_by_id:
            metadata["accepted_by"] = ring.accepted_by_id
        if (target := ring.target(user)) is not None:
            metadata["target_state"] = target.state
            metadata["device_id"] = target.device_id
    return Refusal(
        Reason.RING_OVER,
        "This ring is over for you, so nothing was answered. Show the state that your watch tells, or join without "
        "ring_id to join the call as it is now.",
        metadata,
    )
