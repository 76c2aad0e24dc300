"""Calls and events as streams ask for them."""

from __future__ import annotations

from ringline_server.rules.terms import CallingState, CallState
from ringline_server.store.port import (
    Placed,
    Store,
)
from tests.store.book import Book
from tests.store.suite_fixtures import SuiteFixtures, placed, uids, write_mixed_calls


class QuerySuite(SuiteFixtures):
    """Present calls, changes and events come in order and in pages."""

    # A user's calls.

    async def test_W9_a_users_present_calls_come_by_state_newest_change_first(self, store: Store, book: Book) -> None:
        ringing, joined, ended, idle, others = (book.world(name) for name in ("r", "j", "e", "i", "o"))
        ringing.create("ann", ["ann", "bob"], ring=True)
        joined.create("ann", ["ann", "bob"])
        ended.create("ann", ["ann", "bob"], ring=True)
        idle.create("ann", ["ann", "bob"])
        others.create("ann", ["ann", "cid"], ring=True)
        await store.transact(book.writing(ringing, joined, ended, idle, others))
        joined.join("bob")
        await store.transact(book.writing(joined))
        ended.cancel("ann")
        await store.transact(book.writing(ended))
        assert ended.call.ended
        ringing.get("ann", notify=True)
        await store.transact(book.writing(ringing))

        async def found(*states: CallingState, limit: int = 10) -> list[Placed]:
            return await store.read(lambda s: s.user_calls("bob", states, limit))

        present = {one: placed(book.present[one.call.uid]) for one in (ringing, joined, idle)}
        assert await found(CallingState.RINGING) == [present[ringing]]
        assert await found(CallingState.JOINED) == [present[joined]]
        assert await found(CallingState.IDLE) == [present[idle]]
        assert await found(*tuple(CallingState)) == [present[ringing], present[joined], present[idle]]
        assert await found(*tuple(CallingState), limit=2) == [present[ringing], present[joined]]
        assert await found() == []

    async def test_W4_a_users_changes_are_those_of_their_rows_and_of_calls(self, store: Store, book: Book) -> None:
        worlds = [book.world(f"call {number}") for number in range(5)]
        for world in worlds:
            world.create("ann", ["ann", "bob", "cid"], ring=True)
            await store.transact(book.writing(world))
        since = book.head
        for world in (worlds[3], worlds[1]):
            world.reject("bob")
            await store.transact(book.writing(world))
        worlds[2].join("cid")
        await store.transact(book.writing(worlds[2]))
        worlds[3].get("ann", notify=True)
        await store.transact(book.writing(worlds[3]))

        async def found(user: str, *states: CallingState, after: int = since, limit: int = 10) -> list[list[str]]:
            changes = await store.read(lambda s: s.user_changes(user, states, after, limit))
            for one in (*changes[0], *changes[1]):
                assert one == placed(book.present[one.call.uid])
            return [sorted(uids(calls)) for calls in changes]

        def of(*numbers: int) -> list[str]:
            return sorted(worlds[number].call.uid for number in numbers)

        assert await found("bob") == [of(1, 3), []]
        assert await found("bob", CallingState.RINGING) == [of(1, 3), of(2)]
        assert await found("bob", CallingState.JOINED) == [of(1, 3), []]
        assert await found("bob", *CallingState) == [of(1, 3), of(2)]
        assert await found("cid", CallingState.RINGING) == [of(2), of(1, 3)]
        assert sum(map(len, await found("cid", CallingState.RINGING, limit=2))) == 2
        assert await found("bob", *CallingState, after=0) == [of(0, 1, 2, 3, 4), []]
        assert await found("bob", *CallingState, after=book.head) == [[], []]

    async def test_W4_a_call_that_has_ended_is_among_a_users_changes(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        await store.transact(book.writing(world))
        since = book.head
        world.end("ann")
        await store.transact(book.writing(world))
        (found,), others = await store.read(lambda s: s.user_changes("bob", tuple(CallingState), since, 10))
        assert others == []
        assert found == Placed(book.head, world.call)

    # Everybody's calls.

    async def test_W9_calls_in_states_are_paged_from_the_newest_change(self, store: Store, book: Book) -> None:
        worlds = await write_mixed_calls(store, book)
        for states in ([CallState.RINGING], [CallState.IDLE, CallState.ACTIVE], list(CallState), [CallState.ENDED], []):
            expected = sorted(
                (step.position for step in book.present.values() if step.call.state in states), reverse=True
            )
            pages: list[int] = []
            before: int | None = None
            while page := await store.read(lambda s, b=before, st=states: s.calls_in_states(st, b, 3)):  # type: ignore[misc]
                assert len(page) <= 3
                assert all(book.present[one.call.uid].call == one.call for one in page)
                pages += [one.position for one in page]
                before = page[-1].position
            assert pages == expected
        assert len(worlds) == len(book.present)

    async def test_changed_calls_come_once_each_from_the_oldest_change(self, store: Store, book: Book) -> None:
        await write_mixed_calls(store, book)
        positions = sorted(step.position for step in book.present.values())
        for after in (0, positions[0], positions[3], book.head - 1, book.head):
            expected = [position for position in positions if position > after]
            found = await store.read(lambda s, a=after: s.changed_calls(a, 5))  # type: ignore[misc]
            assert [one.position for one in found] == expected[:5]
            assert all(book.present[one.call.uid].call == one.call for one in found)

    async def test_T6_calls_in_which_somebody_is_are_found(self, store: Store, book: Book) -> None:
        await write_mixed_calls(store, book)
        expected = {(s.call.type, s.call.id) for s in book.present.values() if s.call.participants}
        assert expected
        assert set(await store.read(lambda s: list(s.participant_calls()))) == expected

    # Events.

    async def test_W10_events_come_in_order_without_a_gap(self, store: Store, book: Book) -> None:
        await write_mixed_calls(store, book)
        every = [event for step in book.steps for event in step.events]
        seen = []
        after = 0
        while page := await store.read(lambda s, a=after: s.events(a, 7)):  # type: ignore[misc]
            assert len(page) <= 7
            seen += page
            after = page[-1][0]
        assert seen == list(enumerate(every, start=1))
        assert await store.read(lambda s: s.oldest()) == (1, every[0].time)

    async def test_events_of_one_call_come_by_their_number(self, store: Store, book: Book) -> None:
        worlds = await write_mixed_calls(store, book)
        for world in worlds:
            found = await store.read(lambda s, u=world.call.uid: s.call_events(u, 0, 100))  # type: ignore[misc]
            assert found == world.history
            found = await store.read(lambda s, u=world.call.uid: s.call_events(u, 1, 1))  # type: ignore[misc]
            assert found == world.history[1:2]
