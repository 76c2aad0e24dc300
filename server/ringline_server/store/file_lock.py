"""One process owns one file: a lock beside the database that goes with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from ringline_server.store.port import StoreError, StoreInUse


class FileLock:
    """An exclusive ``flock`` on a file that also holds the owner's process id.

    The kernel lets go of it when the process ends, however it ends; the file stays, because removing it would race
    with somebody who has just opened it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raise StoreInUse if it is taken, and StoreError if the file cannot be made."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(f"cannot make the lock file {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreInUse(
                f"{self._path} is held by {_process(owner)}: one server owns one database. "
                "Stop that server, or give this one another database."
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StoreError(f"cannot lock {self._path}: {error.strerror}") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock, if it is held."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _process(owner: str) -> str:
    if owner == str(os.getpid()):
        return f"this very process ({owner})"
    return f"process {owner}" if owner else "another process"
