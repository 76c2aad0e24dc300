"""What a start can fail with."""

from __future__ import annotations


class StartError(Exception):
    """The server cannot start. The text is one line: why, and what to do."""
