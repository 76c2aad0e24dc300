from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_server_and_stubs_have_one_version() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stubs = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    pinned = [re.sub(r"\[.*\]", "", one) for one in server["dependencies"] if one.startswith("ringline")]
    assert server["version"] == stubs["version"]
    assert pinned == [f"ringline=={stubs['version']}"]
