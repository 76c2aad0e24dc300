"""Transactions: what they write, all of it or nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from ringline_server.rules.call import Call
from ringline_server.rules.outcome import Answer
from ringline_server.rules.settings import DAY, SECOND
from ringline_server.rules.terms import CallingState, CallState
from ringline_server.store.port import (
    CallKey,
    ListQuery,
    Placed,
    Snapshot,
    Store,
    Timer,
    Transaction,
)
from tests.rules.world import START
from tests.store.book import Book, answer_kept, writing
from tests.store.suite_fixtures import OfTheWork, SuiteFixtures, head, uids


class WritingSuite(SuiteFixtures):
    """Calls, request ids and timers are written as one."""

    # Nothing, and one call.

    async def test_a_new_store_is_empty(self, store: Store) -> None:
        assert await store.transact(head) == 0

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == 0
            assert snapshot.oldest() is None
            assert snapshot.call(("default", "standup")) is None
            assert snapshot.calls([("default", "standup")]) == []
            assert snapshot.user_calls("ann", tuple(CallingState), 10) == []
            assert snapshot.user_changes("ann", tuple(CallingState), 0, 10) == ([], [])
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

    async def test_a_large_call_is_read_back_as_it_was_written_whatever_has_changed(
        self, store: Store, book: Book
    ) -> None:
        world = book.world("assembly")
        users = [f"user-{number}" for number in range(120)]

        async def written() -> None:
            await store.transact(book.writing(world))
            assert await store.transact(lambda t: t.load_calls([("default", "assembly")])) == {
                ("default", "assembly"): world.call
            }
            for found in await store.read(lambda s: s.calls_in_states(list(CallState), None, 9)):
                assert repr(found.call) == repr(world.call)

        world.create("ann", ["ann", *users[:40]], ring=True)
        await written()
        world.add("ann", *users, ring=True)
        await written()
        for joining, declining in zip(users[:3], users[90:93], strict=True):
            world.join(joining, "phone")
            world.reject(declining, reason="busy")
            await written()
        world.leave(users[0])
        await written()
        world.remove("ann", *users[50:])
        await written()
        world.add("ann", *users[50:70])
        await written()
        world.remove("ann", *users)
        await written()
        world.add("ann", *users[:60])
        await written()
        world.end("ann")
        await written()

    async def test_any_text_is_kept_as_it_is(self, store: Store, book: Book) -> None:
        world = book.world('it\'s "so" 😀\\ é%_')
        world.create("ann 'é", ["ann 'é", "Ann 'é", "名前"], ring=True)
        await store.transact(book.writing(world))
        found = await store.read(lambda s: s.call(("default", world.id)))
        assert found == Placed(book.head, world.call)
        for user in world.call.members:
            assert await store.read(lambda s, user=user: len(s.user_calls(user, tuple(CallingState), 9))) == 1  # type: ignore[misc]
        assert await store.read(lambda s: s.user_calls("ANN 'É", tuple(CallingState), 9)) == []

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
        raised = OfTheWork()

        def failing(transaction: Transaction) -> None:
            transaction.write([write], [kept])
            assert transaction.head() == write.step.position
            raise raised

        with pytest.raises(OfTheWork) as caught:
            await store.transact(failing)
        assert caught.value is raised
        assert await store.transact(lambda t: (t.head(), t.load_remembered([kept.key], START))) == (0, {})

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == 0
            assert snapshot.changed_calls(0, 10) == []
            assert snapshot.user_changes("bob", tuple(CallingState), 0, 10) == ([], [])
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
        accepted = book.head
        world.get("ann", notify=True)
        writes.append(book.write(world))
        await store.transact(writing(writes))

        def work(snapshot: Snapshot) -> None:
            assert snapshot.head() == book.head
            assert snapshot.calls([("default", "standup")]) == [Placed(book.head, world.call)]
            assert [event for _, event in snapshot.events(0, 100)] == [e for step in book.steps for e in step.events]
            assert snapshot.call_events(world.call.uid, 0, 100) == world.history
            assert snapshot.user_calls("bob", [CallingState.JOINED], 10) == [Placed(book.head, world.call)]
            # The row changed with the accept and no more with the notification.
            assert len(snapshot.user_changes("bob", (), accepted - 1, 10)[0]) == 1
            assert snapshot.user_changes("bob", (), accepted, 10) == ([], [])

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
