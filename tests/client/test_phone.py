"""The terminal phone, as a shell runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ringline.phone import _run
from ringline.phone._parser import build
from ringline.phone._say import printable
from tests.client.conftest import Connect
from tests.service.host import Server

RINGLINE = Path(sys.executable).with_name("ringline")


@asynccontextmanager
async def phone(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        RINGLINE, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ringline(*arguments: str) -> tuple[int, str, str]:
    """Run a command, and return its exit status and what it said."""
    async with phone(*arguments) as process:
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


class Watching:
    """A phone that watches, line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode().rstrip("\n")


@pytest.fixture
async def watching(server: Server) -> AsyncIterator[Callable[..., asyncio.Future[Watching]]]:
    async with AsyncExitStack() as stack:

        async def watch(user: str, *more: str) -> Watching:
            command = ("watch", "--user", user, "--address", server.address, *more)
            watcher = Watching(await stack.enter_async_context(phone(*command)))
            assert await watcher.line() == f"Watching as {user}."
            assert await watcher.line() == "Nothing rings."
            return watcher

        yield watch  # type: ignore[misc]


async def test_the_verbs_say_what_happened(server: Server) -> None:
    at = ("--address", server.address)
    rung = await ringline("ring", "--user", "myself", "my friend", "bob", "--call", "lunch", *at)
    assert rung == (
        0,
        (
            "Ringing my friend and bob: default:lunch, 30 s left.\n"
            "No device of my friend and bob is connected yet; it rings as soon as one is.\n"
        ),
        "",
    )
    again = await ringline("ring", "--user", "myself", "my friend", "bob", "--call", "lunch", *at)
    assert again[1].startswith("Ringing my friend and bob: default:lunch.\n"), "whose seconds nobody has told"
    assert await ringline("decline", "--user", "bob", "--reason", "busy", *at) == (
        0,
        "You declined the call from myself. (default:lunch)\n",
        "",
    )
    assert await ringline("answer", "--user", "my friend", *at) == (0, "You are in default:lunch with myself.\n", "")
    assert await ringline("leave", "--user", "my friend", *at) == (
        0,
        "You left. The call is over: nobody else is left. (default:lunch)\n",
        "",
    )
    await ringline("ring", "--user", "myself", "my friend", "--call", "default:lunch", *at)
    assert await ringline("cancel", "--user", "myself", *at) == (
        0,
        "You do not ring my friend any more. The call is over: it was cancelled. (default:lunch)\n",
        "",
    )
    assert await ringline("end", "--user", "myself", "lunch", *at) == (
        0,
        "You ended the call for everyone. (default:lunch)\n",
        "",
    )


async def test_a_watch_without_a_terminal_prints_a_line_for_whatever_happens(
    server: Server, connect: Connect, watching: Callable[..., asyncio.Future[Watching]]
) -> None:
    theirs, mine = await watching("my friend"), await watching("myself")
    call = connect("myself").call("default", "lunch")
    await call.get_or_create(ring=True, video=True, notify=True, members=["myself", "my friend"])
    said = {await theirs.line(), await theirs.line()}
    assert said == {
        "Incoming video call from myself: default:lunch, 30 s to answer.",
        "myself tells you of default:lunch.",
    }
    assert await mine.line() == "Ringing my friend: default:lunch, 30 s left."
    friend = connect("my friend").call("default", "lunch")
    await friend.join()
    assert await theirs.line() == "You are in default:lunch with myself."
    assert await mine.line() == "You are in default:lunch with my friend."
    await friend.leave()
    assert await theirs.line() == "You left. (default:lunch)"
    assert await mine.line() == "The call is over: nobody else is left. (default:lunch)"

    await call.ring()
    await theirs.line()
    await mine.line()
    await server.advance(31)
    assert await theirs.line() == "Missed call from myself. (default:lunch)"
    assert await mine.line() == "No answer from my friend. (default:lunch)"
    await call.ring()
    await theirs.line()
    await mine.line()
    await call.cancel()
    assert await theirs.line() == "Missed call: myself gave up. (default:lunch)"
    assert await mine.line() == "You gave up. (default:lunch)"
    await call.ring()
    await theirs.line()
    await mine.line()
    await friend.get()
    await friend.reject()
    assert await theirs.line() == "You declined. (default:lunch)"
    assert await mine.line() == "my friend declined. (default:lunch)"


