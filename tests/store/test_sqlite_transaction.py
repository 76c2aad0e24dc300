from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from ringline_server.rules.settings import DAY, SECOND
from ringline_server.store import sqlite_connection
from ringline_server.store.port import (
    CommitFailed,
    CommitUnknown,
    StoreBroken,
    Transaction,
)
from ringline_server.store.sqlite import SqliteStore
from ringline_server.store.sqlite_thread import ThreadConnection, run
from tests.rules.world import START
from tests.store.book import Book, answer_kept, writing
from tests.store.suite_fixtures import head


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


class Sabotaged(ThreadConnection):
    """A connection on which a statement does as the test says, once."""

    statement = ""
    instead: Callable[[sqlite3.Connection], None] | None = None

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        kind = type(self)
        if kind.instead is not None and sql == self.statement:
            instead, kind.instead = kind.instead, None
            instead(self)
        return super().execute(sql, parameters)  # type: ignore[arg-type]


def failing(code: str, first: str = "") -> Callable[[sqlite3.Connection], None]:
    """Return what runs a statement, if any, and then fails with the error of SQLite's."""

    def fail(connection: sqlite3.Connection) -> None:
        if first:
            sqlite3.Connection.execute(connection, first)
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, code), code
        raise error

    return fail


@pytest.fixture
async def sabotaged(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, type[Sabotaged]]]:
    class Connection(Sabotaged):
        pass

    store = SqliteStore(tmp_path / "ringline.db")
    store._factory = Connection
    await store.open()
    yield store, Connection
    await store.close()


async def test_a_full_disk_fails_the_transaction_and_no_other(store: SqliteStore, book: Book) -> None:
    await store.transact(created(book))
    pages = await on_writer(store, "PRAGMA page_count")
    await on_writer(store, f"PRAGMA max_page_count = {pages}")
    world = book.world("large")
    world.create("ann", [f"member {number} {'x' * 100}" for number in range(400)])
    write = book.write(world)
    with pytest.raises(CommitFailed, match="SQLITE_FULL"):
        await store.transact(writing([write]))
    assert await store.transact(lambda t: t.load_calls([("default", "large"), ("default", "standup")]).keys()) == {
        ("default", "standup")
    }
    await on_writer(store, "PRAGMA max_page_count = 1000000")
    await store.transact(writing([write]))
    assert await store.read(head) == book.head


async def test_work_that_goes_on_after_an_error_of_sqlites_is_undone(store: SqliteStore, book: Book) -> None:
    await store.transact(created(book))
    first = created(book, "first")
    pages = await on_writer(store, "PRAGMA page_count")
    world = book.world("large")
    world.create("ann", [f"member {number} {'x' * 100}" for number in range(400)])
    large = book.writing(world)

    def work(transaction: Transaction) -> str:
        first(transaction)
        with pytest.raises(CommitFailed):
            large(transaction)
        for go_on in (transaction.head, lambda: transaction.load_calls([]), lambda: transaction.write([], [])):
            with pytest.raises(CommitFailed):
                go_on()
        return "done"

    await on_writer(store, f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CommitFailed, match="SQLITE_FULL"):
        await store.transact(work)
    assert await store.read(lambda s: s.call(("default", "first"))) is None


@pytest.mark.parametrize(
    ("statement", "code", "first"),
    [
        ("BEGIN IMMEDIATE", "SQLITE_BUSY", ""),
        ("BEGIN IMMEDIATE", "SQLITE_IOERR_READ", ""),
        ("UPDATE meta SET head = ?", "SQLITE_IOERR_WRITE", ""),
        ("COMMIT", "SQLITE_BUSY", ""),
        ("COMMIT", "SQLITE_FULL", "ROLLBACK"),
        ("COMMIT", "SQLITE_CORRUPT", ""),
    ],
)
async def test_an_error_after_which_nothing_is_committed_fails_the_transaction(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book, statement: str, code: str, first: str
) -> None:
    store, connection = sabotaged
    work = created(book)
    connection.statement, connection.instead = statement, failing(code, first)
    with pytest.raises(CommitFailed, match=f"{code}: injected"):
        await store.transact(work)
    assert await store.read(head) == 0
    await store.transact(work)
    assert await store.read(head) == book.head


