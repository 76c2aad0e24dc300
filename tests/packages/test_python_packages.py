"""The wheels in empty environments, at both ends of the ranges of versions that their metadata names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = ("ringline", "ringline_server")

# What an app does with the package alone, and the versions that it really runs with.
APP = """
import asyncio, sys
from importlib.metadata import version
from ringline import Client

async def main(address):
    async with Client(address, user="myself") as myself, Client(address, user="my friend") as friend:
        call = myself.call("default", "test-outgoing-call")
        await call.get_or_create(ring=True, members=["myself", "my friend"])
        async for calls in friend.watch_calls():
            if calls:
                await calls[0].join()
                break
        await call.end_call()
        print(*(f"{name}={version(name)}" for name in ("ringline", "grpcio", "protobuf")))

asyncio.run(main(sys.argv[1]))
"""

pytestmark = [pytest.mark.languages, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "clients" / "python", ROOT):
        build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(build, cwd=project, check=True)
    return {name: next(folder.glob(f"{name}-*.whl")) for name in PACKAGES}


def requirements(wheel: Path) -> Iterator[Requirement]:
    """Yield what a wheel asks for, but for its extras and for the other wheel."""
    (info,) = (one for one in ZipPath(wheel).iterdir() if one.name.endswith(".dist-info"))
    metadata: Distribution = PathDistribution(info)
    for line in metadata.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None and requirement.name != "ringline":
            yield requirement


def lowest(requirement: Requirement) -> str:
    (bound,) = (one.version for one in requirement.specifier if one.operator == ">=")
    return f"{requirement.name}=={bound}"


def locked() -> list[str]:
    text = (ROOT / "requirements" / "server.txt").read_text(encoding="utf-8")
    return re.findall(r"^([a-z0-9-]+==[^ ;\\]+)", text, re.MULTILINE)


def test_the_metadata_names_a_range_with_two_ends(wheels: dict[str, Path]) -> None:
    """What is run below is the lower end, and the newest release before the upper one."""
    for wheel in wheels.values():
        for requirement in requirements(wheel):
            assert {one.operator for one in requirement.specifier} == {">=", "<"}, requirement
            highest = next(one.split("==")[1] for one in locked() if one.startswith(f"{requirement.name}=="))
            (end,) = (one.version for one in requirement.specifier if one.operator == "<")
            assert requirement.specifier.contains(highest), f"{requirement}: the lock has {highest}"
            parts = [int(part) for part in end.split(".")]
            below = [int(part) for part in highest.split(".")[: len(parts)]]
            assert below == [*parts[:-1], parts[-1] - 1], f"{requirement}: run with {highest}, claims up to {end}"


@pytest.mark.parametrize("end", ["lowest", "highest"])
def test_the_wheels_work_in_an_empty_project(
    wheels: dict[str, Path], end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {lowest(one) for wheel in wheels.values() for one in requirements(wheel)} if end == "lowest" else locked()
    (tmp_path / "versions.txt").write_text("\n".join(asked))
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--constraint",
        tmp_path / "versions.txt",
    ]
    subprocess.run([*command, *wheels.values()], check=True)
    (tmp_path / "app.py").write_text(APP)

    server_command = python.with_name("ringline-server")
    serve: list[str | Path] = [server_command, "serve", "--listen", "127.0.0.1:0", "--database", "ringline.db"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.findall(r"serving on (\S+)", server.stdout.readline())[0]
            said = subprocess.run(
                [python, "-W", "error", "app.py", address], cwd=tmp_path, check=True, capture_output=True, text=True
            ).stdout
        finally:
            server.terminate()
    assert server.returncode == 0

    with capsys.disabled():
        print(f"\n{end} versions: {said.strip()}")
    ran = dict(one.split("=") for one in said.split())
    for pin in map(Requirement, asked):
        if pin.name in ran:
            assert pin.specifier.contains(ran[pin.name]), f"asked for {pin}, ran {ran[pin.name]}"
