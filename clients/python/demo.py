"""A server and two phones: a ring, its answer and its end, as a transcript. `make demo` runs it.

With ``--record FILE`` the transcript goes into a file too.
"""

# ruff: noqa: INP001, S603, T201 -- a script that runs our own commands and prints what they say

from __future__ import annotations

import argparse
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ME, FRIEND = "myself", "my friend"

_PATIENCE = 20.0

_BIN = Path(sys.executable).parent


class Transcript:
    """What was typed and what was said, in one order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Take a line, and show it."""
        self.lines.append(line.rstrip())
        print(line.rstrip(), flush=True)

    def typed(self, who: str, command: str) -> None:
        """Take what somebody types."""
        self.add("")
        self.add(f"{who:>12} │ $ {command}")

    def said(self, who: str, line: str) -> None:
        """Take what a command says."""
        self.add(f"{who:>12} │ {line}")


class Process:
    """A command that goes on, and the lines that it prints."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [_BIN / command[0], *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.rstrip("\n"))

    def line(self) -> str:
        """Return the next line, once it is there."""
        return self._lines.get(timeout=_PATIENCE)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_PATIENCE)


class Stage:
    """The server, the two phones that watch, and the terminals beside them."""

    def __init__(self, transcript: Transcript, database: Path) -> None:
        self._transcript = transcript
        self._server = Process("ringline-server", "serve", "--listen", "127.0.0.1:0", "--database", str(database))
        self._address = self._server.line().split()[3]
        transcript.typed("server", "ringline-server serve")
        transcript.said("server", "ringline-server: serving on 127.0.0.1:50051")
        self._phones: dict[str, Process] = {}

    def watch(self, who: str) -> None:
        """Switch a phone on."""
        self._transcript.typed(who, f"ringline watch --user {_quoted(who)}")
        self._phones[who] = Process("ringline", "watch", "--user", who, "--address", self._address)
        self.hear(who, 2)

    def type(self, who: str, verb: str, *arguments: str) -> None:
        """Type a command in another terminal, and hear what both phones say to it."""
        words = " ".join(map(_quoted, arguments))
        self._transcript.typed(who, f"ringline {verb} --user {_quoted(who)} {words}")
        command: list[str | Path] = [_BIN / "ringline", verb, "--user", who, "--address", self._address, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
        for line in done.stdout.splitlines():
            self._transcript.said(who, line)
        for phone in self._phones:
            self.hear(phone)

    def hear(self, who: str, lines: int = 1) -> None:
        """Write down what a phone says next."""
        for _ in range(lines):
            self._transcript.said(f"☎ {who}", self._phones[who].line())

    def close(self) -> None:
        """Switch everything off."""
        for process in (*self._phones.values(), self._server):
            process.stop()


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def play(transcript: Transcript, database: Path) -> None:
    """Play the whole story."""
    stage = Stage(transcript, database)
    try:
        stage.watch(ME)
        stage.watch(FRIEND)
        stage.type(ME, "ring", FRIEND, "--call", "lunch")
        stage.type(FRIEND, "answer")
        stage.type(ME, "end")
    finally:
        stage.close()


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the transcript here, too")
    options = parser.parse_args()
    transcript = Transcript()
    with tempfile.TemporaryDirectory() as folder:
        play(transcript, Path(folder, "ringline.db"))
    if options.record:
        options.record.write_text("\n".join(transcript.lines).strip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
