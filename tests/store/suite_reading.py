"""Reads beside transactions, and a store's life."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from ringline_server.rules.settings import DAY
from ringline_server.store.port import (
    Placed,
    Snapshot,
    Store,
    StoreError,
    Transaction,
)
from tests.rules.world import START
from tests.store.book import Book, answer_kept, writing
from tests.store.suite_fixtures import OfTheWork, SuiteFixtures, head, placed, write_mixed_calls


class ReadingSuite(SuiteFixtures):
    """Every read is consistent, and what was committed stays."""

    # Reading.

    async def test_reading_raises_what_its_work_raises_and_goes_on(self, store: Store) -> None:
        def failing(snapshot: Snapshot) -> None:
            snapshot.head()
            raise OfTheWork

        for _ in range(5):
            with pytest.raises(OfTheWork):
                await store.read(failing)
        assert await store.read(head) == 0

    async def test_reading_that_began_before_a_commit_does_not_see_it(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann")
        reading, committed = threading.Event(), threading.Event()

        def work(snapshot: Snapshot) -> tuple[int, int, Placed | None]:
            before = snapshot.head()
            reading.set()
            assert committed.wait(30)
            return before, snapshot.head(), snapshot.call(("default", "standup"))

        read = asyncio.create_task(store.read(work))
        await asyncio.to_thread(reading.wait, 30)
        await store.transact(book.writing(world))
        committed.set()
        assert await read == (0, 0, None)
        assert await store.read(head) == book.head

    async def test_reading_sees_every_commit_before_it(self, store: Store, book: Book) -> None:
        for number in range(20):
            world = book.world(f"call {number}")
            world.create("ann")
            await store.transact(book.writing(world))
            heads = await asyncio.gather(*(store.read(head) for _ in range(4)))
            assert heads == [book.head] * 4

    async def test_reading_whose_caller_is_cancelled_leaves_the_others_alone(self, store: Store) -> None:
        go_on = threading.Event()
        tasks = [asyncio.create_task(store.read(lambda _: go_on.wait(30))) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        go_on.set()
        assert await asyncio.gather(*(store.read(head) for _ in range(6))) == [0] * 6

    # Over its life.

    async def test_everything_is_there_when_it_is_opened_again(self, make: Callable[[], Store], book: Book) -> None:
        store = make()
        await store.open()
        worlds = await write_mixed_calls(store, book)
        kept = answer_kept(("", "ann", "r1"), worlds[0], expires_at=START + DAY)
        await store.transact(writing([], [kept]))
        epoch = store.epoch
        timers = await store.read(lambda s: sorted(timer.call for timer in s.timers()))
        await store.close()

        again = make()
        await again.open()
        assert again.epoch == epoch
        assert await again.transact(head) == book.head
        assert await again.transact(lambda t: t.load_remembered([kept.key], START)) == {kept.key: kept}
        found = await again.read(lambda s: s.changed_calls(0, 100))
        assert {one.call.uid: one for one in found} == {uid: placed(step) for uid, step in book.present.items()}
        assert len(await again.read(lambda s: s.events(0, 1000))) == book.head
        assert timers == await again.read(lambda s: sorted(timer.call for timer in s.timers()))
        worlds[0].get("ann", notify=True)
        await again.transact(book.writing(worlds[0]))
        await again.close()

    async def test_a_store_that_is_closed_says_so(self, make: Callable[[], Store]) -> None:
        store = make()
        await store.open()
        await store.close()
        with pytest.raises(StoreError, match="not open"):
            await store.transact(head)
        with pytest.raises(StoreError, match="not open"):
            await store.read(head)

    async def test_closing_waits_for_what_is_under_way(self, make: Callable[[], Store], book: Book) -> None:
        store = make()
        await store.open()
        world = book.world("standup")
        world.create("ann")
        write, begun, go_on = book.write(world), threading.Semaphore(0), threading.Event()

        def slow(transaction: Transaction) -> None:
            begun.release()
            assert go_on.wait(30)
            transaction.write([write], [])

        def slow_read(snapshot: Snapshot) -> int:
            begun.release()
            assert go_on.wait(30)
            return snapshot.head()

        running = asyncio.create_task(store.transact(slow))
        reading = asyncio.create_task(store.read(slow_read))
        for _ in range(2):
            await asyncio.to_thread(begun.acquire)
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await asyncio.gather(running, closing)
        assert await reading in (0, write.step.position)
        await store.open()
        assert await store.read(head) == book.head
        await store.close()
