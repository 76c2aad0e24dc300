"""The log's line for each change of a call."""

from __future__ import annotations

from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

from ringline_server.engine.port import Submission
from ringline_server.store.port import Step


def log_change(log: FilteringBoundLogger, step: Step, source: Submission) -> None:
    """Write one line: what changed, by whom, and what the call is now. Never what users have put into it."""
    call = step.call
    line: dict[str, object] = {
        "cid": call.cid,
        "uid": call.uid,
        "revision": call.revision,
        "cause": str(call.cause.type),
        "state": str(call.state),
    }
    if rings := _rings(step):
        line["ring_ids"] = rings
    if call.end_reason is not None:
        line["end_reason"] = str(call.end_reason)
    line["actor"] = source.actor.user_id
    if source.actor.service_id:
        line["service"] = source.actor.service_id
    if source.request is not None:
        line["request_id"] = source.request.id
    log.info("call_changed", **line)


def _rings(step: Step) -> list[str]:
    rings: Iterable[str] = dict.fromkeys(event.ring_id for event in step.events if event.ring_id)
    return list(rings)
