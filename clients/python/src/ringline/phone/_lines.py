"""The watch where there is no terminal: a line for whatever happens."""

from __future__ import annotations

from ringline.client import Client
from ringline.enums import CallingState, ChangeKind
from ringline.model import Change, Notification, Reset, SnapshotComplete
from ringline.phone import _words
from ringline.phone._say import say

SHOWN = (CallingState.RINGING, CallingState.JOINED)
"""A phone shows what rings and what one is in."""


async def watch_in_lines(client: Client, user: str) -> None:
    """Print what happens, until the watch ends."""
    said: dict[str, object] = {}
    say(f"Watching as {user}.")
    async for event in client.watch_changes(calling_states=SHOWN):
        match event:
            case Change(kind=ChangeKind.REMOVED):
                if line := _words.stopped(event, was_shown=said.pop(event.call.cid, None) is not None):
                    say(line)
            case Change():
                call = event.call
                gist = (call.calling_state, call.direction, _words.others(call))
                if said.get(call.cid) != gist:
                    say(_words.standing(call))
                said[call.cid] = gist
            case Notification():
                say(_words.notified(event))
            case SnapshotComplete(resumed=False) if not said:
                say("Nothing rings.")
            case Reset():
                said.clear()
            case _:
                pass
