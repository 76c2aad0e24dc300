from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringline_server.store.port import (
    CommitFailed,
    CommitUnknown,
    StoreBroken,
    StoreError,
    Transaction,
)
from ringline_server.store.sqlite import SqliteStore
from tests.faults import Fault, FaultyStore
from tests.store.book import Book
from tests.store.suite_fixtures import head


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = FaultyStore(SqliteStore(tmp_path / "ringline.db"))
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("fault", "error", "ran", "committed"),
    [
        (Fault.FAILS_BEFORE_WORK, CommitFailed, False, False),
        (Fault.FAILS_AFTER_WORK, CommitFailed, True, False),
        (Fault.UNKNOWN_COMMITTED, CommitUnknown, True, True),
        (Fault.UNKNOWN_NOT_COMMITTED, CommitUnknown, True, False),
        (Fault.BREAKS, StoreBroken, True, False),
    ],
)
async def test_an_armed_fault_strikes_the_transact_that_it_was_set_for(
    store: FaultyStore, fault: Fault, error: type[StoreError], ran: bool, committed: bool
) -> None:
    book, runs = Book(), 0
    world = book.world("standup")
    world.create("ann")
    write = book.writing(world)

    def work(transaction: Transaction) -> None:
        nonlocal runs
        runs += 1
        write(transaction)

    store.arm(fault, after=1)
    await store.transact(head)
    with pytest.raises(error):
        await store.transact(work)
    assert (runs == 1, await store.read(head) != 0) == (ran, committed)
    assert (store.transacts, store.committed) == (2, 1 + committed)
    if fault is Fault.BREAKS:
        with pytest.raises(StoreBroken):
            await store.transact(head)
    else:
        assert await store.transact(head) == (book.head if committed else 0)


async def test_a_held_transact_waits_before_its_work_or_before_its_answer(store: FaultyStore) -> None:
    before, after = store.hold(), store.hold_answer()
    task = asyncio.create_task(store.transact(head))
    await before.reached.wait()
    assert (store.transacts, store.committed) == (1, 0)
    before.release.set()
    await after.reached.wait()
    assert store.committed == 1
    assert not task.done()
    after.release.set()
    assert await task == 0
    assert await store.transact(head) == 0


async def test_a_held_read_waits(store: FaultyStore) -> None:
    hold = store.hold_read()
    task = asyncio.create_task(store.read(head))
    await hold.reached.wait()
    assert not task.done()
    hold.release.set()
    assert await task == 0
