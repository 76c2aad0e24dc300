"""Runs the load generator, on the core that is not the server's, through its steps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.servers import LOAD_CORE, ROOT, Running

BINARY = ROOT / "bench/load/load"


class LoadError(Exception):
    """The generator found an answer or a message that is wrong, or waited in vain."""


class Load:
    """A generator that has prepared itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.said: Any = None
        """What it said last."""

    def listen(self) -> Any:  # noqa: ANN401 -- every scenario has its own
        """Wait for its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadError(f"{self._process.args!r}: status {self._process.wait()}")
        self.said = json.loads(line)
        return self.said

    def go_on(self) -> Any:  # noqa: ANN401
        """Let it do its next step; return what it says then."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.listen()

    def cpu(self) -> float:
        """Return its CPU seconds, to see that it is not what limits."""
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])


@contextmanager
def load(scenario: str, server: Running, **options: object) -> Iterator[Load]:
    """Run a scenario against a server; in the block it is prepared, and its streams stay open."""
    arguments = [f"-{name}={value}" for name, value in options.items()]
    target = [
        f"-address={server.address}",
        f"-wire={server.server.wire}",
        f"-strict={str(server.server.strict).lower()}",
    ]
    process = subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, str(BINARY), *target, *arguments, scenario],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        one = Load(process)
        one.listen()
        yield one
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def record(server: Running, path: Path, members: int = 2) -> dict[str, dict[str, str]]:
    """Write what a real server says in a call of so many members, for the canned floors."""
    with load("record", server, members=members) as recording:
        path.write_text(json.dumps(recording.said), encoding="utf-8")
        return dict(recording.said)
