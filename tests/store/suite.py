"""What every engine of the store has to do: subclass ``StoreSuite`` and say how one is made."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from ringline_server.rules.call import Call
from ringline_server.rules.outcome import Answer
from ringline_server.rules.settings import DAY, SECOND
from ringline_server.rules.terms import CallingState, CallState, Direction
from ringline_server.rules.viewer import relation
from ringline_server.store.port import (
    CallKey,
    ListQuery,
    Order,
    Placed,
    Snapshot,
    Step,
    Store,
    StoreError,
    Timer,
    Transaction,
)
from tests.rules.world import START, World
from tests.store.book import Book, answer_kept, writing

EVERY_CALLING_STATE = tuple(CallingState)


class _OfTheWork(Exception):
    pass


def uids(placed: list[Placed]) -> list[str]:
    return [one.call.uid for one in placed]


def head(view: Transaction | Snapshot) -> int:
    return view.head()


def placed(step: Step) -> Placed:
    return Placed(step.position, step.call)


class StoreSuite:
    """The suite. ``make`` has to return a new store on the same storage each time it is called in one test."""

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

    # Nothing, and one call.

    async def test_a_new_store_is_empty(self, store: Store) -> None:
        assert await store.transact(head) == 0

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == 0
            assert snapshot.oldest() is None
            assert snapshot.call(("default", "standup")) is None
            assert snapshot.calls([("default", "standup")]) == []
            assert snapshot.user_calls("ann", EVERY_CALLING_STATE, 10) == []
            assert snapshot.user_changes("ann", 0, 10) == []
            assert snapshot.calls_in_states(list(CallState), None, 10) == []
            assert snapshot.changed_calls(0, 10) == []
            assert snapshot.list_calls(ListQuery(None)) == []
            assert snapshot.call_events("uid", 0, 10) == []
            assert snapshot.events(0, 10) == []
            assert list(snapshot.timers()) == []
            assert list(snapshot.participant_calls()) == []

        await store.read(work)

    async def test_a_call_is_read_back_as_it_was_written(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        await store.transact(book.writing(world))
        world.join("bob", "phone")
        await store.transact(book.writing(world))
        key = ("default", "standup")
        assert await store.transact(lambda t: t.load_calls([key, ("default", "other")])) == {key: world.call}

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == book.head
            assert snapshot.call(key) == Placed(book.head, world.call)
            assert snapshot.calls([key, ("default", "other"), ("other", "standup")]) == [Placed(book.head, world.call)]

        await store.read(work)

    async def test_any_text_is_kept_as_it_is(self, store: Store, book: Book) -> None:
        world = book.world('it\'s "so" 😀\\ é%_')
        world.create("ann 'é", ["ann 'é", "Ann 'é", "名前"], ring=True)
        await store.transact(book.writing(world))
        found = await store.read(lambda s: s.call(("default", world.id)))
        assert found == Placed(book.head, world.call)
        for user in world.call.members:
            assert await store.read(lambda s, user=user: len(s.user_calls(user, EVERY_CALLING_STATE, 9))) == 1  # type: ignore[misc]
        assert await store.read(lambda s: s.user_calls("ANN 'É", EVERY_CALLING_STATE, 9)) == []

    async def test_one_id_may_be_used_by_calls_of_two_types(self, store: Store, book: Book) -> None:
        first, second = book.world("standup"), book.world("standup", "audio_room")
        first.create("ann")
        second.create("bob")
        await store.transact(book.writing(first, second))
        found = await store.read(lambda s: s.calls([("default", "standup"), ("audio_room", "standup")]))
        assert sorted(uids(found)) == sorted([first.call.uid, second.call.uid])

    # Transactions.

    async def test_transact_returns_what_its_work_returns(self, store: Store) -> None:
        assert await store.transact(lambda transaction: (transaction.head(), "done")) == (0, "done")

    async def test_work_that_raises_writes_nothing_and_its_exception_passes(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        write = book.write(world)
        kept = answer_kept(("", "ann", "r1"), world, expires_at=START + DAY)
        raised = _OfTheWork()

        def failing(transaction: Transaction) -> None:
            transaction.write([write], [kept])
            assert transaction.head() == write.step.position
            raise raised

        with pytest.raises(_OfTheWork) as caught:
            await store.transact(failing)
        assert caught.value is raised
        assert await store.transact(lambda t: (t.head(), t.load_remembered([kept.key], START))) == (0, {})

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == 0
            assert snapshot.changed_calls(0, 10) == []
            assert snapshot.user_changes("bob", 0, 10) == []
            assert snapshot.events(0, 10) == []
            assert list(snapshot.timers()) == []

        await store.read(work)
        await store.transact(writing([write], [kept]))
        assert await store.read(head) == write.step.position

    async def test_a_transaction_reads_what_it_has_written(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann")
        write = book.write(world)

        def work(transaction: Transaction) -> dict[CallKey, Call]:
            transaction.write([write], [])
            return transaction.load_calls([("default", "standup")])

        assert await store.transact(work) == {("default", "standup"): world.call}

    async def test_a_later_step_of_a_call_replaces_the_earlier_one_in_its_batch(self, store: Store, book: Book) -> None:
        world, other = book.world("standup"), book.world("other")
        world.create("ann", ["ann", "bob"], ring=True)
        writes = [book.write(world)]
        other.create("cid")
        writes.append(book.write(other))
        world.join("bob")
        writes.append(book.write(world))
        await store.transact(writing(writes))
        world.leave("bob")
        writes = [book.write(world)]
        world.ring("ann", "bob") if world.state == "IDLE" else None
        await store.transact(writing(writes))

        def work(snapshot: Snapshot) -> None:
            assert snapshot.call(("default", "standup")) == Placed(book.head, world.call)
            assert [position for position, _ in snapshot.events(0, 100)] == list(range(1, book.head + 1))
            assert [event for _, event in snapshot.events(0, 100)] == [e for step in book.steps for e in step.events]
            assert [event.seq for event in snapshot.call_events(world.call.uid, 0, 99)] == list(
                range(1, world.call.seq + 1)
            )
            (row,) = snapshot.user_changes("bob", 0, 10)
            assert row.call == world.call
            assert (row in snapshot.user_changes("bob", book.head - 1, 10)) == (
                not snapshot.user_changes("bob", book.head, 10)
            )

        await store.read(work)

    async def test_transactions_run_one_at_a_time_in_the_order_they_were_asked_for(self, store: Store) -> None:
        seen: list[int] = []

        def numbered(number: int) -> Callable[[Transaction], None]:
            def work(transaction: Transaction) -> None:
                seen.append(number)
                transaction.head()
                seen.append(number)

            return work

        await asyncio.gather(*(store.transact(numbered(number)) for number in range(20)))
        assert seen == [number for number in range(20) for _ in range(2)]

    async def test_a_transaction_whose_caller_is_cancelled_still_ends_well(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann")
        write, running, go_on = book.write(world), threading.Event(), threading.Event()

        def slow(transaction: Transaction) -> None:
            running.set()
            assert go_on.wait(30)
            transaction.write([write], [])

        task = asyncio.create_task(store.transact(slow))
        await asyncio.to_thread(running.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        following = asyncio.create_task(store.transact(head))
        await asyncio.sleep(0)
        go_on.set()
        assert await following == write.step.position

    # Reading.

    async def test_reading_raises_what_its_work_raises_and_goes_on(self, store: Store) -> None:
        def failing(snapshot: Snapshot) -> None:
            snapshot.head()
            raise _OfTheWork

        for _ in range(5):
            with pytest.raises(_OfTheWork):
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

    # Request ids.

    async def test_X3_an_answer_is_remembered_under_its_whole_key_until_it_expires(
        self, store: Store, book: Book
    ) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        keys = [("", "ann", "r1"), ("svc", "ann", "r1"), ("svc", "", "r1"), ("", "bob", "r1"), ("", "ann", "r2")]
        kept = [
            answer_kept(key, world, answer=Answer(created=True, ring_id=str(number)), expires_at=START + number)
            for number, key in enumerate(keys)
        ]
        kept[4] = answer_kept(keys[4], world, expires_at=START + DAY)
        assert kept[4].answer.targets
        await store.transact(book.writing(world, remembered=kept))
        asked = [*keys, ("", "ann", "r3")]
        found = await store.transact(lambda t: t.load_remembered(asked, START - 1))
        assert found == {one.key: one for one in kept}
        found = await store.transact(lambda t: t.load_remembered(asked, START + 2))
        assert found == {one.key: one for one in kept[3:]}

    async def test_X3_a_request_id_may_be_used_again_once_it_has_expired(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann")
        key = ("", "ann", "r1")
        await store.transact(book.writing(world, remembered=[answer_kept(key, world, expires_at=START + SECOND)]))
        again = answer_kept(key, world, answer=Answer(ring_id="again"), expires_at=START + DAY)
        await store.transact(writing([], [again]))
        assert await store.transact(lambda t: t.load_remembered([key], START + SECOND)) == {key: again}

    # Timers.

    async def test_T4_a_timer_is_set_moved_and_removed_with_its_call(self, store: Store, book: Book) -> None:
        first, second = book.world("first"), book.world("second")
        first.create("ann", ["ann", "bob", "cid"], ring=True)
        second.create("ann", ["ann", "bob", "cid"], ring=True)
        await store.transact(book.writing(first, second))

        async def due() -> dict[CallKey, int]:
            def work(snapshot: Snapshot) -> list[Timer]:
                return list(snapshot.timers())

            return {timer.call: timer.due for timer in await store.read(work)}

        rings = START + 30 * SECOND
        assert await due() == {("default", "first"): rings, ("default", "second"): rings}
        for user in ("bob", "cid"):
            first.join(user)
            await store.transact(book.writing(first))
        assert await due() == {("default", "first"): START + DAY, ("default", "second"): rings}
        second.cancel("ann")
        await store.transact(book.writing(second))
        assert await due() == {("default", "first"): START + DAY}

    async def test_a_timer_stays_when_a_write_does_not_change_it(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        write = book.write(world)
        await store.transact(writing([write]))
        world.get("ann", notify=True)
        unchanged = replace(book.write(world), due=None, due_changed=False)
        await store.transact(writing([unchanged]))
        assert [timer.due for timer in await store.read(lambda s: list(s.timers()))] == [write.due]

    async def test_of_two_timers_in_a_batch_the_later_one_counts(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        writes = [book.write(world)]
        world.cancel("ann")
        writes.append(book.write(world))
        await store.transact(writing(writes))
        assert await store.read(lambda s: list(s.timers())) == []

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
        assert await found(*EVERY_CALLING_STATE) == [present[ringing], present[joined], present[idle]]
        assert await found(*EVERY_CALLING_STATE, limit=2) == [present[ringing], present[joined]]
        assert await found() == []

    async def test_W4_a_users_changes_are_those_of_their_rows_oldest_first(self, store: Store, book: Book) -> None:
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
        latest = [placed(book.present[worlds[number].call.uid]) for number in (3, 1)]
        assert await store.read(lambda s: s.user_changes("bob", since, 10)) == latest
        assert await store.read(lambda s: s.user_changes("bob", since, 1)) == latest[:1]
        assert len(await store.read(lambda s: s.user_changes("bob", 0, 10))) == 5
        assert await store.read(lambda s: s.user_changes("bob", book.head, 10)) == []
        assert uids(await store.read(lambda s: s.user_changes("cid", since, 10))) == [worlds[2].call.uid]

    async def test_W4_a_call_that_has_ended_is_among_a_users_changes(self, store: Store, book: Book) -> None:
        world = book.world("standup")
        world.create("ann", ["ann", "bob"], ring=True)
        await store.transact(book.writing(world))
        since = book.head
        world.end("ann")
        await store.transact(book.writing(world))
        (found,) = await store.read(lambda s: s.user_changes("bob", since, 10))
        assert found == Placed(book.head, world.call)

    # Everybody's calls.

    async def test_W9_calls_in_states_are_paged_from_the_newest_change(self, store: Store, book: Book) -> None:
        worlds = await _mixed(store, book)
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
        await _mixed(store, book)
        positions = sorted(step.position for step in book.present.values())
        for after in (0, positions[0], positions[3], book.head - 1, book.head):
            expected = [position for position in positions if position > after]
            found = await store.read(lambda s, a=after: s.changed_calls(a, 5))  # type: ignore[misc]
            assert [one.position for one in found] == expected[:5]
            assert all(book.present[one.call.uid].call == one.call for one in found)

    async def test_T6_calls_in_which_somebody_is_are_found(self, store: Store, book: Book) -> None:
        await _mixed(store, book)
        expected = {(s.call.type, s.call.id) for s in book.present.values() if s.call.participants}
        assert expected
        assert set(await store.read(lambda s: list(s.participant_calls()))) == expected

    # Events.

    async def test_W10_events_come_in_order_without_a_gap(self, store: Store, book: Book) -> None:
        await _mixed(store, book)
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
        worlds = await _mixed(store, book)
        for world in worlds:
            found = await store.read(lambda s, u=world.call.uid: s.call_events(u, 0, 100))  # type: ignore[misc]
            assert found == world.history
            found = await store.read(lambda s, u=world.call.uid: s.call_events(u, 1, 1))  # type: ignore[misc]
            assert found == world.history[1:2]

    # Lists.

    @pytest.mark.parametrize("order", list(Order))
    @pytest.mark.parametrize("user", ["ann", "bob", "cid", "nobody", None])
    async def test_a_list_is_paged_in_every_order(
        self, store: Store, book: Book, order: Order, user: str | None
    ) -> None:
        await _mixed(store, book)
        query = ListQuery(user, order=order)
        expected = _expected(book, query)
        assert (not expected) == (user == "nobody")
        for limit in (1, 2, 3, 100):
            assert await _pages(store, replace(query, limit=limit)) == expected

    @pytest.mark.parametrize(
        "query",
        [
            ListQuery("bob", directions=frozenset({Direction.INCOMING})),
            ListQuery("bob", directions=frozenset({Direction.OUTGOING})),
            ListQuery("bob", directions=frozenset(Direction)),
            ListQuery("bob", calling_states=frozenset({CallingState.RINGING, CallingState.JOINED})),
            ListQuery("bob", calling_states=frozenset({CallingState.LEFT})),
            ListQuery("bob", missed=True),
            ListQuery("bob", missed=True, call_states=frozenset({CallState.ENDED})),
            ListQuery("bob", call_states=frozenset({CallState.RINGING, CallState.ACTIVE})),
            ListQuery("bob", types=frozenset({"audio_room"})),
            ListQuery("bob", types=frozenset({"audio_room", "nothing"}), member_user_id="dee"),
            ListQuery("bob", created_from=START + 2 * SECOND, created_before=START + 5 * SECOND),
            ListQuery("bob", member_user_id="cid"),
            ListQuery("ann", member_user_id='o\'dd "user"'),
            ListQuery(None, member_user_id="dee"),
            ListQuery(None, member_user_id="nobody"),
            ListQuery(None, call_states=frozenset({CallState.ENDED})),
            ListQuery(None, types=frozenset({"default"}), created_from=START + 3 * SECOND),
            ListQuery(None, created_before=START + 3 * SECOND),
        ],
    )
    @pytest.mark.parametrize("order", list(Order))
    async def test_a_list_is_filtered_and_paged(self, store: Store, book: Book, query: ListQuery, order: Order) -> None:
        await _mixed(store, book)
        query = replace(query, order=order)
        expected = _expected(book, query)
        assert len(expected) < len(_expected(book, ListQuery(query.user_id)))
        if query.member_user_id != "nobody":
            assert expected
        for limit in (2, 100):
            assert await _pages(store, replace(query, limit=limit)) == expected

    # Over its life.

    async def test_everything_is_there_when_it_is_opened_again(self, make: Callable[[], Store], book: Book) -> None:
        store = make()
        await store.open()
        worlds = await _mixed(store, book)
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


async def _mixed(store: Store, book: Book) -> list[World]:
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


def _key(call: Call, order: Order) -> int | None:
    match order:
        case Order.CREATED_AT_DESC | Order.CREATED_AT_ASC:
            return call.created_at
        case Order.UPDATED_AT_DESC:
            return call.updated_at
        case Order.STARTS_AT_ASC:
            return call.starts_at


def _expected(book: Book, query: ListQuery) -> list[str]:
    """Return the uids of the whole list, found the slow way."""
    calls = [step.call for step in book.present.values() if _listed(step.call, query)]
    calls.sort(
        key=lambda call: ((key := _key(call, query.order)) is None, key or 0, call.uid),
        reverse=query.order in (Order.CREATED_AT_DESC, Order.UPDATED_AT_DESC),
    )
    return [call.uid for call in calls]


def _listed(call: Call, query: ListQuery) -> bool:
    if query.user_id is not None:
        row = relation(call, query.user_id)
        if not row.listed or (query.missed and not row.missed):
            return False
        if query.directions and row.direction not in query.directions:
            return False
        if query.calling_states and row.calling_state not in query.calling_states:
            return False
    return (
        (not query.call_states or call.state in query.call_states)
        and (not query.types or call.type in query.types)
        and (not query.member_user_id or query.member_user_id in call.members)
        and (query.created_from is None or call.created_at >= query.created_from)
        and (query.created_before is None or call.created_at < query.created_before)
    )


async def _pages(store: Store, query: ListQuery) -> list[str]:
    """Return the uids of a list, page after page."""
    found: list[str] = []
    while page := await store.read(lambda s, q=query: s.list_calls(q)):  # type: ignore[misc]
        assert len(page) <= query.limit
        found += uids(page)
        last = page[-1].call
        query = replace(query, after=(_key(last, query.order), last.uid))
    return found
