from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ringline_server.store.file_lock import FileLock
from ringline_server.store.port import StoreError, StoreInUse
from ringline_server.store.sqlite import SqliteStore
from tests.store.processes import finish, start


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db.lock"
    lock, second = FileLock(path), FileLock(path)
    lock.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    with pytest.raises(StoreInUse, match=f"this very process \\({os.getpid()}\\)"):
        second.acquire()
    lock.release()
    lock.release()
    second.acquire()
    second.release()


def test_a_lock_that_cannot_be_made_says_where_and_why(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/a\.lock: No such file"):
        FileLock(tmp_path / "nowhere" / "a.lock").acquire()


async def test_a_second_server_is_refused_and_told_who_owns_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    process = start("hold", path)
    with pytest.raises(StoreInUse, match=rf"held by process {process.pid}: one server .* Stop that server"):
        await SqliteStore(path).open()
    finish(process)
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def test_another_name_of_the_file_is_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    (tmp_path / "link.db").symlink_to(path)
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StoreInUse):
        await SqliteStore(tmp_path / "link.db").open()
    await store.close()


async def test_the_death_of_a_server_frees_its_file(tmp_path: Path) -> None:
    path = tmp_path / "ringline.db"
    process = start("hold", path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = SqliteStore(path)
    await store.open()
    await store.close()
