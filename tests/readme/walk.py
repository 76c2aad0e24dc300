"""The README as a list of things to do and to see, and the processes that do them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

TOOLS = ("grpcurl", "buf")

PATIENCE = 30.0
"""Seconds until something that should be printed is given up. A ring in the README lives as long."""

_ITEM = re.compile(
    r"<!-- (?P<kind>[a-z ]+): (?P<name>\S+)(?: tool: (?P<tool>\w+))? -->\n"
    r"(?:```(?P<language>\w+)\n(?P<body>.*?)\n```$)?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A marked place of the README: ``<!-- kind: name tool: tool -->``, with the block that follows, if one does."""

    kind: str
    name: str
    tool: str
    """Empty if it is the same for every tool."""
    language: str
    body: str


def items() -> list[Item]:
    """Return the marked places, in the README's order."""
    return [
        Item(match["kind"], match["name"], match["tool"] or "", match["language"] or "", match["body"] or "")
        for match in _ITEM.finditer(README.read_text(encoding="utf-8"))
    ]


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON values at the beginning of a text, up to one that is not whole yet."""
    decoder = json.JSONDecoder()
    rest = text.lstrip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except json.JSONDecodeError:
            return
        yield value
        rest = rest[end:].lstrip()


def shows(actual: Any, shown: Any) -> bool:  # noqa: ANN401 -- any JSON
    """Whether a shortened output tells the truth: every key in it is there, and "…" stands for some text."""
    match shown:
        case dict():
            return isinstance(actual, dict) and all(key in actual and shows(actual[key], shown[key]) for key in shown)
        case list():
            return (
                isinstance(actual, list)
                and len(actual) == len(shown)
                and all(shows(one, other) for one, other in zip(actual, shown, strict=True))
            )
        case str() if shown.endswith("…"):
            return isinstance(actual, str) and bool(actual) and actual.startswith(shown[:-1])
        case _:
            return bool(actual == shown) and type(actual) is type(shown)


class Background:
    """A command that goes on until it is stopped, and what it has printed so far."""

    def __init__(self, command: list[str], env: Mapping[str, str], cwd: Path) -> None:
        # A session of its own, so that a signal reaches what a shell has started, as Ctrl-C does in a terminal.
        self._process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._text = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._seen = 0

    @property
    def text(self) -> str:
        with self._more:
            return self._text

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern, once there is one."""
        deadline = time.monotonic() + PATIENCE
        with self._more:
            while (match := re.search(pattern, self._text, re.MULTILINE)) is None:
                self._wait(deadline, pattern)
            return match

    def wait_for(self, shown: Any) -> None:  # noqa: ANN401 -- any JSON
        """Return when the next JSON value that was printed shows this one. Values between are an error."""
        deadline = time.monotonic() + PATIENCE
        with self._more:
            while True:
                fresh = [one for one in list(documents(self._text))[self._seen :] if "heartbeat" not in one]
                if fresh:
                    break
                self._wait(deadline, json.dumps(shown, ensure_ascii=False))
            self._seen = len(list(documents(self._text))) - len(fresh) + 1
        assert shows(fresh[0], shown), f"printed {json.dumps(fresh[0], indent=2)}\nthe README shows {shown}"

    def stop(self) -> int:
        """Press Ctrl-C, and return the exit status."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            status = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            status = self._process.wait()
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def _wait(self, deadline: float, wanted: str) -> None:
        left = deadline - time.monotonic()
        over = self._process.poll() is not None and not self._reader.is_alive()
        if left <= 0 or over:
            raise AssertionError(f"not printed: {wanted}\nbut:\n{self._text}")
        self._more.wait(min(left, 0.5))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._more:
                self._text += line
                self._more.notify_all()
