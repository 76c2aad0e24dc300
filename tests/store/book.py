"""Calls made by the rules themselves, as the writes that an engine hands to the store.

book = Book()
call = book.world("standup")
call.create("ann", ["ann", "bob"], ring=True)
await store.transact(book.writing(call))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringline_server.rules.call import Call
from ringline_server.rules.deadline import next_deadline
from ringline_server.rules.outcome import Answer
from ringline_server.rules.settings import SECOND
from ringline_server.rules.viewer import relation
from ringline_server.store.port import Remembered, RequestKey, Step, Transaction, Write
from tests.rules.world import START, World


class Book:
    """The order of everything that happens, over several worlds."""

    def __init__(self) -> None:
        self.head = 0
        self.steps: list[Step] = []
        self._calls: dict[str, Call] = {}
        self._worlds = 0

    def world(self, id: str, type: str = "default", *, after: float = 0) -> World:
        """Return a world whose call has a uid of its own, so many seconds after the first one's beginning."""
        world = World(type)
        world.id = id
        world.now = START + round(after * SECOND)
        world._uids = self._worlds
        self._worlds += 1
        return world

    def write(self, world: World) -> Write:
        """Return the write of what was decided last."""
        decision, settings = world.decision, world.type.settings
        call, before = decision.call, self._calls.get(decision.call.uid)
        self._calls[call.uid] = call
        first = self.head + 1
        self.head += len(decision.events)
        step = Step(self.head, first, before, call, decision.events, decision.notification)
        self.steps.append(step)
        users = call.known_users() | (before.known_users() if before else set())
        due = next_deadline(call, settings)
        return Write(
            step,
            tuple(
                (user, relation(call, user))
                for user in sorted(users)
                if before is None or relation(before, user) != relation(call, user)
            ),
            due,
            due_changed=due != (next_deadline(before, settings) if before else None),
        )

    def writing(self, *worlds: World, remembered: Sequence[Remembered] = ()) -> Callable[[Transaction], None]:
        """Return the work that writes what was decided last in each of the worlds, as one batch."""
        return writing([self.write(world) for world in worlds], remembered)

    @property
    def present(self) -> dict[str, Step]:
        """The latest step of every call, by uid."""
        return {step.call.uid: step for step in self.steps}


def writing(writes: Sequence[Write], remembered: Sequence[Remembered] = ()) -> Callable[[Transaction], None]:
    """Return the work that writes one batch."""
    return lambda transaction: transaction.write(writes, remembered)


def answer_kept(key: RequestKey, world: World, *, answer: Answer | None = None, expires_at: int) -> Remembered:
    """Return an answer to keep under a request id."""
    return Remembered(key, "CreateCall", b"\0hash\xff", (world.type.name, world.id), answer or world.answer, expires_at)
