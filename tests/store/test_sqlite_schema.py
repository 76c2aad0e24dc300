from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringline_server.store.port import StoreError, StoreTooNew
from ringline_server.store.sqlite import SqliteStore
from ringline_server.store.sqlite_schema import MIGRATIONS, Migration, bring_up_to_date

BROKEN = Migration("9.9.9", 1, ("CREATE TABLE later (one INTEGER) STRICT", "CREATE nonsense"))
HARMLESS = Migration("9.9.9", 1, ("ALTER TABLE calls ADD COLUMN later INTEGER",))
BREAKING = Migration("10.0.0", len(MIGRATIONS) + 1, ("DROP TABLE timers",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ringline.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall())


def meta(connection: sqlite3.Connection) -> tuple[int, int, str]:
    row: tuple[int, int, str] = connection.execute("SELECT schema, compatible, needs FROM meta").fetchone()
    return row


def test_every_table_is_strict(connection: sqlite3.Connection) -> None:
    bring_up_to_date(connection)
    strict = {row[1]: row[5] for row in connection.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")}
    assert set(strict) == {
        "meta",
        "calls",
        "call_pieces",
        "call_users",
        "past_call_users",
        "events",
        "requests",
        "timers",
    }
    assert set(strict.values()) == {1}
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        connection.execute("INSERT INTO timers (type, id, due) VALUES ('default', 'standup', 'soon')")


def test_every_table_and_column_is_explained_to_an_operator(connection: sqlite3.Connection) -> None:
    bring_up_to_date(connection)
    for name, sql in tables(connection).items():
        first, *lines = sql.splitlines()[1:-1]
        assert first.strip().startswith("-- "), name
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        for column in columns:
            (line,) = [line for line in lines if re.match(rf"\s+{column} ", line)]
            assert " -- " in line, line


def test_opening_again_changes_nothing(connection: sqlite3.Connection) -> None:
    epoch = bring_up_to_date(connection)
    version = connection.execute("PRAGMA schema_version").fetchone()
    assert bring_up_to_date(connection) == epoch
    assert connection.execute("PRAGMA schema_version").fetchone() == version
    assert meta(connection) == (len(MIGRATIONS), MIGRATIONS[-1].compatible, MIGRATIONS[0].release)


def test_an_older_file_is_migrated_and_keeps_its_epoch(connection: sqlite3.Connection) -> None:
    epoch = bring_up_to_date(connection)
    assert bring_up_to_date(connection, (*MIGRATIONS, HARMLESS)) == epoch
    assert meta(connection) == (len(MIGRATIONS) + 1, 1, MIGRATIONS[0].release)
    connection.execute("SELECT later FROM calls")
    assert bring_up_to_date(connection, (*MIGRATIONS, HARMLESS)) == epoch


def test_a_migration_that_fails_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    bring_up_to_date(connection)
    before = tables(connection)
    with pytest.raises(sqlite3.OperationalError):
        bring_up_to_date(connection, (*MIGRATIONS, BROKEN))
    assert not connection.in_transaction
    assert tables(connection) == before
    assert meta(connection)[0] == len(MIGRATIONS)


async def test_an_older_server_is_refused_and_told_what_to_do(path: Path, connection: sqlite3.Connection) -> None:
    bring_up_to_date(connection, (*MIGRATIONS, BREAKING))
    number = len(MIGRATIONS) + 1
    store = SqliteStore(path)
    for _ in range(2):
        with pytest.raises(StoreTooNew) as caught:
            await store.open()
        assert str(caught.value) == (
            f"cannot open {path}: it was written with schema {number}, which needs ringline-server 10.0.0 or newer "
            f"(schema {number}); this one knows schemas up to {number - 1}. Start the newer server again, or restore "
            "a backup that was made before it first ran."
        )
    assert "timers" not in tables(connection)


async def test_an_older_server_may_use_a_newer_file_that_is_compatible(
    path: Path, connection: sqlite3.Connection
) -> None:
    epoch = bring_up_to_date(connection, (*MIGRATIONS, HARMLESS))
    store = SqliteStore(path)
    await store.open()
    assert store.epoch == epoch
    await store.close()
    assert meta(connection)[0] == len(MIGRATIONS) + 1


async def test_the_database_of_another_program_is_left_alone(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE theirs (one INTEGER)")
    with pytest.raises(StoreError, match="it is a database of another program; give the path of a new file"):
        await SqliteStore(path).open()
    assert set(tables(connection)) == {"theirs"}


async def test_a_file_that_was_only_begun_is_finished(path: Path) -> None:
    path.touch()
    store = SqliteStore(path)
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert meta(connection)[0] == len(MIGRATIONS)
