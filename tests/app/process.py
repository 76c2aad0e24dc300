"""The command as a process, as a shell or a supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.envoy import need_envoy

_SERVING = re.compile(r"ringline-server: serving on (\S+):(\d+) ")


@dataclass
class Command:
    """A running command."""

    process: asyncio.subprocess.Process
    first_line: str = ""

    @property
    def port(self) -> int:
        match = _SERVING.match(self.first_line)
        assert match, f"not the line that was promised: {self.first_line!r}"
        return int(match[2])

    async def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit status, stdout beyond the first line, and stderr."""
        async with asyncio.timeout(20):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def command(
    *arguments: str, directory: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[Command]:
    """Start ``ringline-server`` with the arguments, in a directory of its own."""
    if "envoy" in arguments:
        need_envoy()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RINGLINE_", "GRPC_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ringline_server",
        *arguments,
        cwd=directory,
        env=clean | (environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def serving(
    *arguments: str, directory: Path, environment: dict[str, str] | None = None
) -> AsyncIterator[Command]:
    """Start ``ringline-server serve`` on a free port, and wait until it serves."""
    defaults = () if "--listen" in arguments else ("--listen", "127.0.0.1:0")
    async with command("serve", *defaults, *arguments, directory=directory, environment=environment) as running:
        assert running.process.stdout is not None
        async with asyncio.timeout(20):
            running.first_line = (await running.process.stdout.readline()).decode()
        if not running.first_line:
            raise AssertionError(f"it did not start: {await running.end()}")
        yield running
