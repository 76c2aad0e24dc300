"""Stories at random, in batches at random: what a store then shows is what the rules say, found the slow way."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TypeVar

import pytest

from ringline_server.engine.writes import write_of
from ringline_server.rules.call import Call
from ringline_server.rules.commands import (
    Cancel,
    Command,
    End,
    GetOrCreate,
    Join,
    Leave,
    Reject,
    RingMembers,
    Tick,
    Update,
    UpdateMembers,
)
from ringline_server.rules.context import CLOCK
from ringline_server.rules.outcome import Decision
from ringline_server.rules.settings import SECOND
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.viewer import Relation, relation
from ringline_server.store import codec_large, sqlite_checkpoint
from ringline_server.store.port import ListQuery, Order, Transaction, Write
from ringline_server.store.sqlite import SqliteStore
from tests.rules.world import START, World, inputs
from tests.store.book import writing
from tests.store.suite_lists import expected_list, pages

T = TypeVar("T")

USERS = tuple(f"u{number}" for number in range(9))
TYPES = ("default", "audio_room", "livestream")

STORIES = [
    *(pytest.param(seed, id=f"quick-{seed}") for seed in range(6)),
    *(pytest.param(seed, id=f"proven-{seed}", marks=[pytest.mark.prove]) for seed in range(6, 100)),
]


class Failed(Exception):
    """Why a transaction is undone."""


@pytest.mark.parametrize("seed", STORIES)
async def test_a_store_shows_what_the_rules_say_whatever_happens(store: SqliteStore, seed: int) -> None:
    chance = random.Random(seed)
    with sizes(chance):
        story = Story(chance, store)
        for _ in range(chance.randint(20, 40)):
            await story.go_on()
            if chance.random() < 0.4:
                story.check_rows()
                await story.check_queries()


@contextmanager
def sizes(chance: random.Random) -> Iterator[None]:
    """Make calls of a few large, pieces small, and the log often moved."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_large, "FEW", chance.choice([0, 1, 3, 5]))
        patch.setattr(codec_large, "PIECE", chance.choice([1, 2, 4]))
        patch.setattr(sqlite_checkpoint, "PAGES", chance.choice([20, 60, 200]))
        yield


