"""Whether the envoy wire can be tested here."""

from __future__ import annotations

import os

import pytest

from ringline_server.wire._libpython import WireMissingError, find_libpython, require_pyvoy


def need_envoy() -> None:
    """Skip the test where the envoy wire cannot run; in CI it must."""
    try:
        require_pyvoy()
        find_libpython()
    except WireMissingError as error:
        if os.environ.get("CI", "") in {"", "0", "false"}:
            pytest.skip(str(error))
        raise
