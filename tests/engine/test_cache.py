from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Collection, Iterable, Mapping

import pytest

from ringline_server.engine.cache import HotCalls
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, Get, Join, Leave, Reject, RingMembers
from ringline_server.store.port import CallKey
from ringline_server.store.sqlite_transaction import SqliteTransaction
from tests.engine.stage import STANDUP, Stage, create, said
from tests.faults import Fault


def call(id: str) -> Call:
    return Call("default", id, f"uid-{id}", "ann", 0, 0)


def cached(*ids: str, size: int) -> HotCalls:
    cache = HotCalls(size)
    for id in ids:
        cache.update({("default", id): call(id)})
    return cache


def test_the_calls_that_were_not_used_for_longest_are_dropped() -> None:
    cache = cached("a", "b", size=2)
    cache.find([("default", "a")])
    cache.update({("default", "c"): call("c")})
    assert cache.find([("default", id) for id in "abc"]).keys() == {("default", "a"), ("default", "c")}
    assert len(cache) == 2


def test_a_call_that_has_ended_is_dropped() -> None:
    cache = cached("a", "b", size=2)
    ended = call("a")
    ended.ended = True
    cache.update({("default", "a"): ended, ("default", "c"): call("c")})
    assert cache.find([("default", id) for id in "abc"]).keys() == {("default", "b"), ("default", "c")}


async def test_a_call_that_was_just_used_is_not_loaded_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[Collection[CallKey]] = []
    load_well = SqliteTransaction.load_calls

    def load(self: SqliteTransaction, keys: Collection[CallKey]) -> dict[CallKey, Call]:
        loads.append(keys)
        return load_well(self, keys)

    monkeypatch.setattr(SqliteTransaction, "load_calls", load)
    await stage.submit(said("ann", create("ann", "bob")))
    await stage.submit(said("ann", RingMembers()))
    await stage.together(said("bob", Reject()), said("ann", create("ann"), ("default", "other")))
    assert [set(keys) for keys in loads] == [{STANDUP}, {("default", "other")}]


async def test_a_call_that_is_not_in_the_cache_is_loaded(stage: Stage) -> None:
    made = await stage.submit(said("ann", create("ann", "bob")))
    stage.engine._cache.clear()
    assert (await stage.submit(said("ann", Get()))).call == made.call


@pytest.mark.parametrize("fault", list(Fault)[:-1])
async def test_a_batch_that_was_not_surely_committed_leaves_nothing_in_the_cache(stage: Stage, fault: Fault) -> None:
    await stage.submit(said("ann", create("ann", "bob")))
    stage.store.arm(fault)
    await stage.together(said("ann", RingMembers()))
    assert len(stage.engine._cache) == 0


class Watched(HotCalls):
    """A cache that checks who touches it, and when."""

    def __init__(self) -> None:
        super().__init__(size=8)
        self.loop_thread = threading.get_ident()
        self.batch_runs = False
        self.touched: set[str] = set()

    def find(self, keys: Iterable[CallKey]) -> dict[CallKey, Call]:
        assert self.batch_runs
        assert threading.get_ident() != self.loop_thread
        self.touched.add("find")
        return super().find(keys)

    def update(self, calls: Mapping[CallKey, Call]) -> None:
        assert not self.batch_runs
        assert threading.get_ident() == self.loop_thread
        self.touched.add("update")
        super().update(calls)

    def clear(self) -> None:
        assert not self.batch_runs
        assert threading.get_ident() == self.loop_thread
        self.touched.add("clear")
        super().clear()


async def test_the_cache_is_touched_only_by_the_batch_that_runs_or_while_none_does(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Watched()
    monkeypatch.setattr(stage.engine, "_cache", cache)
    monkeypatch.setattr(stage.engine._decider, "_cache", cache)
    transact_well = stage.store.store.transact

    async def transact(work: object) -> object:
        assert not cache.batch_runs
        cache.batch_runs = True
        try:
            return await transact_well(work)  # type: ignore[arg-type]
        finally:
            cache.batch_runs = False

    monkeypatch.setattr(stage.store.store, "transact", transact)
    rng = random.Random(7)
    choices: list[Command] = [create("ann", "bob", ring=True), RingMembers(), Join(), Reject(), Leave(), Get()]
    for turn in range(60):
        if turn % 20 == 10:
            stage.store.arm(rng.choice(list(Fault)[:-1]))
        pending = asyncio.gather(
            *(
                stage.submit(said(rng.choice(["ann", "bob"]), rng.choice(choices), ("default", str(rng.randrange(20)))))
                for _ in range(rng.randrange(1, 30))
            ),
            return_exceptions=True,
        )
        await stage.clock.advance(rng.choice([0, 1, 15, 40]))
        await pending
    assert not stage.engine.broken.is_set()
    assert cache.touched == {"find", "update", "clear"}
