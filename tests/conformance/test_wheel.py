from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_control_program_is_in_no_wheel(tmp_path: Path) -> None:
    for project in (ROOT, ROOT / "clients" / "python"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    server, client = sorted(tmp_path.glob("*.whl"), key=lambda path: "server" not in path.name)
    for wheel, packages in ((server, {"ringline_server"}), (client, {"ringline"})):
        with zipfile.ZipFile(wheel) as archive:
            top = {name.split("/")[0] for name in archive.namelist()}
        assert {name for name in top if not name.endswith(".dist-info")} == packages
