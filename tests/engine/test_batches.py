from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ringline_server.engine.engine import MAX_TURNS
from ringline_server.engine.port import CommandFailed, Outcome
from ringline_server.rules.call import Call
from ringline_server.rules.commands import Command, End, Get, Join, Reject, RingMembers, Update, UpdateMembers
from ringline_server.rules.context import Context
from ringline_server.rules.decide import decide as decide_well
from ringline_server.rules.outcome import Decision, Refusal
from ringline_server.rules.terms import Reason
from ringline_server.store.port import Transaction, Write
from ringline_server.store.sqlite_transaction import SqliteTransaction
from tests.engine.stage import STANDUP, Stage, create, said, staged


def room(n: int) -> tuple[str, str]:
    return ("default", f"room-{n}")


async def test_X1_an_answer_is_given_only_when_it_is_in_the_store(stage: Stage) -> None:
    held = stage.store.hold_answer()
    answer = asyncio.create_task(stage.submit(said("ann", create("ann", "bob", ring=True))))
    await held.reached.wait()
    assert not answer.done()
    assert stage.bus.steps == []
    held.release.set()
    outcome = await answer
    assert await stage.present() == outcome.call


async def test_commands_that_wait_together_are_committed_together(stage: Stage) -> None:
    before = stage.store.transacts
    outcomes = await stage.together(*(said("ann", create("ann"), room(n)) for n in range(200)))
    assert all(isinstance(one, Outcome) for one in outcomes)
    assert stage.store.transacts - before == 1
    assert [step.call.id for step in stage.bus.turns[0]] == [f"room-{n}" for n in range(200)]


async def test_commands_that_come_during_a_commit_go_into_the_next_one(stage: Stage) -> None:
    held = stage.store.hold()
    first = asyncio.create_task(stage.submit(said("ann", create("ann"), room(0))))
    await held.reached.wait()
    rest = asyncio.gather(*(stage.submit(said("ann", create("ann"), room(n))) for n in range(1, 50)))
    held.release.set()
    await asyncio.gather(first, rest)
    assert [len(turn) for turn in stage.bus.turns] == [1, 49]


