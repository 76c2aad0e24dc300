"""Starts servers, each on the one core that is theirs, and reads what their whole process tree costs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = "0"
LOAD_CORE = "1"

WIRES = ("grpcio", "envoy")
START_TIMEOUT = 300.0
"""Seconds; a start with a million calls of history is one of the things that are measured."""


class NotServedError(Exception):
    """A server did not start. The text is the last line that it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """What to start. ``wire`` is how the load generator has to speak to it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    wire: str = "grpc"
    strict: bool = True
    """Whether its answers are about what was asked; canned bytes are not."""


class Running:
    """A server that serves."""

    def __init__(self, server: Server, process: subprocess.Popen[str], log: IO[str], address: str, took: float) -> None:
        self.server = server
        self._log = log
        self.address = address
        self.took = took
        """Seconds from its start until it served."""
        self._process = process

    def cpu(self) -> float:
        """Return CPU seconds since the start."""
        return sum(sum(one.cpu_times()[:2]) for one in self._tree())

    def memory(self) -> int:
        """Return bytes that are its own: what several processes share counts once."""
        return sum(one.memory_full_info().pss for one in self._tree())

    def _tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; at once with SIGKILL."""
        tree = self._tree() if self._process.poll() is None else []
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for one in psutil.wait_procs(tree, 5)[1]:
            one.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


def start(server: Server) -> Running:
    """Start a server, its log in a file, as under any service manager. Raises NotServedError."""
    begun = time.perf_counter()
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- closed when the server is stopped
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *server.command],
        cwd=ROOT,
        env={**os.environ, **server.environment},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline() if select.select([process.stdout], [], [], START_TIMEOUT)[0] else ""
    took = time.perf_counter() - begun
    if "serving on " in line:
        return Running(server, process, log, line.split("serving on ")[1].split()[0], took)
    process.kill()
    process.wait()
    process.stdout.close()
    with log:
        log.seek(0)
        said = [text for text in log.read().splitlines() if text.strip()]
    raise NotServedError(said[-1] if said else "it said nothing")


@contextmanager
def running(server: Server) -> Iterator[Running]:
    """Run a server within the block."""
    one = start(server)
    try:
        yield one
    finally:
        one.stop()


def ringline(wire: str, database: Path, port: int = 0) -> Server:
    """Ringline as it is released: no option but where it listens, what it keeps its calls in, and the wire."""
    command = [str(ROOT / ".venv/bin/ringline-server"), "serve", "--listen", f"127.0.0.1:{port}"]
    return Server(f"ringline {wire}", [*command, "--database", str(database), "--wire", wire])


def floor(name: str, canned: Path, folder: Path, port: int = 0) -> Server:
    """One of aio, aio-durable, envoy, envoy-durable."""
    module, _, durable = name.partition("-")
    environment = {"CANNED": str(canned)}
    if durable:
        handle, path = tempfile.mkstemp(suffix=".db", dir=folder)
        os.close(handle)
        environment["DATABASE"] = path
    return Server(name, [sys.executable, "-m", f"bench.floors.{module}", str(port)], environment, strict=False)


def weekend(folder: Path) -> Server:
    database = str(folder / "weekend.db")
    return Server("weekend", [sys.executable, "-m", "bench.floors.weekend"], {"DATABASE": database}, wire="weekend")


def floor_of(wire: str, *, durable: bool = True) -> str:
    """Return the name of the floor that a wire is measured against."""
    return {"grpcio": "aio", "envoy": "envoy"}[wire] + ("-durable" if durable else "")
