"""Who may do what (chapter P, C8), decided together with the state that it guards."""

from __future__ import annotations

from ringline_server.rules.call import Call
from ringline_server.rules.context import Actor, CallType, Context, GrantRole
from ringline_server.rules.outcome import Refusal
from ringline_server.rules.terms import Capability, Reason

SERVICE_CAPABILITIES = frozenset(
    {Capability.READ_CALL, Capability.UPDATE_CALL, Capability.UPDATE_CALL_MEMBER, Capability.END_CALL}
)
"""What a service may do as itself (P4); it may also notify."""

_USER: frozenset[GrantRole] = frozenset({"user"})
_MEMBER: frozenset[GrantRole] = _USER | {"call_member"}
_HOST: frozenset[GrantRole] = _MEMBER | {"host"}
_ADMIN: frozenset[GrantRole] = _HOST | {"admin"}


def roles(call: Call | None, actor: Actor) -> frozenset[GrantRole]:
    """Return the roles in which a user meets a call; on one that does not exist, those of their credentials."""
    if actor.role == "admin":
        return _ADMIN
    member = None if call is None else call.members.get(actor.user_id)
    if call is None or member is None:
        return _USER
    if actor.role == "host" or member.role == "host" or actor.user_id == call.created_by_id:
        return _HOST
    return _MEMBER


def in_team(call: Call, actor: Actor) -> bool:
    """Whether the credentials hold the call's team (C8). A service is of every team."""
    return not call.team or bool(actor.service_id) or call.team in actor.teams


def capabilities(call: Call, actor: Actor, call_type: CallType) -> frozenset[Capability]:
    """Return what a viewer may do on a call (P1)."""
    # Asked many times a command, so the usual case comes first: a user, and a call without a team.
    if not actor.user_id and actor.is_service_itself:
        return SERVICE_CAPABILITIES
    if call.team and not in_team(call, actor):
        return frozenset()
    return call_type.granted(roles(call, actor))


def readable(call: Call, actor: Actor, call_type: CallType) -> bool:
    """Whether a viewer may read a call."""
    return Capability.READ_CALL in capabilities(call, actor, call_type)


def require_readable(call: Call | None, context: Context) -> Call:
    """Refuse what the actor may not read, in the same words whether or not it exists (P2)."""
    actor = context.actor
    if call is not None and (readable(call, actor, context.call_type) or _has_part(call, actor)):
        return call
    if call is None and _may_know(actor, context.call_type):
        raise Refusal(
            Reason.CALL_NOT_FOUND,
            "There is no such call. Create it with GetOrCreateCall, or check type and id.",
        )
    raise Refusal(
        Reason.NOT_ALLOWED,
        "The call does not exist, or you may not read it. Ask its creator to add you as a member, or check type and "
        "id, your role and your teams.",
    )


def _has_part(call: Call, actor: Actor) -> bool:
    """Whether the user rings, is rung or is in: such a one can always reject, cancel or leave (P1)."""
    user = actor.user_id
    return (
        bool(user)
        and in_team(call, actor)
        and (
            call.is_in(user)
            or call.ringing_target(user) is not None
            or any(ring.ringer_id == user and ring.unanswered for ring in call.rings)
        )
    )


def _may_know(actor: Actor, call_type: CallType) -> bool:
    """Whether the actor could read any call of the type, and so may be told that one does not exist."""
    if actor.is_service_itself:
        return True
    return Capability.READ_CALL in call_type.granted(roles(None, actor))


def require_user(context: Context, verb: str) -> str:
    """Return the acting user; refuse a service that names none (P4)."""
    if context.actor.is_service_itself:
        raise Refusal(
            Reason.NOT_ALLOWED,
            f"A service cannot {verb} a call as itself. Name the user it acts as, in x-user-id or x-user-id-bin.",
        )
    return context.actor.user_id


def require(call: Call, context: Context, capability: Capability) -> None:
    """Refuse an actor who lacks the capability on the call."""
    if capability not in capabilities(call, context.actor, context.call_type):
        _refuse(capability)


def require_notify(call: Call, context: Context) -> None:
    """Refuse an actor who may not notify: a user needs ring-call, a service may always (P1, P4)."""
    if not context.actor.is_service_itself:
        require(call, context, Capability.RING_CALL)


def require_create(context: Context) -> None:
    """Refuse a user whose roles do not let them create calls of the type."""
    if Capability.CREATE_CALL not in context.call_type.granted(roles(None, context.actor)):
        _refuse(Capability.CREATE_CALL)


def _refuse(capability: Capability) -> None:
    name = capability.lower().replace("_", "-")
    raise Refusal(
        Reason.NOT_ALLOWED,
        f"This needs the {name} capability, which your role does not have on this call. Ask a host of the call, or use "
        "a role that has it.",
        {"capability": capability},
    )
