"""The README's commands, taken from the README and run in its order, print what the README says they print."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readme.walk import PATIENCE, README, ROOT, TOOLS, Background, Item, documents, items, shows

IN_CI = os.environ.get("CI", "") not in ("", "0", "false")

SERVER = [str(Path(sys.executable).with_name("ringline-server")), "serve", "--listen", "127.0.0.1:0"]


def installed_buf() -> Path:
    for directory in (ROOT / ".venv-gen" / "bin", Path(sys.executable).parent):
        if (directory / "buf").exists():
            return directory
    found = shutil.which("buf")
    assert found, "buf is not installed: `make test` installs it"
    return Path(found).parent


def installed_grpcurl(cache: Path) -> Path:
    """Return the directory of grpcurl, after the README's own way to install it if need be."""
    if found := shutil.which("grpcurl"):
        return Path(found).parent
    if (cache / "grpcurl").exists():
        return cache
    missing = pytest.fail if IN_CI else pytest.skip
    if shutil.which("go") is None:
        missing("neither grpcurl nor Go is here, and CI insists on them: install one. Elsewhere this is skipped.")
    (install,) = [item.body for item in items() if (item.kind, item.name) == ("install", "grpcurl")]
    done = subprocess.run(
        install, shell=True, env={**os.environ, "GOBIN": str(cache)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"{install} failed:\n{done.stderr}")
    return cache


@pytest.fixture(params=TOOLS)
def tool(request: pytest.FixtureRequest) -> tuple[str, Path]:
    if request.param == "buf":
        return "buf", installed_buf()
    cache = request.config.cache
    return "grpcurl", installed_grpcurl(cache.mkdir("grpcurl"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Background]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RINGLINE_")}
    running = Background([*SERVER, "--database", "ringline.db"], env, tmp_path)
    try:
        yield running
    finally:
        assert running.stop() == 0, running.text


class Walk:
    """One reader's way through the README with one tool."""

    def __init__(self, tool: tuple[str, Path], port: str, directory: Path) -> None:
        self.tool, installed = tool
        self._port = port
        self._directory = directory
        self._env = {**os.environ, "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}
        self._commands: dict[str, str] = {}
        self._streams: dict[str, Background] = {}
        self._printed = ""

    def take(self, item: Item) -> None:
        match item.kind:
            case "step":
                self._commands[item.name] = item.body.replace("localhost:50051", f"localhost:{self._port}")
                self._run(item.name)
            case "again":
                self._run(item.name)
            case "prints":
                self._compare(item)
            case "watch prints" | "resume prints":
                for shown in documents(item.body):
                    self._streams[item.kind.split()[0]].wait_for(shown)
            case "set":
                watch = self._streams.pop("watch")
                watch.stop()
                tokens = [one["resumeToken"] for one in documents(watch.text) if "resumeToken" in one]
                self._env[item.name] = tokens[-1]
            case _:
                raise AssertionError(item)

    def stop(self) -> None:
        for stream in self._streams.values():
            stream.stop()

    def _run(self, name: str) -> None:
        command = self._commands[name]
        if "/WatchCalls" in command:
            self._streams[name] = Background(["sh", "-c", command], self._env, self._directory)
            return
        done = subprocess.run(
            ["sh", "-c", command],
            env=self._env,
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        self._printed = done.stdout + done.stderr
        assert (done.returncode == 0) == ("-not-" not in name), f"{command}\n{self._printed}"

    def _compare(self, item: Item) -> None:
        if item.language == "json":
            actual, shown = next(documents(self._printed), None), next(documents(item.body))
            assert shows(actual, shown), f"{item.name}: printed {self._printed}\nthe README shows {item.body}"
            return
        for line in item.body.splitlines():
            assert line.removesuffix("…") in self._printed, f"{item.name}: printed {self._printed}"


@pytest.mark.timeout(600)
def test_the_commands_of_the_readme_print_what_it_says(
    tool: tuple[str, Path], server: Background, tmp_path: Path
) -> None:
    line = next(item.body for item in items() if (item.kind, item.name) == ("prints", "serve"))
    pattern = "^" + re.escape(line).replace("50051", r"(\d+)") + "$"
    walk = Walk(tool, server.wait_for_line(pattern)[1], tmp_path)
    try:
        for item in items():
            if item.kind != "install" and item.name != "serve" and item.tool in ("", walk.tool):
                walk.take(item)
    finally:
        walk.stop()


def test_every_command_of_the_readme_is_part_of_the_walk_and_given_for_each_tool() -> None:
    marked = items()
    shell = [item for item in marked if item.language == "sh"]
    steps = {tool: [item.name for item in shell if item.kind == "step" and item.tool == tool] for tool in TOOLS}
    assert steps["grpcurl"] == steps["buf"]
    assert len(steps["buf"]) > 10

    bodies = {item.body for item in shell}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for block in re.findall(r"^```sh\n(.*?)\n```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        assert block in bodies or block.removeprefix("make ") in targets, block


def test_what_was_shown_is_told_from_what_was_not() -> None:
    actual: dict[str, object] = {"a": [{"b": "one", "c": 1}], "d": True}
    assert shows(actual, {"a": [{"b": "o…"}]})
    untrue: list[dict[str, object]] = [{"a": []}, {"a": [{"b": "two"}]}, {"d": 1}, {"e": "…"}, {"a": [{"c": "…"}]}]
    for wrong in untrue:
        assert not shows(actual, wrong)
