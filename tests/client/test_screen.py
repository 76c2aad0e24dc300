"""The live list in a terminal, and its keys."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prompt_toolkit.application import create_app_session, get_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from ringline import CallingState, CallState, Client, Unauthenticated
from ringline.phone._screen import watch_on_screen
from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from tests.client.conftest import Connect
from tests.client.scripted import ScriptedServer, a_call, eventually

DOWN = "\x1b[B"


class Terminal:
    """A terminal: what has scrolled by, and what the live list shows."""

    def __init__(self) -> None:
        self.written = ""
        self.encoding = "utf-8"

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        """There is nothing to flush."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    @property
    def list(self) -> str:
        """What the live list shows now."""
        app = get_app_session().app
        screen = app.renderer.last_rendered_screen if app else None
        if screen is None:
            return ""
        rows = screen.data_buffer
        return "\n".join("".join(rows[y][x].char for x in range(100)).rstrip() for y in range(screen.height))

    async def shows(self, *pieces: str) -> None:
        await eventually(lambda: all(piece in self.list for piece in pieces))

    async def said(self, line: str) -> None:
        await eventually(lambda: line in self.written)


Phone = tuple[Terminal, PipeInput, "asyncio.Task[None]"]


@asynccontextmanager
async def friends_phone(connect: Connect) -> AsyncIterator[Phone]:
    """The live list of my friend's phone. (No fixture: between those and the test pytest puts back its own stdout.)"""
    async with phone_of(connect("my friend", "phone")) as phone:
        await phone[0].shows("my friend: nothing rings.", "a answer")
        yield phone


@asynccontextmanager
async def phone_of(client: Client) -> AsyncIterator[Phone]:
    """The live list of a client, as my friend's."""
    terminal = Terminal()
    output = Vt100_Output(terminal, lambda: Size(rows=20, columns=100), term="xterm")  # type: ignore[arg-type]
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        task = asyncio.create_task(watch_on_screen(client, "my friend", "here"))
        yield terminal, keys, task
        if not task.done():
            keys.send_text("q")
        await asyncio.wait_for(task, 20)


async def test_it_rings_with_the_direction_who_and_the_seconds_left(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, _, _):
        await (
            connect("myself")
            .call("default", "lunch")
            .get_or_create(ring=True, video=True, members=["myself", "my friend"])
        )
        await terminal.shows("> incoming", "myself", "30 s", "default:lunch", "video")
        assert "\a" in terminal.written
        await terminal.shows("29 s")  # it counts down between the changes


