"""The watch in a terminal: a live list, and keys."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from prompt_toolkit import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import HSplit, Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.utils import get_cwidth

from ringline._picture import Picture
from ringline.call import Call
from ringline.client import Client
from ringline.enums import CallDirection, CallingState, ChangeKind, RingTargetState
from ringline.errors import RinglineError
from ringline.model import Change, Notification
from ringline.phone import _words
from ringline.phone._lines import SHOWN
from ringline.phone._say import advice, printable, say

_KEYS = " ↑↓ choose   a answer   d decline, take back, hang up   e end for everyone   q quit "

_OVER = (RingTargetState.MISSED, RingTargetState.CANCELLED)
"""How a ring ends that one has not answered."""

_WHO = 28
"""Columns for who it is."""


class Screen:
    """What is shown, and what the keys do. What has happened scrolls away above it."""

    def __init__(self, user: str, address: str) -> None:
        self._user = user
        self._address = address
        self._picture = Picture()
        self._chosen: Call | None = None
        """The call that the keys mean, as it was drawn last: not as it has become since."""
        self._picked = ""
        """The call that the user has moved to since the last ring came in."""
        self._doing: set[asyncio.Task[None]] = set()
        self.app: Application[None] = Application(
            layout=Layout(
                HSplit(
                    [
                        Window(FormattedTextControl(self._rows), dont_extend_height=True),
                        Window(FormattedTextControl([("reverse", _KEYS)]), height=1),
                    ]
                )
            ),
            key_bindings=self._bindings(),
            # The seconds count down between the changes.
            refresh_interval=0.5,
            erase_when_done=True,
        )

    async def follow(self, client: Client) -> None:
        """Show what the watch tells, until it ends."""
        async for event in client.watch_changes(calling_states=SHOWN):
            before = {call.cid: call.ring_id for call in self._picture.calls}
            self._picture.apply(event)
            match event:
                case Change(kind=ChangeKind.REMOVED):
                    if line := _words.stopped(event, was_shown=event.call.cid in before):
                        say(line)
                case Change() if _is_incoming(event.call) and event.call.ring_id != before.get(event.call.cid):
                    self._picked = ""
                    self.app.output.bell()
                case Notification():
                    say(_words.notified(event))
                case _:
                    pass
            self.app.invalidate()

    def _rows(self) -> StyleAndTextTuples:
        calls = self._picture.calls
        self._chosen = self._choose(calls)
        if self._chosen is None:
            return [
                ("", f"{printable(self._user)}: {'nothing rings.' if self._picture.is_complete else 'connecting …'}")
            ]
        rows: StyleAndTextTuples = []
        for call in calls:
            rows += [("bold" if call is self._chosen else "", _row(call, chosen=call is self._chosen)), ("", "\n")]
        return rows[:-1]

    def _choose(self, calls: list[Call]) -> Call | None:
        """Return the chosen call as it is now.

        What rings comes before what does not, so that no key hangs up when it is a ring that is meant; but not before
        what the user has moved to. If the chosen one is gone, it is what rings, else the newest.
        """
        cid = self._chosen.cid if self._chosen else ""
        same = [call for call in calls if call.cid == cid]
        kept = [call for call in same if call.cid == self._picked or _is_incoming(call)]
        ringing = [call for call in calls if _is_incoming(call)]
        return next(iter([*kept, *ringing, *same, *calls]), None)

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        self._bind(keys, "a", lambda call: call.join())
        self._bind(keys, "enter", lambda call: call.join())
        self._bind(keys, "d", _put_down)
        self._bind(keys, "e", lambda call: call.end_call())

        @keys.add("up")
        @keys.add("down")
        def _choose(event: KeyPressEvent) -> None:
            self._move(-1 if event.key_sequence[0].key is Keys.Up else 1)

        @keys.add("q")
        @keys.add("c-c")
        @keys.add("c-d")
        def _quit(event: KeyPressEvent) -> None:
            event.app.exit()

        return keys

    def _bind(self, keys: KeyBindings, key: str, verb: Callable[[Call], Awaitable[object]]) -> None:
        def press(_: KeyPressEvent) -> None:
            if self._chosen is not None:
                task = asyncio.get_running_loop().create_task(self._do(verb(self._chosen)))
                self._doing.add(task)
                task.add_done_callback(self._doing.discard)

        keys.add(key)(press)

    def _move(self, by: int) -> None:
        calls = self._picture.calls
        if self._chosen in calls:
            self._chosen = calls[(calls.index(self._chosen) + by) % len(calls)]
            self._picked = self._chosen.cid

    async def _do(self, work: Awaitable[object]) -> None:
        try:
            await work
        except RinglineError as error:
            say(advice(error, self._address))


async def watch_on_screen(client: Client, user: str, address: str) -> None:
    """Show the live list until the user quits or the watch ends."""
    screen = Screen(user, address)
    with patch_stdout():
        follower = asyncio.create_task(screen.follow(client))
        follower.add_done_callback(lambda _: screen.app.is_running and screen.app.exit())
        await screen.app.run_async()
        follower.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await follower


async def _put_down(call: Call) -> None:
    """Decline, take back or hang up; say so if that changed nothing."""
    was_incoming = _is_incoming(call)
    await call.leave(reject=True)
    if call.calling_state is CallingState.JOINED:
        say(f"You are in on another device: hang up there. ({call.cid})")
    elif call.calling_state is CallingState.RINGING or (was_incoming and call.target_state in _OVER):
        say(f"Nothing has changed: what you saw is over. ({call.cid})")


def _is_incoming(call: Call) -> bool:
    return call.calling_state is CallingState.RINGING and call.direction is CallDirection.INCOMING


def _row(call: Call, *, chosen: bool) -> str:
    if call.calling_state is CallingState.JOINED:
        state = "in call"
    else:
        state = "incoming" if call.direction is CallDirection.INCOMING else "outgoing"
    who = printable(_words.others(call))
    who += " " * max(0, _WHO - get_cwidth(who))
    video = "  video" if call.is_video else ""
    return f"{'>' if chosen else ' '} {state:<9} {who} {_words.seconds(call):>5}  {printable(call.cid)}{video}"