async def test_what_is_done_elsewhere_is_said(
    connect: Connect, watching: Callable[..., asyncio.Future[Watching]]
) -> None:
    tablet = await watching("my friend", "--device", "tablet")
    await connect("myself").call("default", "lunch").get_or_create(ring=True, members=["myself", "my friend"])
    await tablet.line()
    await connect("my friend", "phone").call("default", "lunch").reject()
    assert await tablet.line() == "You declined on another device. (default:lunch)"


async def test_a_watch_goes_on_after_a_restart_of_the_server(
    server: Server, connect: Connect, watching: Callable[..., asyncio.Future[Watching]]
) -> None:
    theirs = await watching("my friend")
    await server.restart()
    await connect("myself").call("default", "lunch").get_or_create(ring=True, members=["myself", "my friend"])
    assert await theirs.line() == "Incoming call from myself: default:lunch, 30 s to answer."


async def test_trouble_is_one_line_that_says_what_to_do(server: Server) -> None:
    at = ("--address", server.address)
    for command, said in {
        ("answer", "--user", "bob"): "nothing rings you. `ringline watch` shows what rings.",
        ("cancel", "--user", "bob"): "you ring nobody. `ringline watch` shows what rings.",
        ("leave", "--user", "bob"): "you are in no call. `ringline watch` shows what rings.",
        ("end", "--user", "bob", "lunch"): "The call does not exist, or you may not read it.",
        ("ring", "--user", "bob", "bob"): "name a member to ring beside yourself",
        ("watch", "--user", ""): "x-user-id",
    }.items():
        status, out, err = await ringline(*command, *at)
        assert (status, out, err.count("\n")) == (1, "", 1), err
        assert err.startswith("ringline: ")
        assert said in err

    for call in ("one", "two"):
        await server.advance(1)
        await ringline("ring", "--user", "ann", "bob", "--call", call, *at)
    _, _, err = await ringline("answer", "--user", "bob", *at)
    assert err == "ringline: which one? Name it after `answer`: default:two (ann), default:one (ann).\n"
    await ringline("answer", "--user", "bob", "one", *at)
    _, _, err = await ringline("cancel", "--user", "ann", "one", *at)
    assert err.startswith("ringline: too late, it is answered: `ringline leave` hangs up.")


async def test_without_a_server_it_says_how_to_start_one() -> None:
    for verb in ("watch", "answer"):
        status, _, err = await ringline(verb, "--user", "bob", "--address", "127.0.0.1:1")
        assert status == 1
        assert err.startswith("ringline: no server answers at 127.0.0.1:1. Start one with `ringline-server serve`")


async def test_a_watch_ends_quietly_when_nobody_reads_it(server: Server) -> None:
    shell = await asyncio.create_subprocess_shell(
        f"'{RINGLINE}' watch --user bob --address {server.address} | head -n 1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(shell.communicate(), 20)
    assert (out, err) == (b"Watching as bob.\n", b"")


async def test_in_a_terminal_without_the_extra_it_prints_lines_and_says_what_to_install(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ringline.phone._screen", None)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    client = connect("bob")
    watching = asyncio.create_task(_run._watch(client, build().parse_args(["watch", "--user", "bob"])))
    await server.until(lambda look: look.streams == 1)
    await client.close()
    await asyncio.wait_for(watching, 20)
    said = capsys.readouterr()
    assert "Watching as bob." in said.out
    assert said.err == "ringline: for a live list and keys: pip install 'ringline[phone]'\n"


def test_what_others_write_cannot_command_the_terminal() -> None:
    assert printable("\x1b[2Jhello\r\n") == "\ufffd[2Jhello\ufffd\ufffd"
    assert printable("Анна 🍲") == "Анна 🍲"


def test_the_help_of_every_verb_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["watch"], ["ring"], ["answer"], ["decline"], ["cancel"], ["leave"], ["end"]):
        with pytest.raises(SystemExit) as ended:
            build().parse_args([*arguments, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert "ringline" in shown
        assert max(map(len, shown.splitlines())) <= 120