async def test_commands_that_come_some_turns_of_the_loop_apart_are_committed_together(stage: Stage) -> None:
    answers = []
    for n in range(5):
        answers.append(asyncio.create_task(stage.submit(said("ann", create("ann"), room(n)))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*answers)
    assert [len(turn) for turn in stage.bus.turns] == [5]


async def test_a_batch_does_not_wait_for_ever_for_commands_that_keep_coming(stage: Stage) -> None:
    answers = []
    for n in range(100):
        answers.append(asyncio.create_task(stage.submit(said("ann", create("ann"), room(n)))))
        await asyncio.sleep(0)
    await asyncio.gather(*answers)
    assert len(stage.bus.turns[0]) < 2 * MAX_TURNS


async def test_a_batch_has_no_more_commands_than_it_may(tmp_path: Path) -> None:
    async with staged(tmp_path, max_batch=4) as stage:
        await stage.together(*(said("ann", create("ann"), room(n)) for n in range(10)))
        assert [len(turn) for turn in stage.bus.turns] == [4, 4, 2]


async def test_X2_commands_on_one_call_are_decided_in_the_order_in_which_they_came(stage: Stage) -> None:
    made, rung, accepted, rejected = await stage.together(
        said("ann", create("ann", "bob", "cid")),
        said("ann", RingMembers(("bob",))),
        said("bob", Join(), device="phone"),
        said("bob", Reject()),
    )
    assert [made.call.revision, rung.call.revision, accepted.call.revision] == [1, 2, 3]
    assert accepted.answer.participant.device_id == "phone"
    assert isinstance(rejected, Refusal)
    assert rejected.reason is Reason.ALREADY_ACCEPTED
    assert stage.bus.causes == ["CALL_CREATED", "CALL_RING", "CALL_ACCEPTED"]
    assert len(stage.bus.turns) == 1
    assert await stage.present() == accepted.call


async def test_C1_of_many_who_create_at_once_one_creates(stage: Stage) -> None:
    outcomes = await stage.together(*(said("ann", create("ann")) for _ in range(20)))
    assert [one.answer.created for one in outcomes] == [True] + [False] * 19
    assert {one.call.uid for one in outcomes} == {outcomes[0].call.uid}


async def test_each_step_says_what_the_call_was_before_it(stage: Stage) -> None:
    await stage.together(said("ann", create("ann", "bob")), said("ann", RingMembers()), said("bob", Join()))
    first, second, third = stage.bus.steps
    assert (first.before, second.before, third.before) == (None, first.call, second.call)


async def test_positions_count_all_events_without_a_gap(stage: Stage) -> None:
    await stage.together(*(said("ann", create("ann", "bob", ring=True), room(n)) for n in range(3)))
    await stage.submit(said("bob", Join(), room(1)))
    expected = 0
    for step in stage.bus.steps:
        expected += len(step.events)
        assert step.position == expected
    assert await stage.head() == expected


async def test_a_refused_command_fails_alone(stage: Stage) -> None:
    good, bad, better = await stage.together(
        said("ann", create("ann"), room(1)),
        said("ann", create("bob", ring=True), room(2)),
        said("ann", create("ann"), room(3)),
    )
    assert isinstance(bad, Refusal)
    assert await stage.present(room(1)) == good.call
    assert await stage.present(room(2)) is None
    assert await stage.present(room(3)) == better.call
    assert stage.engine.stats.refused == 1


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rules raise when somebody ends a call with the reason ``boom``."""

    def decide(
        call: Call | None, key: tuple[str, str], command: Command, context: Context, now: int
    ) -> Decision | Refusal:
        if command == End("boom"):
            raise ZeroDivisionError("boom")
        return decide_well(call, key, command, context, now)

    monkeypatch.setattr("ringline_server.engine.decider.decide", decide)


@pytest.mark.usefixtures("raising")
async def test_a_command_whose_decision_raises_fails_alone_and_is_logged(stage: Stage) -> None:
    with capture_logs() as logs:
        made, failed, rung = await stage.together(
            said("ann", create("ann", "bob")),
            said("ann", End("boom")),
            said("ann", RingMembers()),
        )
    assert isinstance(failed, CommandFailed)
    assert (made.call.revision, rung.call.revision) == (1, 2)
    assert await stage.present() == rung.call
    raised = [line for line in logs if line["event"] == "command_raised"]
    assert [(line["command"], line["cid"]) for line in raised] == [("End", "default:standup")]
    assert isinstance(raised[0]["exc_info"], ZeroDivisionError)
    assert stage.engine.stats.raised == 1


async def test_a_command_that_the_store_cannot_write_fails_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    write_well = SqliteTransaction.write

    def write(self: SqliteTransaction, writes: list[Write], remembered: list[object]) -> None:
        write_well(self, writes, [])
        if any(write.step.call.custom == b"poison" for write in writes):
            raise UnicodeError("cannot be encoded")

    monkeypatch.setattr(SqliteTransaction, "write", write)
    good, bad, better = await stage.together(
        said("ann", create("ann"), room(1)),
        said("ann", create("ann", custom=b"poison"), room(2)),
        said("ann", create("ann"), room(3)),
    )
    assert isinstance(bad, CommandFailed)
    assert await stage.present(room(1)) == good.call
    assert await stage.present(room(2)) is None
    assert await stage.present(room(3)) == better.call
    assert [step.call.id for step in stage.bus.steps] == ["room-1", "room-3"]


async def test_a_batch_that_changes_nothing_writes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.submit(said("ann", create("ann")))

    def write(self: Transaction, *_: object) -> None:
        pytest.fail("there is nothing to write")

    monkeypatch.setattr(SqliteTransaction, "write", write)
    read, refused = await stage.together(said("ann", Get()), said("eve", Get()))
    assert read.call.revision == 1
    assert isinstance(refused, Refusal)
    assert len(stage.bus.turns) == 1


async def test_P2_who_is_removed_and_rings_in_the_same_batch_is_refused(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", "cid")))
    removed, rung = await stage.together(
        said("ann", UpdateMembers(remove=("bob",))),
        said("bob", RingMembers(("cid",))),
    )
    assert "bob" not in removed.call.members
    assert isinstance(rung, Refusal)
    assert rung.reason is Reason.NOT_ALLOWED
    assert (await stage.present()) == removed.call


async def test_P2_who_rings_and_is_then_removed_in_the_same_batch_has_rung(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob", "cid")))
    rung, removed = await stage.together(
        said("bob", RingMembers(("cid",))),
        said("ann", UpdateMembers(remove=("bob",))),
    )
    assert rung.answer.ring_id
    assert removed.call.rings[0].state == "CANCELLED"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The users whose rows are written, a list for each step."""
    rows: list[list[str]] = []
    write_well = SqliteTransaction.write

    def write(self: SqliteTransaction, writes: list[Write], remembered: list[object]) -> None:
        rows.extend(sorted(user for user, _ in one.relations) for one in writes)
        write_well(self, writes, [])

    monkeypatch.setattr(SqliteTransaction, "write", write)
    return rows


async def test_only_the_rows_of_users_whom_a_step_concerns_are_written(stage: Stage, written: list[list[str]]) -> None:
    members = [f"user-{n}" for n in range(100)]
    await stage.submit(said("ann", create("ann", *members)))
    await stage.submit(said("ann", RingMembers(("user-1",))))
    await stage.submit(said("ann", Update(frozenset({"custom"}), custom=b"new")))
    assert written[1:] == [["ann", "user-1"], []]


async def test_of_a_step_that_concerns_everybody_only_the_rows_that_change_are_written(
    stage: Stage, written: list[list[str]]
) -> None:
    lounge = ("audio_room", "lounge")
    members = [f"user-{n}" for n in range(100)]
    await stage.submit(said("ann", create("ann", *members), lounge))
    await stage.submit(said("ann", RingMembers(("user-1",)), lounge))
    over = await stage.submit(said("user-1", Reject(), lounge))
    assert over.call.session_over
    assert written[2] == ["ann", "user-1"]


async def test_how_many_devices_of_a_target_are_online_is_taken_when_it_is_rung(stage: Stage) -> None:
    stage.people.online["bob"] = 3
    outcome = await stage.submit(said("ann", create("ann", "bob", ring=True)))
    assert outcome.call.rings[0].targets["bob"].online_devices == 3


async def test_R3_after_the_clock_was_set_back_a_ring_still_rings_as_long_as_it_should(stage: Stage) -> None:
    await stage.submit(said("ann", create("ann", "bob")))
    stage.clock._now -= 3_600_000_000
    await stage.restart()
    rung = await stage.submit(said("ann", RingMembers()))
    assert rung.call.rings[0].expires_at == stage.clock.now() + 30_000_000


async def test_each_change_is_one_line_of_the_log(stage: Stage) -> None:
    with capture_logs() as logs:
        made = await stage.submit(said("ann", create("ann", "bob", ring=True), service="desk"))
        await stage.together(said("bob", Reject()), said("bob", Reject()))
    first, second = [line for line in logs if line["event"] == "call_changed"]
    assert first == {
        "event": "call_changed",
        "log_level": "info",
        "cid": ":".join(STANDUP),
        "uid": made.call.uid,
        "revision": 1,
        "cause": "CALL_RING",
        "state": "RINGING",
        "ring_ids": [made.answer.ring_id],
        "actor": "ann",
        "service": "desk",
    }
    assert (second["cause"], second["state"], second["end_reason"]) == ("CALL_REJECTED", "ENDED", "ALL_REJECTED")
