"""A child that takes a JSON object a line and gives them back: a driver, or the control program."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_LONGEST_LINE = 1 << 26


class ChildError(Exception):
    """The child ended, did not answer, or said what nobody understands."""


class Child:
    """Answers go to who asked; what has no `id` goes to `on_report`."""

    def __init__(self, name: str, on_report: Callable[[Json], None]) -> None:
        self._name = name
        self.on_report = on_report
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._next_id = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None
        self.last_words: deque[str] = deque(maxlen=20)
        """The end of what it said on stderr."""

    async def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start it. Raises ChildError."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env=dict(environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
            )
        except OSError as error:
            raise ChildError(f"{self._name} cannot be started: {error}") from error
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.returncode is None

    async def ask(self, op: str, wait: float, **fields: object) -> Json:
        """Send a command and return its answer. Raises ChildError."""
        process = self._process
        if process is None or process.stdin is None or not self.is_alive:
            raise ChildError(f"{self._name} does not run{self._said()}")
        self._next_id += 1
        id_ = self._next_id
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        line = json.dumps({"id": id_, "op": op, **fields}, ensure_ascii=False) + "\n"
        try:
            process.stdin.write(line.encode())
            await process.stdin.drain()
            return await asyncio.wait_for(answer, wait)
        except TimeoutError:
            raise ChildError(f"{self._name} did not answer {line.strip()} within {wait:g} s{self._said()}") from None
        except ConnectionError:
            raise ChildError(f"{self._name} has closed its stdin{self._said()}") from None
        finally:
            self._waiting.pop(id_, None)

    async def end(self) -> None:
        """Close its stdin, and kill it if that is not enough."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
        await self._gone()

    async def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            await self._gone()

    async def _gone(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        stdout = self._process.stdout if self._process is not None else None
        while stdout is not None and (line := await stdout.readline()):
            try:
                report = json.loads(line)
            except ValueError:
                self.last_words.append(f"(on stdout, not JSON) {line.decode(errors='replace').rstrip()}")
                continue
            if "id" not in report:
                self.on_report(report)
            elif (answer := self._waiting.get(report["id"])) is not None and not answer.done():
                answer.set_result(report)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChildError(f"{self._name} has ended{self._said()}"))

    async def _listen(self) -> None:
        stderr = self._process.stderr if self._process is not None else None
        while stderr is not None and (line := await stderr.readline()):
            self.last_words.append(line.decode(errors="replace").rstrip())

    def _said(self) -> str:
        return "".join(f"\n      | {line}" for line in self.last_words)
