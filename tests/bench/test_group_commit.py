from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.floors.group_commit import GroupCommit


def bodies(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [body for (body,) in connection.execute("SELECT body FROM rows ORDER BY rowid")]


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[GroupCommit]:
    with closing(GroupCommit(tmp_path / "rows.db")) as disk:
        yield disk


async def test_what_is_durable_is_in_the_file_in_the_order_it_came(disk: GroupCommit, tmp_path: Path) -> None:
    await disk.write(b"first")
    assert bodies(tmp_path / "rows.db") == [b"first"]
    await asyncio.gather(*(disk.write(b"%d" % number) for number in range(100)))
    assert bodies(tmp_path / "rows.db")[1:] == [b"%d" % number for number in range(100)]


async def test_whoever_comes_while_one_is_written_is_written_next(disk: GroupCommit, tmp_path: Path) -> None:

    async def twice(number: int) -> None:
        await disk.write(b"%d" % number)
        await disk.write(b"%d again" % number)

    await asyncio.gather(*(twice(number) for number in range(20)))
    assert len(bodies(tmp_path / "rows.db")) == 40


async def test_who_has_left_holds_nobody_up(disk: GroupCommit, tmp_path: Path) -> None:
    left = disk.write(b"left")
    left.cancel()
    await disk.write(b"stayed")
    assert bodies(tmp_path / "rows.db") == [b"left", b"stayed"]
