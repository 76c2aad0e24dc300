"""The server under test: the same app as `ringline-server serve`, with a clock that its runner moves. In no wheel."""

from __future__ import annotations
