"""The drivers: `conformance/drivers/<language>/driver.toml` says how each is built and run, and what it needs.

    needs = ["go"]                          # programs that must be on the PATH; without one, the language is skipped
    probe = ["pkg-config", "--exists", "x"] # optional: a command that fails where something else is missing
    build = [["go", "build", "-o", "driver", "."]]     # commands, run in the driver's folder before the cases
    run = ["./driver"]                      # the driver, run in its folder
    timeout = 10.0                          # optional: seconds for its start; a JVM may want more

`{python}` in a command is the Python that runs the suite.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

Command = tuple[str, ...]


class LanguageError(Exception):
    """A driver.toml cannot be read, or a driver cannot be built."""


@dataclass(frozen=True, slots=True)
class Language:
    """One driver."""

    name: str
    folder: Path
    needs: tuple[str, ...]
    probe: Command
    build: tuple[Command, ...]
    run: Command
    timeout: float

    @property
    def missing(self) -> list[str]:
        """What it needs and the machine does not have."""
        programs = [program for program in self.needs if shutil.which(program) is None]
        if programs or not self.probe:
            return programs
        probed = subprocess.run(self.probe, cwd=self.folder, env=environment(), capture_output=True, check=False)  # noqa: S603 -- the driver's own words
        return [] if probed.returncode == 0 else [f"what `{' '.join(self.probe)}` looks for"]

    async def make(self) -> None:
        """Build it. Raises LanguageError with what the build said."""
        if not self.run:
            raise LanguageError(f"{self.folder}: there is no driver.toml, which says how the driver is built and run")
        for command in self.build:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            if process.returncode != 0:
                raise LanguageError(f"{self.name}: {' '.join(command)} failed:\n{said.decode(errors='replace')}")


def environment() -> dict[str, str]:
    """Return the environment for children: ours, with UTF-8 whatever the locale is."""
    return {**os.environ, "PYTHONUTF8": "1"}


_KEYS = {"needs", "probe", "build", "run", "timeout"}


def read_languages(folder: Path) -> list[Language]:
    """Return the languages by name. Raises LanguageError.

    A folder without a driver.toml is a language too: one whose column is empty.
    """
    return [_read(path / "driver.toml") for path in sorted(folder.iterdir()) if path.is_dir()]


def _read(path: Path) -> Language:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Language(path.parent.name, path.parent, (), (), (), (), 0.0)
    except tomllib.TOMLDecodeError as error:
        raise LanguageError(f"{path} is not TOML: {error}") from error
    if unknown := table.keys() - _KEYS:
        raise LanguageError(f"{path}: unknown key {', '.join(sorted(unknown))}. There are: {', '.join(sorted(_KEYS))}")
    if not table.get("run"):
        raise LanguageError(f"{path}: run is missing")
    build = tuple(_command(one) for one in table.get("build", []))
    return Language(
        path.parent.name, path.parent, tuple(table.get("needs", [])), _command(table.get("probe", [])), build,
        _command(table["run"]), float(table.get("timeout", 10.0)),
    )  # fmt: skip


def _command(words: list[str]) -> Command:
    return tuple(word.replace("{python}", sys.executable) for word in words)
