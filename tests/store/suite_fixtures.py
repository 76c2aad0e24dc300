"""What the parts of the suite share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from ringline_server.rules.settings import DAY
from ringline_server.store.port import Placed, Snapshot, Step, Store, Transaction
from tests.rules.world import START, World
from tests.store.book import Book


class OfTheWork(Exception):
    """What the work of a test raises."""


class SuiteFixtures:
    """A store that is open, and the order of what is written to it."""

    @pytest.fixture
    def make(self) -> Callable[[], Store]:
        raise NotImplementedError

    @pytest.fixture
    async def store(self, make: Callable[[], Store]) -> AsyncIterator[Store]:
        store = make()
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def book(self) -> Book:
        return Book()


def head(view: Transaction | Snapshot) -> int:
    return view.head()


def uids(placed: list[Placed]) -> list[str]:
    return [one.call.uid for one in placed]


def placed(step: Step) -> Placed:
    return Placed(step.position, step.call)


async def write_mixed_calls(store: Store, book: Book) -> list[World]:
    """Write calls of every sort: two a second, so that there are ties, and some with a start."""
    odd = 'o\'dd "user"'
    worlds = []
    for number in range(14):
        world = book.world(f"call {number}", "audio_room" if number % 5 == 3 else "default", after=number // 2)
        members = {"ann", ["bob", "cid", odd][number // 2 % 3]} | ({"dee", "bob"} if number % 4 == 0 else set())
        world.create(
            ("ann", "bob")[number % 4 // 2], sorted(members | {("ann", "bob")[number % 4 // 2]}), ring=number % 7 != 6
        )
        if number % 3 == 0:
            world.maybe = replace(world.call, starts_at=START + (20 - number // 2) * DAY)
            world.latest = replace(world.decision, call=world.call)
        worlds.append(world)
    await store.transact(book.writing(*worlds))
    for number, world in enumerate(worlds):
        who = world.call.created_by_id
        if number % 7 == 6:
            world.join("bob")
        elif number % 6 == 1:
            world.cancel(who)
        elif number % 6 == 2:
            world.join(min(world.ringing), "phone")
        elif number % 6 == 4:
            world.remove(who, min(world.ringing))
        elif number % 6 == 5:
            world.advance(40)
        else:
            continue
        await store.transact(book.writing(world))
    for number in (9, 0):
        worlds[number].get(worlds[number].call.created_by_id, notify=True)
        await store.transact(book.writing(worlds[number]))
    return worlds
