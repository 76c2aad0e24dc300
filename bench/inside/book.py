"""Calls that the rules decided, written by the store's own bulk path: many in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ringline_server.api.call_types import BUILT_IN
from ringline_server.engine.writes import write_of
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, End, GetOrCreate, Join, MemberInput
from ringline_server.rules.context import Actor, Context
from ringline_server.rules.decide import decide
from ringline_server.rules.outcome import Decision, Event
from ringline_server.rules.settings import SECOND, SettingsOverride
from ringline_server.store.port import Transaction, Write
from ringline_server.store.sqlite import SqliteStore

IN_ONE = 1000
"""Calls that are written in one transaction."""


@dataclass(frozen=True, slots=True)
class Story:
    """A call between two people, which happens so many times: to decide each time anew would take an hour."""

    id: str
    """What their ids begin with."""
    caller: str
    callee: str
    at: int
    """When it rang."""
    ended: bool = True
    """Whether it was answered and ended; else it rings."""
    timeout: int | None = None
    """How long it rings, if not as long as any call. No request could set what a file needs that is kept for weeks."""
    times: int = 1


def told(story: Story, position: int) -> Write:
    """Return the write of the whole story, beginning after the position."""
    key = ("default", story.id)
    caller, callee = Actor(story.caller, device_id="phone"), Actor(story.callee, device_id="phone")
    settings = SettingsOverride(auto_cancel_timeout=story.timeout, incoming_call_timeout=story.timeout)
    members = (MemberInput(story.caller), MemberInput(story.callee))
    steps: list[tuple[Actor, Command]] = [(caller, GetOrCreate(members, settings=settings, ring=True))]
    if story.ended:
        steps += [(callee, Join()), (caller, End())]
    call: Call | None = None
    events: list[Event] = []
    decision: Decision | None = None
    uid = str(uuid.uuid4())
    for number, (actor, command) in enumerate(steps):
        context = Context(actor, BUILT_IN["default"], uid)
        result = decide(call, key, command, context, story.at + number * 5 * SECOND)
        assert isinstance(result, Decision), result
        decision, call = result, result.call
        events += result.events
    assert decision is not None
    return write_of(None, replace(decision, events=tuple(events)), position, BUILT_IN["default"].settings)


def again(write: Write, number: int, position: int) -> Write:
    """Return the same write for another call, after another position."""
    step, uid = write.step, str(uuid.uuid4())
    call = replace(step.call, id=f"{step.call.id}-{number}", uid=uid)
    events = tuple(
        replace(event, cid=call.cid, uid=uid, ring_id=call.ring_id(1) if event.ring_id else "") for event in step.events
    )
    return replace(write, step=replace(step, position=position + len(events), call=call, events=events))


def _writes(stories: Iterable[Story], position: int) -> Iterator[Write]:
    for story in stories:
        first = told(story, position)
        for number in range(story.times):
            one = again(first, number, position)
            position = one.step.position
            yield one


async def write(path: Path, stories: Iterable[Story]) -> None:
    """Write all of them into the database, which is made if it is not there."""
    store = SqliteStore(path)
    await store.open()
    try:
        writes = _writes(stories, await store.read(lambda snapshot: snapshot.head()))
        while some := list(islice(writes, IN_ONE)):

            def work(transaction: Transaction, some: list[Write] = some) -> None:
                transaction.write(some, ())

            await store.transact(work)
    finally:
        await store.close()
