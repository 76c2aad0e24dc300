"""Calls and changes, in words."""

from __future__ import annotations

import math

from ringline.call import Call
from ringline.enums import CallDirection, CallingState, CallState, EndReason, RingTargetState, StopReason
from ringline.model import Change, Notification, Rung, Target

_ENDS = {
    EndReason.ALL_REJECTED: "everybody refused",
    EndReason.BUSY: "busy",
    EndReason.NO_ANSWER: "nobody answered",
    EndReason.CANCELLED: "it was cancelled",
    EndReason.EVERYONE_LEFT: "everybody has left",
    EndReason.LEFT_ALONE: "nobody else is left",
    EndReason.MAX_DURATION: "it lasted as long as it may",
}


def seconds(call: Call) -> str:
    """Return the time left: ``24 s``, or nothing if nothing rings or it is not known."""
    left = call.seconds_left
    return "" if left is None else f"{math.ceil(left)} s"


def names(users: list[str]) -> str:
    """Return users as one reads them out."""
    return " and ".join(filter(None, [", ".join(users[:-1]), *users[-1:]])) or "nobody"


def others(call: Call) -> str:
    """Return who is on the other side: the caller, those who are being called, or those who are in."""
    me = call.viewer.user_id
    if call.calling_state is CallingState.JOINED:
        inside = dict.fromkeys(one.user_id for one in call.participants if one.user_id != me)
        return names(list(inside))
    if call.direction is CallDirection.INCOMING:
        return call.ringer_id
    rung = [target for ring in call.rings if ring.ringer_id == me for target in ring.targets]
    ringing = [target.user_id for target in rung if target.state is RingTargetState.RINGING]
    return names(ringing or [target.user_id for target in rung])


def standing(call: Call) -> str:
    """Say how a call that is shown stands."""
    kind, left = "video call" if call.is_video else "call", seconds(call)
    if call.calling_state is CallingState.JOINED:
        return f"You are in {call.cid} with {others(call)}."
    if call.direction is CallDirection.INCOMING:
        return f"Incoming {kind} from {others(call)}: {call.cid}{left and f', {left} to answer'}."
    return f"Ringing {others(call)}: {call.cid}{left and f', {left} left'}."


def ended(call: Call) -> str:
    """Say that a call is over, and why; nothing if it is not."""
    if call.state is not CallState.ENDED:
        return ""
    if call.end_reason is EndReason.ENDED_BY_USER:
        why = f"{call.message.ended_by_id or 'a service'} ended it for everyone"
    else:
        why = _ENDS.get(call.end_reason, "")
    return f"The call is over: {why}." if why else "The call is over."


def stopped(change: Change, *, was_shown: bool) -> str:
    """Say why a call is not shown any more; nothing if it was not shown and nothing became of it."""
    if not (was_shown or change.stop_reason):
        return ""
    call, who, incoming = change.call, others(change.call), change.call.direction is CallDirection.INCOMING
    words = {
        StopReason.ACCEPTED: "You answered."
        if incoming
        else f"{call.rings[-1].accepted_by_id} answered."
        if call.rings
        else "Answered.",
        StopReason.ACCEPTED_ELSEWHERE: "You answered on another device.",
        StopReason.REJECTED: "You declined." if incoming else f"{_refusers(call)} declined.",
        StopReason.REJECTED_ELSEWHERE: "You declined on another device.",
        StopReason.MISSED: f"Missed call from {who}." if incoming else f"No answer from {who}.",
        StopReason.CANCELLED: f"Missed call: {who} gave up." if incoming else "You gave up.",
        StopReason.ENDED: ended(call) or "You are not in any more.",
        StopReason.LEFT: "You left.",
        StopReason.ACCESS_LOST: "You may not see this call any more.",
    }.get(change.stop_reason, "It does not ring any more.")
    return f"{words} ({call.cid})"


def notified(notification: Notification) -> str:
    """Say who told of what."""
    return f"{notification.actor_user_id or 'A service'} tells you of {notification.call.cid}."


def rung(call: Call, answer: Rung) -> list[str]:
    """Say what a ring came to."""
    said = [standing(call)]
    offline = [one.user_id for one in answer.targets if _rings(one) and not one.online_devices]
    if offline:
        said.append(f"No device of {names(offline)} is connected yet; it rings as soon as one is.")
    return said


def _rings(target: Target) -> bool:
    return target.state is RingTargetState.RINGING


def _refusers(call: Call) -> str:
    refused = [
        target.user_id
        for ring in call.rings
        for target in ring.targets
        if target.state is RingTargetState.REJECTED and ring.id == call.ring_id
    ]
    return names(refused)
