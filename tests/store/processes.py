"""Programs that tests run in a process of their own: ``python -m tests.store.processes PROGRAM PATH …``.

Each writes a line when it is ready and then does what it is told on its standard input.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ringline_server.store.port import StoreBroken
from ringline_server.store.sqlite import SqliteStore
from tests.store.book import Book

ROOT = Path(__file__).parents[2]


def start(program: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a program and return it once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.processes", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> str:
    """Let a program go on to its end and return what it printed."""
    output, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    return output


async def hold(path: str) -> None:
    """Keep the store open."""
    store = SqliteStore(path)
    await store.open()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await store.close()


async def transact(path: str, log: str, fail: str, count: str) -> None:
    """Transact so many times between marks in the log, then once more with an fsync that fails."""
    store, book = SqliteStore(path), Book()
    await store.open()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    with Path(log).open("a", buffering=1) as marks:
        for number in range(int(count)):
            world = book.world(f"call {number}")
            world.create("ann")
            work = book.writing(world)
            marks.write(f"asked {number}\n")
            await store.transact(work)
            marks.write(f"answered {number}\n")
    Path(fail).touch()
    for _ in range(2):
        world = book.world("never told")
        world.create("ann")
        try:
            await store.transact(book.writing(world))
        except StoreBroken as broken:
            print(broken)
    await store.close()


if __name__ == "__main__":
    _, program, *arguments = sys.argv
    asyncio.run(hold(*arguments) if program == "hold" else transact(*arguments))