class Story:
    """Some calls, all that was written of them, and what follows from it."""

    def __init__(self, chance: random.Random, store: SqliteStore) -> None:
        self.chance = chance
        self.store = store
        self.worlds: list[World] = []
        self.made = 0
        self.head = 0
        self.now = START
        self.calls: dict[str, Call] = {}
        self.relations: dict[tuple[str, str], tuple[Relation, int]] = {}
        """By user and call: what it is to them, and since which position."""

    async def go_on(self) -> None:
        """Have some commands decided and written as one batch, which may have to be written twice."""
        batch = [write for _ in range(self.chance.choice([1, 1, 2, 4, 8, 14])) for write in self._step()]
        if self.chance.random() < 0.2:

            def fail(transaction: Transaction) -> None:
                writing(batch)(transaction)
                raise Failed

            with pytest.raises(Failed):
                await self.store.transact(fail)
        if batch:
            await self.store.transact(writing(batch))
        for write in batch:
            call = write.step.call
            self.calls[call.uid] = call
            for user, now in write.relations:
                self.relations[user, call.uid] = now, write.step.position
        if self.chance.random() < 0.1:
            await self.store.close()
            await self.store.open()
        for world in [world for world in self.worlds if world.maybe is not None]:
            key = (world.type.name, world.id)
            stored = (await self.store.transact(lambda t, key=key: t.load_calls([key])))[key]  # type: ignore[misc]
            assert repr(stored) == repr(world.call)
            if self.chance.random() < 0.3:
                # As after it was evicted: none of its parts is the same object as before.
                world.maybe = stored

    def _step(self) -> Iterator[Write]:
        chance = self.chance
        if len(self.worlds) < 6 and (not self.worlds or chance.random() < 0.15):
            world = World(chance.choice(TYPES))
            self.made += 1
            world.id = f"call-{self.made}"
            world._uids = 10 * self.made
            self.worlds.append(world)
        world = chance.choice(self.worlds)
        self.now += chance.choice([0, 0, SECOND, 31 * SECOND])
        world.now = self.now
        before, command = world.maybe, self._command(world)
        actor = CLOCK if isinstance(command, Tick) else world.actor(self._actor(world), chance.choice(["", "phone"]))
        outcome = world.decide(command, actor)
        if isinstance(outcome, Decision) and outcome.events:
            world.run(command, actor)
            write = write_of(before, world.decision, self.head, world.type.settings)
            self.head = write.step.position
            yield write
        elif before is None:
            self.worlds.remove(world)

    def _actor(self, world: World) -> str:
        """Return somebody who may well do it."""
        call = world.maybe
        if call is None or self.chance.random() < 0.2:
            return USERS[0] if call is None else self.chance.choice(USERS)
        return self.chance.choice([call.created_by_id, *call.members, *sorted(call.users_in)])

    def _command(self, world: World) -> Command:
        chance = self.chance
        some, others = tuple(chance.sample(USERS, 3)), tuple(chance.sample(USERS, chance.randint(1, 5)))
        if world.maybe is None:
            return GetOrCreate(inputs(dict.fromkeys((USERS[0], *others))), ring=chance.random() < 0.7)
        removed = tuple(user for user in others if user not in some)
        return chance.choice(
            [
                RingMembers(()),
                RingMembers(some),
                Join(),
                Join(),
                Reject("", "busy"),
                Cancel(""),
                Leave(),
                Leave(),
                UpdateMembers(inputs(some), removed, ring=chance.random() < 0.4),
                UpdateMembers((), removed),
                Tick(),
                Update(frozenset({"starts_at"}), starts_at=chance.choice([None, START + chance.randrange(3) * SECOND])),
                End() if chance.random() < 0.1 else Tick(),
            ]
        )

    def check_rows(self) -> None:
        """Nothing is left in one of the users' tables, or among the pieces, that is not so any more."""
        with closing(sqlite3.connect(self.store._path)) as database:
            columns = "user_id, uid, calling_state, direction, last_ring, missed, listed, member, changed_at"
            rows = [
                (*row, bool(ended))
                for ended, table in enumerate(("call_users", "past_call_users"))
                for row in database.execute(f"SELECT {columns} FROM {table}")
            ]
            pieces = {uid for (uid,) in database.execute("SELECT DISTINCT uid FROM call_pieces")}
        assert sorted(rows, key=repr) == sorted(
            (
                (user, uid, of.calling_state, of.direction, of.last_ring, of.missed, of.listed, of.member, at, of.ended)
                for (user, uid), (of, at) in self.relations.items()
            ),
            key=repr,
        )
        assert pieces == {uid for uid, call in self.calls.items() if codec_large.is_large(call)}

    async def check_queries(self) -> None:
        """Lists, resumes and snapshots show what the calls say."""
        chance, user = self.chance, self.chance.choice(USERS)
        query = ListQuery(
            chance.choice([None, user]),
            directions=self._some(Direction),
            calling_states=self._some(CallingState),
            call_states=self._some(CallState),
            types=self._some(TYPES),
            member_user_id=chance.choice(["", *USERS[:3]]),
            order=chance.choice(list(Order)),
            limit=chance.choice([1, 2, 50]),
        )
        assert await pages(self.store, query) == expected_list(self.calls.values(), query)
        after = chance.randint(0, self.head)
        changed = {uid for (who, uid), (_, at) in self.relations.items() if who == user and at > after}
        own, others = await self.store.read(
            lambda snapshot: snapshot.user_changes(user, [CallingState.RINGING], after, 99)
        )
        assert {placed.call.uid for placed in own} == changed
        changed_calls = await self.store.read(lambda snapshot: snapshot.changed_calls(after, 99))
        assert {placed.call.uid for placed in others} == {
            placed.call.uid
            for placed in changed_calls
            if placed.call.uid not in changed
            and not placed.call.ended
            and relation(replace(placed.call), user).calling_state is CallingState.RINGING
        }
        found = await self.store.read(lambda snapshot: snapshot.user_calls(user, [CallingState.RINGING], 99))
        assert {placed.call.uid for placed in found} == {
            call.uid
            for call in self.calls.values()
            if not call.ended and relation(replace(call), user).calling_state is CallingState.RINGING
        }

    def _some(self, of: Iterable[T]) -> frozenset[T]:
        return frozenset(one for one in of if self.chance.random() < 0.4) if self.chance.random() < 0.3 else frozenset()
