"""Every client's own check: its style, its stubs against proto/, its tests, its package in an empty project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.runner.languages import read_languages

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
DRIVERS = {one.name: one for one in read_languages(ROOT / "conformance" / "drivers")}
IN_CI = os.environ.get("CI", "") not in {"", "0", "false"}

pytestmark = pytest.mark.languages


def test_every_language_has_a_driver_and_a_client() -> None:
    nine = {"cpp", "go", "java", "kotlin", "php", "python", "ruby", "rust", "typescript"}
    assert set(DRIVERS) == nine
    assert {path.name for path in CLIENTS.iterdir() if path.is_dir()} == nine | {"csharp"}
    for language in nine:
        assert (CLIENTS / language / "README.md").is_file(), language


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("language", sorted(path.parent.name for path in CLIENTS.glob("*/check")))
def test_a_client_passes_its_check(language: str) -> None:
    missing = (
        DRIVERS[language].missing if language in DRIVERS else [one for one in ("protoc",) if not shutil.which(one)]
    )
    if missing and not IN_CI:
        pytest.skip(f"{language}: not on this machine: {', '.join(missing)}")
    environment = {**os.environ, "RINGLINE_SERVER": str(ROOT / ".venv" / "bin" / "ringline-server")}
    done = subprocess.run(
        [CLIENTS / language / "check"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
