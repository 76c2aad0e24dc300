"""The programs on the client's page run."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from ringline import CallState
from tests.client.conftest import Connect
from tests.service.host import Server

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"


def program(name: str) -> str:
    found = re.search(rf"<!-- runs: {name} -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


async def test_the_quick_start_rings_and_answers(server: Server, connect: Connect) -> None:
    assert sum(bool(line) for line in program("answer").splitlines()) <= 10
    running = []
    for name in ("answer", "ring"):
        code = program(name).replace("127.0.0.1:50051", server.address).replace("sleep(5)", "sleep(2)")
        running.append(await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", code))
        if name == "answer":
            await server.until(lambda look: look.streams == 1)
    answers, rings = running
    call = connect("my friend").call("default", "test-outgoing-call")
    assert await asyncio.wait_for(rings.wait(), 20) == 0
    await call.get()
    assert call.state is CallState.ENDED
    assert call.started_at is not None, "it was answered"
    answers.terminate()
    await answers.wait()