async def test_running_out_of_memory_fails_the_transaction(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book
) -> None:
    def no_memory(connection: sqlite3.Connection) -> None:
        raise MemoryError

    store, connection = sabotaged
    work = created(book)
    connection.statement, connection.instead = "COMMIT", no_memory
    with pytest.raises(CommitFailed, match="MemoryError"):
        await store.transact(work)
    await store.transact(work)
    assert await store.read(head) == book.head


@pytest.mark.parametrize("first", ["COMMIT", "ROLLBACK"])
async def test_after_a_commit_of_unknown_outcome_the_writer_is_new_and_reads_the_truth(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book, first: str
) -> None:
    store, connection = sabotaged
    writer = store._writer
    work = created(book)
    connection.statement = "COMMIT"
    connection.instead = failing("SQLITE_PROTOCOL", first)
    with pytest.raises(CommitUnknown, match="cannot commit: SQLITE_PROTOCOL: injected"):
        await store.transact(work)
    assert store._writer is not writer
    committed = book.head if first == "COMMIT" else 0
    assert await store.transact(head) == committed
    assert await store.read(head) == committed
    await store.transact(created(book, "another"))
    assert await store.read(head) == book.head
    assert await on_writer(store, "PRAGMA synchronous") == 2


async def test_a_rollback_that_fails_makes_the_outcome_unknown(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book
) -> None:
    def work(transaction: Transaction) -> None:
        created(book)(transaction)
        raise ValueError

    store, connection = sabotaged
    connection.statement = "ROLLBACK"
    connection.instead = failing("SQLITE_IOERR")
    with pytest.raises(CommitUnknown, match="cannot roll back: SQLITE_IOERR"):
        await store.transact(work)
    assert await store.transact(head) == 0


@pytest.mark.parametrize("code", ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_IOERR"])
async def test_an_io_error_in_a_commit_breaks_the_store_for_good(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book, code: str
) -> None:
    store, connection = sabotaged
    connection.statement, connection.instead = "COMMIT", failing(code)
    for _ in range(2):
        with pytest.raises(StoreBroken, match=f"{code}: injected"):
            await store.transact(created(book))


async def test_a_writer_that_cannot_be_opened_again_breaks_the_store(
    sabotaged: tuple[SqliteStore, type[Sabotaged]], book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, connection = sabotaged
    connection.statement = "COMMIT"
    connection.instead = failing("SQLITE_PROTOCOL", "COMMIT")
    monkeypatch.setattr(sqlite_connection, "_OLDEST_SQLITE", (99, 0, 0))
    for _ in range(2):
        with pytest.raises(StoreBroken, match=r"again: .* 99\.0\.0"):
            await store.transact(created(book))


async def test_a_change_of_a_call_that_is_not_there_fails(store: SqliteStore, book: Book) -> None:
    world = book.world("standup")
    world.create("ann")
    book.write(world)
    world.get("ann", notify=True)
    with pytest.raises(CommitFailed, match="1 calls changed and only 0 are there"):
        await store.transact(book.writing(world))


async def test_X3_expired_request_ids_are_removed_when_others_are_looked_for(store: SqliteStore, book: Book) -> None:
    world = book.world("standup")
    world.create("ann")
    kept = [answer_kept(("", "ann", f"r{n}"), world, expires_at=START + (n % 2) * DAY + SECOND) for n in range(300)]
    await store.transact(book.writing(world, remembered=kept))

    async def rows() -> int:
        with closing(sqlite3.connect(f"{store._path.as_uri()}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM requests").fetchone()
            return int(count)

    assert await rows() == 300
    seen = []
    for _ in range(4):
        await store.transact(lambda transaction: transaction.load_remembered([("", "ann", "r1")], START + 2 * SECOND))
        seen.append(await rows())
    assert seen == [236, 172, 150, 150]
