"""Resuming a watch (W4): a stream may be cut anywhere, for any reason, and the picture is right afterwards."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline_server.hub import run as hub_run
from ringline_server.hub import watch as hub_watch
from ringline_server.store import codec_large
from tests.clock import FakeClock
from tests.service.host import InProcess, Server, serving
from tests.service.phone import ADDED, REMOVED, Phone, Picture, Screen, Shown, outcome, refused

RINGING, JOINED = calls.CALLING_STATE_RINGING, calls.CALLING_STATE_JOINED
LEFT, IDLE = calls.CALLING_STATE_LEFT, calls.CALLING_STATE_IDLE


@pytest.fixture
def ann(server: Server) -> Phone:
    return server.phone("ann", "desk")


@pytest.fixture
def bob(server: Server) -> Phone:
    return server.phone("bob", "phone")


async def test_W4_a_resumed_stream_tells_what_became_of_each_call_once(server: Server, ann: Phone, bob: Phone) -> None:
    for name in ("same", "rejected", "changed"):
        await ann.create(name, "bob", ring=True)
    screen = await bob.watch()
    await screen.cut()
    await bob.reject("rejected")
    await ann.create("came-and-went", "bob", ring=True)
    await ann.cancel("came-and-went")
    changed = await ann.update("changed", custom={"n": 1})
    new = await ann.create("new", "bob", ring=True)

    resumed = await bob.watch(resume_token=screen.token)

    told = {change.call.id: change for change in resumed.changes}
    assert len(told) == len(resumed.changes), "each once"
    assert set(told) == {"rejected", "came-and-went", "changed", "new"}, "what is as it was is not repeated"
    assert (told["rejected"].kind, told["rejected"].stop_reason) == (REMOVED, calls.STOP_REASON_REJECTED)
    assert told["came-and-went"].kind == REMOVED
    assert told["came-and-went"].stop_reason == calls.STOP_REASON_CANCELLED
    assert told["changed"].call == changed.call
    assert told["changed"].kind != REMOVED
    assert (told["new"].kind, told["new"].call) == (ADDED, new.call)
    assert not any(message.resume_token for message in resumed.messages[:-1])
    assert resumed.messages[-1].snapshot_complete.resumed
    assert resumed.messages[-1].resume_token


async def test_W4_a_call_missed_while_away_never_rings_afterwards(server: Server, ann: Phone, bob: Phone) -> None:
    screen = await bob.watch()
    await screen.cut()
    await ann.create("standup", "bob", ring=True)
    await server.advance(31)

    resumed = await bob.watch(resume_token=screen.token)

    (change,) = resumed.changes
    assert (change.kind, change.stop_reason) == (REMOVED, calls.STOP_REASON_MISSED)
    assert change.viewer.calling_state == LEFT


async def test_W4_it_goes_on_after_a_restart_of_the_server(server: Server, ann: Phone, bob: Phone) -> None:
    await ann.create("one", "bob", ring=True)
    screen = await bob.watch()
    await server.restart()
    await screen.ended()
    assert screen.messages[-1].HasField("going_away")
    two = await ann.create("two", "bob", ring=True)

    resumed = await bob.watch(resume_token=screen.token)

    assert [change.call for change in resumed.changes] == [two.call]
    assert resumed.messages[-1].snapshot_complete.resumed


async def test_W4_a_token_that_cannot_be_used_is_no_error_but_a_reset(server: Server, ann: Phone, bob: Phone) -> None:
    rung = await ann.create("standup", "bob", ring=True)
    token = (await bob.watch()).token
    other_states = (await bob.watch(calling_states=[RINGING, JOINED])).token
    other_direction = (await bob.watch(directions=[calls.CALL_DIRECTION_OUTGOING])).token
    other_types = (await bob.watch(types=["default"])).token
    other_cids = (await bob.watch(cids=["default:standup"])).token
    anns = (await ann.watch()).token
    services = (await server.phone(role="service").watch()).token
    flipped = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]
    cases = [
        (anns, pb.RESET_REASON_OTHER_USER),
        (services, pb.RESET_REASON_OTHER_USER),
        (other_states, pb.RESET_REASON_OTHER_FILTER),
        (other_direction, pb.RESET_REASON_OTHER_FILTER),
        (other_types, pb.RESET_REASON_OTHER_FILTER),
        (other_cids, pb.RESET_REASON_OTHER_FILTER),
        ("no token", pb.RESET_REASON_DAMAGED),
        (flipped, pb.RESET_REASON_DAMAGED),
        (token[:-4], pb.RESET_REASON_DAMAGED),
        (token + "AAAA", pb.RESET_REASON_DAMAGED),
        ("ä" * 50, pb.RESET_REASON_DAMAGED),
        ("A" * 100_000, pb.RESET_REASON_DAMAGED),
    ]

    for used, reason in cases:
        stale = Picture({"default:gone": Shown(calls.Call(), calls.ViewerState())})
        screen = bob.open_watch(stale, request=pb.WatchCallsRequest(resume_token=used))
        assert (await screen.next()).reset.reason == reason, used[:60]
        change = await screen.change()
        assert (change.kind, change.call) == (ADDED, rung.call)
        complete = await screen.next()
        assert not complete.snapshot_complete.resumed
        assert complete.resume_token
        assert set(screen.shown) == {"default:standup"}
        await screen.cut()
    same = await bob.watch(resume_token=token)
    assert same.messages[0].snapshot_complete.resumed


async def test_W4_a_token_of_the_future_is_a_reset(server: Server, ann: Phone, bob: Phone) -> None:
    """As after a file was put back that is older than the token."""
    await ann.create("old", "bob", ring=True)
    await server.stop()
    backup = server.database.with_suffix(".backup")
    shutil.copy(server.database, backup)
    await server.start()
    await ann.create("new", "bob", ring=True)
    token = (await bob.watch()).token
    await server.stop()
    for leftover in server.database.parent.glob(f"{server.database.name}-*"):
        leftover.unlink()
    shutil.copy(backup, server.database)
    await server.start()

    screen = await bob.watch(resume_token=token)

    assert screen.messages[0].reset.reason == pb.RESET_REASON_FUTURE
    assert set(screen.shown) == {"default:old"}


async def test_W4_W10_a_token_older_than_what_is_kept_is_a_reset_and_lost_events_are_an_error(
    server: Server, ann: Phone, bob: Phone
) -> None:
    await ann.create("old", "bob", ring=True)
    backend = server.phone(role="service")
    token, after = (await bob.watch()).token, (await backend.events(page_size=1)).next_token
    rung = await ann.create("new", "bob", ring=True)
    await ann.get("new", notify=True)
    latest = (await bob.watch()).token
    await server.stop()
    with sqlite3.connect(server.database) as database:
        database.execute("DELETE FROM events WHERE uid <> ?", (rung.call.uid,))
        database.execute("DELETE FROM events WHERE position = (SELECT min(position) FROM events)")
    database.close()
    await server.start()

    screen, same = await bob.watch(resume_token=token), await bob.watch(resume_token=latest)
    error = await refused(backend.events(after))

    assert screen.messages[0].reset.reason == pb.RESET_REASON_TOO_OLD
    assert set(screen.shown) == {"default:old", "default:new"}
    assert same.messages[0].snapshot_complete.resumed
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "EVENTS_GONE")
    assert error.metadata["oldest_time"].endswith("Z")


async def test_W4_more_than_a_thousand_changes_are_a_reset(server: Server, ann: Phone, bob: Phone) -> None:
    token = (await bob.watch()).token
    backend = server.phone("ann", role="service")
    for hundred in range(11):
        await asyncio.gather(*(backend.create(f"call-{hundred}-{number}", "bob", ring=True) for number in range(100)))
        await asyncio.gather(*(backend.cancel(f"call-{hundred}-{number}") for number in range(100)))

    screen = await bob.watch(resume_token=token)

    assert screen.messages[0].reset.reason == pb.RESET_REASON_TOO_MANY_CHANGES
    assert not screen.shown


# Cut anywhere.

USERS = ("ann", "bob", "cid", "dan")
NAMES = (*(f"call-{number}" for number in range(5)), "livestream:show", "development:lab")


async def something(rng: random.Random, phones: dict[str, Phone]) -> Any:  # noqa: ANN401 -- a table of verbs
    """Do anything that somebody might do; a refusal is as good as a success."""
    user, name = rng.choice(USERS), rng.choice(NAMES)
    phone = phones[user]
    others = rng.sample([other for other in USERS if other != user], rng.randint(1, 3))
    match rng.choices(
        ["create", "ring", "join", "reject", "cancel", "leave", "end", "add", "remove", "update", "notify"],
        weights=[6, 4, 8, 4, 3, 4, 1, 2, 2, 2, 1],
    )[0]:
        case "create":
            data = pb.CallData()
            data.settings.ring.auto_cancel_timeout.FromSeconds(rng.choice([5, 10, 60]))
            data.settings.end_when_empty = rng.random() < 0.7
            return await outcome(phone.create(name, *others, ring=True, data=data))
        case "ring":
            return await outcome(phone.ring(name))
        case "join":
            return await outcome(phone.join(name))
        case "reject":
            return await outcome(phone.reject(name, reason=rng.choice(["", "busy"])))
        case "cancel":
            return await outcome(phone.cancel(name))
        case "leave":
            return await outcome(phone.leave(name))
        case "end":
            return await outcome(phone.end(name))
        case "add":
            return await outcome(phone.add(name, *others, ring=rng.random() < 0.5))
        case "remove":
            return await outcome(phone.remove(name, others[0]))
        case "update":
            return await outcome(phone.update(name, custom={"n": rng.random()}))
        case "notify":
            return await outcome(phone.get(name, notify=True))


def filters(server: Server) -> list[tuple[Phone, dict[str, Any]]]:
    """Return watches of all sorts. Calls are named only by who created them: they are never removed."""
    bob, cid = server.phone("bob"), server.phone("cid")
    service = server.phone(role="service")
    return [
        (server.phone("bob", "phone"), {}),
        (server.phone("bob", "tablet"), {"calling_states": [RINGING, JOINED]}),
        (bob, {"calling_states": [JOINED]}),
        (bob, {"calling_states": [LEFT, IDLE]}),
        (cid, {"calling_states": [RINGING, JOINED, LEFT, IDLE]}),
        (cid, {"directions": [calls.CALL_DIRECTION_INCOMING], "calling_states": [RINGING, JOINED, LEFT]}),
        (cid, {"directions": [calls.CALL_DIRECTION_OUTGOING]}),
        (cid, {"types": ["livestream", "development"], "calling_states": [RINGING, JOINED]}),
        (server.phone("zoe"), {"cids": ["default:zoe-1", "default:zoe-2", "livestream:zoe-3"]}),
        (server.phone("zoe"), {"cids": ["default:zoe-1", "default:zoe-2"], "calling_states": [RINGING, JOINED]}),
        (service, {}),
        (service, {"call_states": [calls.CALL_STATE_IDLE, calls.CALL_STATE_ENDED]}),
        (service, {"types": ["default"], "call_states": [calls.CALL_STATE_RINGING]}),
    ]


async def leave(server: Server, phone: Phone, screen: Screen) -> None:
    """Cut a stream. Until the server knows, it counts as one of its user's 16 and its device's two (P5)."""
    await screen.cut()
    phone.screens.remove(screen)
    # A user has four of their own here, and one more at a time.
    await server.settled(but=0 if phone.device else 8)


async def up_to_date(server: Server, phone: Phone, screen: Screen, fields: dict[str, Any]) -> dict[str, Shown]:
    """Wait until a stream has told everything, and return the truth: what a new one begins with."""
    fresh = await phone.watch(**fields)
    await leave(server, phone, fresh)
    await screen.until(lambda one: one.shown == fresh.shown)
    return fresh.shown


@pytest.mark.parametrize(
    ("seed", "phases"),
    [
        pytest.param(1, 3, id="quick"),
        *(
            pytest.param(seed, 6, id=f"proven-{seed}", marks=[pytest.mark.prove, pytest.mark.timeout(300)])
            for seed in range(2, 8)
        ),
    ],
)
async def test_W4_a_stream_cut_after_any_message_and_resumed_shows_what_a_fresh_one_shows(
    server: Server, seed: int, phases: int
) -> None:
    await cut_anywhere(server, seed, phases)


@pytest.mark.parametrize(
    ("seed", "phases"),
    [
        pytest.param(11, 3, id="quick"),
        *(pytest.param(seed, 6, id=f"proven-{seed}", marks=[pytest.mark.prove]) for seed in range(12, 15)),
    ],
)
async def test_W4_W6_the_same_of_calls_that_count_as_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, phases: int
) -> None:
    for module, name in ((hub_watch, "MANY_MEMBERS"), (hub_run, "MANY_MEMBERS"), (codec_large, "FEW")):
        monkeypatch.setattr(module, name, 1)
    async with serving(InProcess(tmp_path / "ringline.db", FakeClock())) as server:
        await cut_anywhere(server, seed, phases)


async def cut_anywhere(server: Server, seed: int, phases: int) -> None:
    rng = random.Random(seed)
    phones = {user: server.phone(user, "phone") for user in USERS}
    zoe = server.phone("zoe")
    for name in ("zoe-1", "zoe-2", "livestream:zoe-3"):
        await zoe.create(name, *USERS)
    watches = filters(server)
    screens = [await phone.watch(**fields) for phone, fields in watches]
    cut = 0
    for phase in range(phases):
        for _ in range(6):
            # Several at once, so that streams have to merge changes.
            await asyncio.gather(*(something(rng, phones) for _ in range(rng.randint(1, 6))))
            verbs: list[Callable[[str], Awaitable[object]]] = [zoe.ring, zoe.join, zoe.leave]
            await outcome(rng.choice(verbs)(rng.choice(["zoe-1", "zoe-2", "livestream:zoe-3"])))
        await server.advance(rng.choice([1, 6, 11]))
        await server.settled()
        if phase == phases // 2:
            await server.restart()
            for (phone, _), old in zip(watches, screens, strict=True):
                await old.ended()
                phone.screens.remove(old)
            screens = [
                phone.open_watch(old.picture, request=pb.WatchCallsRequest(resume_token=old.token, **fields))
                for (phone, fields), old in zip(watches, screens, strict=True)
            ]
            # Before, one that is still counted though it is cut would not show among those that are not there yet.
            await server.until(lambda look: look.streams == len(watches))
        for (phone, fields), screen in zip(watches, screens, strict=True):
            truth = await up_to_date(server, phone, screen, fields)
            for token, picture in screen.trail:
                resumed = phone.open_watch(picture, request=pb.WatchCallsRequest(resume_token=token, **fields))
                if rng.random() < 0.3:
                    # And again, before it has told everything.
                    await resumed.until(lambda one: one.messages)
                    await leave(server, phone, resumed)
                    token = resumed.token or token  # noqa: PLW2901
                    resumed = phone.open_watch(
                        resumed.picture, request=pb.WatchCallsRequest(resume_token=token, **fields)
                    )
                await resumed.until(lambda one: one.token)
                assert resumed.messages[-1].snapshot_complete.resumed
                assert resumed.shown == truth, f"seed {seed}: {fields} cut after a message of revision {phase}"
                await leave(server, phone, resumed)
                cut += 1
    assert cut > 100
