from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringline_server.store import sqlite_checkpoint
from ringline_server.store.port import StoreBroken
from ringline_server.store.sqlite import SqliteStore
from ringline_server.store.sqlite_thread import run
from tests.store.book import Book
from tests.store.suite_fixtures import head

PAGE = 4096 + 24
"""Bytes of a page in the log."""


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(sqlite_checkpoint, "PAGES", 40)
    store = SqliteStore(tmp_path / "ringline.db")
    await store.open()
    yield store
    await store.close()


async def write(store: SqliteStore, book: Book, name: str) -> None:
    world = book.world(name)
    world.create("ann", ["ann", "bob"], ring=True)
    await store.transact(book.writing(world))


async def write_and_move(store: SqliteStore, book: Book, calls: int) -> None:
    """Write so many calls, each once nothing is being moved."""
    for number in range(calls):
        await write(store, book, f"{book.head}-{number}")
        assert store._checkpoints is not None
        if store._checkpoints._moving is not None:
            await store._checkpoints._moving


def failing(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("injected")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_INJECTED"
    return error


async def test_the_log_is_moved_again_and_again_and_grows_no_more(store: SqliteStore) -> None:
    book, log = Book(), Path(f"{store._path}-wal")
    await write_and_move(store, book, 30)
    size = log.stat().st_size
    await write_and_move(store, book, 60)
    assert log.stat().st_size < size + 20 * PAGE
    assert await store.read(head) == book.head


async def test_transactions_go_on_while_the_log_is_moved(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    move = sqlite_checkpoint._move

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(30)
        move(connection)

    monkeypatch.setattr(sqlite_checkpoint, "_move", slow)
    book = Book()
    for number in range(20):
        await write(store, book, f"call-{number}")
    await asyncio.to_thread(begun.wait, 30)
    await write(store, book, "meanwhile")
    assert await store.read(head) == book.head
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing


async def test_the_log_begins_anew_though_every_move_was_overtaken(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_checkpoint, "_move", lambda _: None)
    book, log = Book(), Path(f"{store._path}-wal")
    await write_and_move(store, book, 30)
    size = log.stat().st_size
    await write_and_move(store, book, 60)
    assert log.stat().st_size < size + 20 * PAGE


async def test_what_reads_have_kept_from_beginning_anew_is_tried_sooner(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def begin_anew(_: sqlite3.Connection) -> bool:
        nonlocal tried
        tried += 1
        return begins

    monkeypatch.setattr(sqlite_checkpoint, "_begin_anew", begin_anew)
    begins, book = True, Book()
    await write_and_move(store, book, 24)
    usual, tried, begins = tried, 0, False
    await write_and_move(store, book, 24)
    assert tried > usual


async def test_a_commit_of_many_rows_counts_for_more(store: SqliteStore) -> None:
    assert store._checkpoints is not None
    book = Book()
    await write(store, book, "small")
    assert store._checkpoints._moving is None
    world = book.world("large")
    world.create("ann", ["ann", *(f"user-{number}" for number in range(200))])
    await store.transact(book.writing(world))
    assert store._checkpoints._moving is not None


async def test_what_moves_the_log_syncs_as_the_writer_does(store: SqliteStore) -> None:
    assert store._checkpoints is not None
    connection = store._checkpoints._connection
    assert await run(connection, lambda connection: connection.execute("PRAGMA synchronous").fetchone()) == (2,)


async def test_a_store_closes_though_memory_ran_out_while_the_log_was_moved(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise MemoryError

    monkeypatch.setattr(sqlite_checkpoint, "_move", fail)
    await write_and_move(store, Book(), 10)
    await store.close()
    await store.open()


async def test_a_disk_that_fails_while_the_log_is_moved_breaks_the_store(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise failing(sqlite3.SQLITE_IOERR_FSYNC)

    monkeypatch.setattr(sqlite_checkpoint, "_move", fail)
    book = Book()
    with pytest.raises(StoreBroken, match="cannot move the log into the database: SQLITE_INJECTED"):
        await write_and_move(store, book, 20)


async def test_a_disk_that_is_full_while_the_log_is_moved_is_tried_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, tried, log = Book(), 0, Path(f"{store._path}-wal")

    def fail(_: sqlite3.Connection) -> None:
        nonlocal tried
        tried += 1
        raise failing(sqlite3.SQLITE_FULL)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_checkpoint, "_move", fail)
        await write_and_move(store, book, 20)
    assert tried > 1
    size = log.stat().st_size
    await write_and_move(store, book, 20)
    assert log.stat().st_size < size + 100 * PAGE
    assert await store.read(head) == book.head


async def test_what_is_read_meanwhile_stays_as_it_was(store: SqliteStore) -> None:
    """A read that goes on holds up the log, and nothing else; afterwards it begins anew."""
    book, log = Book(), Path(f"{store._path}-wal")
    await write(store, book, "first")
    reader = store._readers[0]
    await run(reader, lambda connection: connection.execute("BEGIN"))
    count = "SELECT count(*) FROM calls"
    assert await run(reader, lambda connection: connection.execute(count).fetchone()) == (1,)
    await write_and_move(store, book, 20)
    assert await run(reader, lambda connection: connection.execute(count).fetchone()) == (1,)
    await run(reader, lambda connection: connection.execute("ROLLBACK"))
    size = log.stat().st_size
    await write_and_move(store, book, 60)
    assert log.stat().st_size < size + 60 * PAGE
    assert await store.read(head) == book.head
