from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ringline_server.store import sqlite_connection
from ringline_server.store.port import (
    Snapshot,
    Store,
    StoreError,
    Transaction,
)
from ringline_server.store.sqlite import SqliteStore
from ringline_server.store.sqlite_connection import open_reader
from ringline_server.store.sqlite_thread import run
from tests.store.book import Book
from tests.store.suite import StoreSuite
from tests.store.suite_fixtures import head


class TestSqliteAsAStore(StoreSuite):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "ringline.db")


@pytest.fixture
def book() -> Book:
    return Book()


def created(book: Book, id: str = "standup") -> Callable[[Transaction], None]:
    """Return the work that writes a new call."""
    world = book.world(id)
    world.create("ann")
    return book.writing(world)


async def on_writer(store: SqliteStore, sql: str) -> object:
    assert store._writer is not None
    return await run(store._writer, lambda connection: connection.execute(sql).fetchone()[0])


# What it is opened with.


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("auto_vacuum", 2),
        ("application_id", 0x52494E47),
        ("busy_timeout", 5000),
        ("wal_autocheckpoint", 0),
    ],
)
async def test_the_writer_is_set_up_to_be_durable(store: SqliteStore, pragma: str, value: object) -> None:
    assert await on_writer(store, f"PRAGMA {pragma}") == value


@pytest.mark.parametrize(
    ("name", "pragma"),
    [("synchronous", "PRAGMA synchronous = NORMAL"), ("journal_mode", "PRAGMA journal_mode = DELETE")],
)
async def test_a_file_that_would_not_be_durable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pragma: str
) -> None:
    store = SqliteStore(tmp_path / "ringline.db")
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_connection, "_WRITER", (*sqlite_connection._WRITER, pragma))
        with pytest.raises(StoreError, match=f"PRAGMA {name} is .* and has to be"):
            await store.open()
    await store.open()
    await store.close()


async def test_an_sqlite_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection, "_OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(StoreError, match=r"99\.0\.0 or newer is needed"):
        await SqliteStore(tmp_path / "ringline.db").open()


async def test_readers_can_neither_write_nor_checkpoint(store: SqliteStore, book: Book) -> None:
    await store.transact(created(book))
    log = Path(f"{store._path}-wal")
    size = log.stat().st_size
    assert size > 0
    for reader in store._readers:
        for statement in ("DELETE FROM events", "UPDATE meta SET head = 0", "CREATE TABLE mine (one INTEGER)"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                await run(reader, lambda connection, sql=statement: connection.execute(sql))  # type: ignore[misc]
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            await run(reader, lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    assert log.stat().st_size == size
    reader = await open_reader(store._path)
    await reader.close()
    assert log.stat().st_size == size
    assert await store.read(head) == book.head


async def test_closing_moves_the_log_into_the_database(store: SqliteStore, book: Book) -> None:
    await store.transact(created(book))
    await store.close()
    assert not Path(f"{store._path}-wal").exists()
    assert not Path(f"{store._path}-shm").exists()


async def test_each_new_file_has_an_epoch_of_its_own(tmp_path: Path) -> None:
    epochs = set()
    for name in "abc":
        store = SqliteStore(tmp_path / name)
        with pytest.raises(StoreError, match="not open"):
            assert store.epoch
        await store.open()
        epochs.add(store.epoch)
        await store.close()
    assert len(epochs) == 3
    assert all(len(epoch) == 16 for epoch in epochs)


# What cannot be opened.


@pytest.mark.parametrize("path", [":memory:", "", "file::memory:?cache=shared"])
async def test_a_store_that_would_not_last_is_refused(path: str) -> None:
    with pytest.raises(StoreError, match="is not the path of a file"):
        await SqliteStore(path).open()


async def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"the directory {tmp_path}/nowhere does not exist: make it"):
        await SqliteStore(tmp_path / "nowhere" / "ringline.db").open()


async def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path} is a directory: give the path of a file in it"):
        await SqliteStore(tmp_path).open()


async def test_a_directory_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(StoreError, match=r"ringline\.db cannot be read and written by this user"):
        await SqliteStore(tmp_path / "ringline.db").open()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
async def test_a_directory_in_which_nothing_can_be_made_is_named() -> None:
    with pytest.raises(StoreError, match=r"cannot make the lock file /proc/ringline\.db\.lock: "):
        await SqliteStore("/proc/ringline.db").open()


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a database, but something of value to somebody.\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"cannot open {path}: .*not a database"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


# Reading and writing at once.


async def test_an_error_of_sqlites_while_reading_is_the_ports(store: SqliteStore) -> None:
    for _ in range(4):
        with pytest.raises(StoreError, match="cannot read: SQLITE_ERROR: no such table"):
            await store.read(lambda snapshot: snapshot._execute("SELECT 1 FROM missing"))  # type: ignore[attr-defined]
    assert await store.read(head) == 0


async def test_a_read_does_not_wait_for_a_transaction(store: SqliteStore) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        running.set()
        assert go_on.wait(30)

    writing_ = asyncio.create_task(store.transact(slow))
    await asyncio.to_thread(running.wait, 30)
    assert await store.read(head) == 0
    go_on.set()
    await writing_


async def test_as_many_reads_go_on_at_once_as_there_are_readers(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ringline.db", readers=3)
    await store.open()
    together = threading.Barrier(3)

    def work(snapshot: Snapshot) -> int:
        return together.wait(30)

    assert sorted(await asyncio.gather(*(store.read(work) for _ in range(6)))) == [0, 0, 1, 1, 2, 2]
    await store.close()


async def test_reads_that_share_a_transaction_succeed_and_fail_each_for_itself(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ringline.db", readers=1)
    await store.open()
    busy, go_on = threading.Event(), threading.Event()

    def waits(snapshot: Snapshot) -> int:
        busy.set()
        go_on.wait(30)
        return snapshot.head()

    def raises(_snapshot: Snapshot) -> int:
        raise LookupError("mine")

    def wrong(_snapshot: Snapshot) -> int:
        raise sqlite3.OperationalError("no such table")

    works = (waits, head, raises, wrong, head)
    reads = [asyncio.ensure_future(store.read(work)) for work in works]
    given_up = asyncio.ensure_future(store.read(head))
    await asyncio.to_thread(busy.wait, 30)
    given_up.cancel()
    go_on.set()

    first, second, own, theirs, last = await asyncio.gather(*reads, return_exceptions=True)
    assert (first, second, last) == (0, 0, 0)
    assert isinstance(own, LookupError)
    assert isinstance(theirs, StoreError)
    assert "cannot read" in str(theirs)
    assert given_up.cancelled()
    await store.close()


async def test_a_read_that_waits_while_the_store_is_closed_fails(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ringline.db", readers=1)
    await store.open()
    busy, go_on = threading.Event(), threading.Event()

    def waits(_snapshot: Snapshot) -> bool:
        busy.set()
        return go_on.wait(30)

    first, second = (asyncio.ensure_future(store.read(work)) for work in (waits, head))
    await asyncio.to_thread(busy.wait, 30)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    go_on.set()

    assert await first
    with pytest.raises(StoreError, match="not open"):
        await second
    await closing
