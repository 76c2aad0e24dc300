"""What an error of SQLite's is, whoever has met it."""

from __future__ import annotations

import sqlite3

FAILURES = (sqlite3.Error, MemoryError)
"""What SQLite's failures are in Python, where its running out of memory is a MemoryError."""

_PRIMARY = 0xFF
"""The part of an extended error code that names its family."""

_FATAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def code(error: Exception) -> int:
    """Return the extended error code; -1 if there is none."""
    if isinstance(error, MemoryError):
        return sqlite3.SQLITE_NOMEM
    return getattr(error, "sqlite_errorcode", -1)


def family(error: Exception) -> int:
    """Return the primary error code."""
    return code(error) & _PRIMARY


def is_fatal(error: Exception) -> bool:
    """Whether the disk has failed, or what is in the file is none of ours any more."""
    return family(error) in _FATAL


def describe(error: Exception) -> str:
    """Return SQLite's name of the error, and its text."""
    return f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