async def test_a_answers_and_d_hangs_up(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        call = connect("myself").call("default", "lunch")
        await call.get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> incoming")
        keys.send_text("a")
        await terminal.shows("> in call")
        await call.get()
        assert call.calling_state is CallingState.JOINED
        keys.send_text("d")
        await terminal.said("You left. (default:lunch)")
        await call.get()
        assert call.state == CallState.ENDED


async def test_d_declines_what_rings_and_takes_back_ones_own(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        call = connect("myself").call("default", "lunch")
        await call.get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> incoming")
        keys.send_text("d")
        await terminal.said("You declined. (default:lunch)")

        await connect("my friend").call("default", "other").get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> outgoing")
        keys.send_text("d")
        await terminal.said("You gave up. (default:other)")


async def test_the_arrows_choose_and_a_new_call_does_not_steal_the_choice(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        rung = {}
        for name in ("first", "second", "third"):
            rung[name] = connect("myself").call("default", name)
            await rung[name].get_or_create(ring=True, members=["myself", "my friend"])
            await terminal.shows(f"default:{name}")
        # The first was chosen when it came, and it is the last of the list: down is the top again.
        assert re.findall("^(.) incoming.*default:(.*)$", terminal.list, re.MULTILINE) == [
            (" ", "third"),
            (" ", "second"),
            (">", "first"),
        ]
        keys.send_text(DOWN)
        await eventually(lambda: re.search("^> incoming.*third", terminal.list, re.MULTILINE))
        keys.send_text("a")
        await terminal.shows("in call")
        for name, call in rung.items():
            await call.get()
            assert (call.state == CallState.ACTIVE) == (name == "third")


async def test_while_in_a_call_the_keys_mean_what_rings_until_the_arrows_say_otherwise(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        talk, second, third = (connect("myself").call("default", name) for name in ("talk", "second", "third"))
        await talk.get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> incoming")
        keys.send_text("a")
        await terminal.shows("> in call")
        await second.get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> incoming", "  in call")
        keys.send_text("d")
        await terminal.said("You declined. (default:second)")
        await terminal.shows("> in call")

        await second.ring()
        await terminal.shows("> incoming", "  in call")
        keys.send_text(DOWN)
        await terminal.shows("  incoming", "> in call")
        await third.get_or_create(ring=True, members=["myself", "my friend"])
        await eventually(lambda: re.search("^> incoming.*third", terminal.list, re.MULTILINE))
        keys.send_text("d")
        await terminal.said("You declined. (default:third)")
        await talk.get()
        assert talk.state == CallState.ACTIVE

        await eventually(lambda: re.search("^> incoming.*second", terminal.list, re.MULTILINE))
        keys.send_text(DOWN)
        await terminal.shows("  incoming", "> in call")
        keys.send_text("d")
        await terminal.said("You left. (default:talk)")


async def test_d_says_so_if_it_changes_nothing(connect: Connect, scripted: ScriptedServer) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        await connect("myself").call("default", "lunch").get_or_create(ring=True, members=["myself", "my friend"])
        await connect("my friend", "tablet").call("default", "lunch").join()
        await terminal.shows("> in call")
        keys.send_text("d")
        await terminal.said("You are in on another device: hang up there. (default:lunch)")

    async with phone_of(Client(scripted.address)) as (terminal, keys, _):
        stream = await scripted.stream(1)
        viewer = calls.ViewerState(ring_id="r1", direction=calls.CALL_DIRECTION_INCOMING)
        stream.ring(a_call(), viewer=viewer)
        stream.complete("t1")
        await terminal.shows("> incoming")
        viewer.target_state = calls.RING_TARGET_STATE_MISSED
        scripted.outcomes.append(pb.GetCallResponse(call=a_call(revision=2), viewer=viewer))
        keys.send_text("d")
        await terminal.said("Nothing has changed: what you saw is over. (default:standup)")


async def test_of_a_call_that_was_not_shown_only_its_reason_is_said(scripted: ScriptedServer) -> None:
    async with phone_of(Client(scripted.address)) as (terminal, _, _):
        stream = await scripted.stream(1)
        stream.complete("t1")
        stream.ring(a_call("never shown"), pb.CHANGE_KIND_REMOVED)
        stream.ring(a_call("over meanwhile"), pb.CHANGE_KIND_REMOVED, stop_reason=calls.STOP_REASON_LEFT)
        await terminal.said("You left. (default:over meanwhile)")
        stream.ring(a_call("shown"))
        await terminal.shows("default:shown")
        stream.ring(a_call("shown", 2), pb.CHANGE_KIND_REMOVED)
        await terminal.said("It does not ring any more. (default:shown)")
        assert "never shown" not in terminal.written


async def test_e_ends_for_everyone_and_what_is_refused_is_said(connect: Connect) -> None:
    async with friends_phone(connect) as (terminal, keys, _):
        await connect("myself").call("default", "theirs").get_or_create(ring=True, members=["myself", "my friend"])
        await terminal.shows("> incoming")
        keys.send_text("e")
        await terminal.said("This needs the end-call capability")


async def test_q_quits(connect: Connect) -> None:
    async with friends_phone(connect) as (_, keys, task):
        keys.send_text("q")
        await asyncio.wait_for(task, 20)


async def test_a_watch_that_cannot_go_on_ends_the_screen_with_its_error(connect: Connect) -> None:
    terminal = Terminal()
    output = Vt100_Output(terminal, lambda: Size(rows=20, columns=100), term="xterm")  # type: ignore[arg-type]
    with create_pipe_input() as keys, create_app_session(input=keys, output=output), pytest.raises(Unauthenticated):
        await asyncio.wait_for(watch_on_screen(connect(""), "", "here"), 20)
