"""Runs the load generator, on the core that is not the server's, through its steps."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

from bench.servers import LOAD_CORE, ROOT, Running

BINARY = ROOT / "bench/load/load"
LONGEST_COMPLAINT = 500
"""Letters; a call of 500 that is wrong is a long one."""


class LoadError(Exception):
    """The generator found an answer or a message that is wrong, or waited in vain."""


class Load:
    """A generator that has prepared itself."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self._process = process
        self._complaints = complaints
        self.said: Any = None
        """What it said last."""

    def listen(self) -> Any:  # noqa: ANN401 -- every scenario has its own
        """Wait for its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._complaints.seek(0)
            raise LoadError(self._complaints.read().strip()[:LONGEST_COMPLAINT] or "the load generator ended")
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
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            ["taskset", "-c", LOAD_CORE, str(BINARY), *target, *arguments, scenario],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        try:
            one = Load(process, complaints)
            one.listen()
            yield one
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def record(server: Running, path: Path, members: int = 2) -> dict[str, dict[str, str]]:
    """Write what a real server says in a call of so many members, for the canned floors."""
    with load("record", server, members=members) as recording:
        path.write_text(json.dumps(recording.said), encoding="utf-8")
        return dict(recording.said)
