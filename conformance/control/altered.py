"""The one seam below the app's own wiring: what the RPCs answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from conformance.control.newer import newer
from conformance.control.repeating import repeating
from ringline_server.api.port import Rpcs
from ringline_server.api.rpcs import build_rpcs
from ringline_server.app import running

Alter = Callable[[Rpcs], Rpcs]

_KINDS: dict[str, Alter] = {"": lambda rpcs: rpcs, "newer": newer, "repeating": repeating}


@contextmanager
def altered(kind: str, refusing: Alter) -> Iterator[None]:
    """Let servers that start within the block be of this kind, and refuse what they are told to."""
    alter = _KINDS[kind]

    def build(**parts: Any) -> Rpcs:  # noqa: ANN401 -- handed on as they are
        return refusing(alter(build_rpcs(**parts)))

    with patch.object(running, "build_rpcs", build):
        yield
