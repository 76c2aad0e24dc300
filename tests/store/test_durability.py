from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.processes import ROOT, finish, start

TRANSACTS = 20


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that notes every sync."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        assert os.environ.get("CI", "") in ("", "0", "false"), "CI has to have Linux and a C compiler"
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "sync_shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, ROOT / "tests/store/sync_shim.c", "-ldl"], check=True
    )
    return library


@pytest.fixture
def run(shim: Path, tmp_path: Path) -> tuple[list[str], list[str]]:
    """Return the marks and syncs of a process that transacts, and what it printed when a sync failed."""
    log, fail = tmp_path / "log", tmp_path / "fail"
    process = start(
        "transact",
        tmp_path / "ringline.db",
        log,
        fail,
        str(TRANSACTS),
        env={"LD_PRELOAD": str(shim), "SYNC_LOG": str(log), "SYNC_FAIL": str(fail)},
    )
    printed = finish(process)
    return log.read_text().splitlines(), printed.splitlines()


def test_every_transact_syncs_the_log_before_it_answers(run: tuple[list[str], list[str]]) -> None:
    lines, _ = run
    for number in range(TRANSACTS):
        between = lines[lines.index(f"asked {number}") + 1 : lines.index(f"answered {number}")]
        assert any(line.endswith("ringline.db-wal") for line in between), between


def test_a_failed_sync_breaks_the_store_for_good(run: tuple[list[str], list[str]]) -> None:
    _, printed = run
    assert len(printed) == 2
    assert all("SQLITE_IOERR_FSYNC" in line for line in printed)
