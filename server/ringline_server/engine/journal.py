"""The log's lines about commands: each change of a call, and what went wrong with one."""

from __future__ import annotations

import structlog
from structlog.typing import FilteringBoundLogger

from ringline_server.engine.port import Submission
from ringline_server.store.port import Step


class Journal:
    """Writes them. To be made once logging is set up: the logger is looked up once, not for each line."""

    def __init__(self) -> None:
        self._log: FilteringBoundLogger = structlog.get_logger(__name__).bind()

    def changed(self, step: Step, source: Submission) -> None:
        """Log what changed, by whom, and what the call is now; never what users have put into it."""
        call = step.call
        line = _named(source)
        line["uid"] = call.uid
        line["revision"] = call.revision
        line["cause"] = str(call.cause.type)
        line["state"] = str(call.state)
        if rings := list(dict.fromkeys([event.ring_id for event in step.events if event.ring_id])):
            line["ring_ids"] = rings
        if call.end_reason is not None:
            line["end_reason"] = str(call.end_reason)
        self._log.info("call_changed", **line)

    def raised(self, source: Submission, error: BaseException | None) -> None:
        """Log that a command could not be decided, with the traceback."""
        self._log.error("command_raised", command=type(source.command).__name__, exc_info=error, **_named(source))


def _named(source: Submission) -> dict[str, object]:
    line: dict[str, object] = {"cid": ":".join(source.key), "actor": source.actor.user_id}
    if source.actor.service_id:
        line["service"] = source.actor.service_id
    if source.request is not None:
        line["request_id"] = source.request.id
    return line
