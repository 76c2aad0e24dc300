"""`make demo`: its recorded transcript is what it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def without_seconds(text: str) -> str:
    return re.sub(r"\d+ s\b", "… s", text)


def test_the_recorded_demo_is_what_it_shows(tmp_path: Path) -> None:
    record = tmp_path / "demo.txt"
    command: list[str | Path] = [sys.executable, ROOT / "clients" / "python" / "demo.py", "--record", record]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    recorded = (ROOT / "docs" / "demo.txt").read_text(encoding="utf-8")
    assert without_seconds(shown.strip("\n")) == without_seconds(recorded.strip("\n")), "make demo ARGS='--record …'"
    assert record.read_text(encoding="utf-8").strip("\n") == shown.strip("\n")
