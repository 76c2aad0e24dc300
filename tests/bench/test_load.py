"""The load generator finds what is wrong: else a server could win by dropping work."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import generator
from bench.servers import ROOT, floor, ringline, running

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("go") is None or shutil.which("taskset") is None, reason="needs Go and taskset"),
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    subprocess.run(["go", "build", "-o", "load", "."], cwd=ROOT / "bench/load", check=True)
    folder = tmp_path_factory.mktemp("recorded")
    with running(ringline("grpcio", folder / "ringline.db")) as server:
        yield generator.record(server, folder / "canned.json")


def calls(folder: Path, canned: dict[str, Any], **options: Any) -> int:  # noqa: ANN401 -- the generator's flags
    """Return how many calls were made against a floor that says this."""
    path = folder / "canned.json"
    path.write_text(json.dumps(canned), encoding="utf-8")
    with running(floor("aio", path, folder)) as server, generator.load("calls", server, **options) as load:
        return int(load.go_on()["calls"])


def test_canned_calls_are_made(recorded: dict[str, Any], tmp_path: Path) -> None:
    assert calls(tmp_path, recorded, pairs=2, seconds=0.2) > 0


def test_canned_bytes_are_not_taken_for_real_answers(recorded: dict[str, Any], tmp_path: Path) -> None:
    # The answer and the message are both somebody else's, and either may be read first.
    with pytest.raises(generator.LoadError, match=r"was answered|was told of"):
        calls(tmp_path, recorded, pairs=2, seconds=0.2, strict="true")


def test_a_message_of_another_kind_is_found(recorded: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**recorded, "JoinCall": {**recorded["JoinCall"], "message": recorded["GetOrCreateCall"]["message"]}}
    with pytest.raises(generator.LoadError, match="was told added"):
        calls(tmp_path, wrong, pairs=1, seconds=0.2)


def test_a_message_too_many_is_found(recorded: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**recorded, "EndCall": {**recorded["EndCall"], "message": recorded["JoinCall"]["message"]}}
    with pytest.raises(generator.LoadError, match=r"was told removed|too many"):
        calls(tmp_path, wrong, pairs=1, seconds=0.2)


def test_a_message_that_goes_to_one_side_only_is_missed(recorded: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**recorded, "GetOrCreateCall": {**recorded["GetOrCreateCall"], "told": 1}}
    with pytest.raises(generator.LoadError, match="was not told added"):
        calls(tmp_path, wrong, pairs=1, seconds=0.2)


def test_an_answer_in_another_state_is_found(recorded: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**recorded, "EndCall": recorded["JoinCall"]}
    with pytest.raises(generator.LoadError, match="was answered"):
        calls(tmp_path, {**wrong, "EndCall": {"answer": wrong["EndCall"]["answer"]}}, pairs=1, seconds=0.2)
