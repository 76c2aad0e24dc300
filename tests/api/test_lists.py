"""Lists of calls and of events: pages, tokens, and who sees what (P2, W10)."""

from __future__ import annotations

from typing import Any

import pytest

from ringline.v1 import call_pb2 as calls
from ringline.v1 import call_service_pb2 as pb
from ringline_server.rules.outcome import Event
from ringline_server.rules.terms import EventType
from tests.api.desk import Caller, Desk


@pytest.fixture
def ann(desk: Desk) -> Caller:
    return desk.caller("ann")


async def make(desk: Desk, caller: Caller, *ids: str, type: str = "default", team: str = "") -> None:
    for id_ in ids:
        await caller.call(pb.GetOrCreateCallRequest(type=type, id=id_, data=pb.CallData(team=team)))
        await desk.clock.advance(1)


async def add(caller: Caller, id_: str, user: str) -> None:
    await caller.call(
        pb.UpdateCallMembersRequest(type="default", id=id_, upsert_members=[pb.MemberInput(user_id=user)])
    )


async def pages(caller: Caller, **request: Any) -> list[list[str]]:  # noqa: ANN401 -- any fields
    """Return the ids of all calls of a list, page by page."""
    found, token = [], ""
    while True:
        answer = await caller.call(pb.ListCallsRequest(**request, page_token=token))
        found.append([item.call.id for item in answer.items])
        token = answer.next_page_token
        if not token:
            return found


async def test_a_list_comes_in_pages_newest_first(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "a", "b", "c", "d", "e")

    assert await pages(ann, page_size=2) == [["e", "d"], ["c", "b"], ["a"]]
    assert await pages(ann, page_size=5) == [["e", "d", "c", "b", "a"]]
    assert await pages(ann, page_size=2, order=pb.CALL_ORDER_CREATED_AT_ASC) == [["a", "b"], ["c", "d"], ["e"]]
    assert await pages(ann) == [["e", "d", "c", "b", "a"]]
    assert await pages(desk.caller("bob")) == [[]]


async def test_calls_without_a_start_come_last(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "never")
    for id_, second in (("later", 2_000_000_000), ("soon", 1_900_000_000)):
        data = pb.CallData()
        data.starts_at.seconds = second
        await ann.call(pb.GetOrCreateCallRequest(type="default", id=id_, data=data))

    order = pb.CALL_ORDER_STARTS_AT_ASC
    assert await pages(ann, order=order, page_size=1) == [["soon"], ["later"], ["never"]]


async def test_an_item_has_its_viewer_and_a_services_has_none(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "a")

    (item,) = (await ann.call(pb.ListCallsRequest())).items
    (other,) = (await desk.caller(role="service").call(pb.ListCallsRequest())).items

    assert item.viewer.user_id == "ann"
    assert calls.CAPABILITY_END_CALL in item.viewer.capabilities
    assert other.call == item.call
    assert not other.HasField("viewer")


async def test_filters_are_handed_on(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "plain")
    await make(desk, ann, "room", type="audio_room")
    ring = pb.GetOrCreateCallRequest(type="default", id="ringing", ring=True)
    for user in ("ann", "bob"):
        ring.data.members.add(user_id=user)
    await ann.call(ring)

    assert await pages(ann, types=["audio_room"]) == [["room"]]
    assert await pages(ann, directions=[calls.CALL_DIRECTION_OUTGOING]) == [["ringing"]]
    assert await pages(ann, calling_states=[calls.CALLING_STATE_RINGING]) == [["ringing"]]
    assert await pages(ann, call_states=[calls.CALL_STATE_IDLE]) == [["room", "plain"]]
    assert await pages(ann, member_user_id="bob") == [["ringing"]]
    assert await pages(ann, missed=True) == [[]]
    bob = desk.caller("bob")
    await bob.call(pb.RejectCallRequest(type="default", id="ringing", reason="busy"))
    assert await pages(bob, missed=True) == [["ringing"]]
    bounds = pb.ListCallsRequest()
    bounds.created_before.FromMicroseconds(desk.clock.now())
    bounds.created_after.FromMicroseconds(desk.clock.now() - 1_000_000)
    assert [item.call.id for item in (await ann.call(bounds)).items] == ["room"]


async def test_C8_what_may_not_be_read_is_not_listed_and_pages_are_still_full(desk: Desk) -> None:
    ann = desk.caller("ann", teams="red")
    for n in range(12):
        await make(desk, ann, f"{n:02}", team="" if n % 6 == 0 else "red")

    assert await pages(desk.caller("ann"), page_size=2) == [["06", "00"]]
    assert [id_ for page in await pages(ann, page_size=5) for id_ in page] == [f"{n:02}" for n in reversed(range(12))]


async def test_a_page_that_would_cost_too_many_reads_is_shorter(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = desk.caller("ann", teams="red")
    await make(desk, ann, "mine")
    await make(desk, ann, *(f"{n}" for n in range(9)), team="red")
    monkeypatch.setattr("ringline_server.api.lists.MAX_READS", 2)

    assert await pages(desk.caller("ann"), page_size=1) == [[], [], ["mine"]]


async def test_C6_a_page_ends_before_2_MiB(desk: Desk, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringline_server.api.lists.MAX_PAGE_BYTES", 500)
    await make(desk, ann, "a", "b", "c", "d", "e")

    found = await pages(ann)

    assert len(found) > 1
    assert [id_ for page in found for id_ in page] == ["e", "d", "c", "b", "a"]
    monkeypatch.setattr("ringline_server.api.lists.MAX_PAGE_BYTES", 1)
    assert await pages(ann) == [["e"], ["d"], ["c"], ["b"], ["a"]], "at least one a page"


async def test_a_page_token_is_of_use_to_its_own_list_only(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "a", "b", "c")
    token = (await ann.call(pb.ListCallsRequest(page_size=1))).next_page_token
    assert token.replace("-", "").replace("_", "").isalnum()
    assert (await ann.call(pb.ListCallsRequest(page_size=2, page_token=token))).items[0].call.id == "b"
    service = desk.caller("ann", role="service")
    assert (await service.call(pb.ListCallsRequest(page_token=token))).items, "it acts as the same user"
    bad = [
        (ann, pb.ListCallsRequest(types=["default"], page_token=token)),
        (ann, pb.ListCallsRequest(order=pb.CALL_ORDER_CREATED_AT_ASC, page_token=token)),
        (desk.caller("bob"), pb.ListCallsRequest(page_token=token)),
        (desk.caller(role="service"), pb.ListCallsRequest(page_token=token)),
        *((ann, pb.ListCallsRequest(page_token=damaged)) for damaged in damage(token)),
    ]
    for caller, request in bad:
        error = await caller.refused(request)
        assert (error.code, error.reason) == ("INVALID_ARGUMENT", "BAD_PAGE_TOKEN")
        assert list(error.fields) == ["page_token"]


def damage(token: str) -> list[str]:
    return [token[:-1], token[1:], "x" + token, token + "x", token + "\u00e4", "nonsense", "A" * 10_000, "=", "\n"]


# Events.


async def events(caller: Caller, id_: str, page_size: int = 0) -> list[list[calls.CallEvent]]:
    found, token = [], ""
    while True:
        request = pb.ListCallEventsRequest(type="default", id=id_, page_size=page_size, page_token=token)
        answer = await caller.call(request)
        found.append(list(answer.events))
        token = answer.next_page_token
        if not token:
            return found


async def test_a_calls_events_come_oldest_first_in_pages(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "a")
    for n in range(4):
        await ann.call(
            pb.UpdateCallMembersRequest(type="default", id="a", upsert_members=[pb.MemberInput(user_id=f"u{n}")])
        )

    found = await events(ann, "a", 2)

    assert [[event.seq for event in page] for page in found] == [[1, 2], [3, 4], [5]]
    assert found[0][0].type == calls.CALL_EVENT_TYPE_CALL_CREATED
    assert found[2][0].subject_user_ids == ["u3"]
    assert found == await events(desk.caller("u0"), "a", 2)
    assert (await desk.caller("eve").refused(pb.ListCallEventsRequest(type="default", id="a"))).reason == "NOT_ALLOWED"


async def test_a_token_of_a_calls_events_is_of_use_for_that_call_only(desk: Desk, ann: Caller) -> None:
    for id_ in ("a", "b"):
        await make(desk, ann, id_)
        await ann.call(
            pb.UpdateCallMembersRequest(type="default", id=id_, upsert_members=[pb.MemberInput(user_id="bob")])
        )
    token = (await ann.call(pb.ListCallEventsRequest(type="default", id="a", page_size=1))).next_page_token

    for caller, id_ in ((ann, "b"), (desk.caller("bob"), "a")):
        error = await caller.refused(pb.ListCallEventsRequest(type="default", id=id_, page_token=token))
        assert (error.reason, list(error.fields)) == ("BAD_PAGE_TOKEN", ["page_token"])


async def test_W10_a_service_gets_every_event_once_and_then_waits(desk: Desk, ann: Caller) -> None:
    service = desk.caller(role="service")
    empty = await service.call(pb.ListEventsRequest())
    assert not empty.events
    await make(desk, ann, "a", "b", "c")

    seen, token = [], empty.next_token
    while True:
        answer = await service.call(pb.ListEventsRequest(after_token=token, page_size=2))
        assert answer.next_token
        token = answer.next_token
        if not answer.events:
            break
        seen += [event.cid for event in answer.events]
    assert seen == ["default:a", "default:b", "default:c"]
    assert [event.cid for event in (await service.call(pb.ListEventsRequest())).events] == seen
    await make(desk, ann, "d")
    assert [event.cid for event in (await service.call(pb.ListEventsRequest(after_token=token))).events] == [
        "default:d"
    ]


async def test_W10_only_a_service_that_names_no_user_lists_every_event(desk: Desk, ann: Caller) -> None:
    for caller in (ann, desk.caller("ann", role="service"), desk.caller("ann", role="admin")):
        error = await caller.refused(pb.ListEventsRequest())
        assert (error.code, error.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")


async def test_a_damaged_events_token_is_refused(desk: Desk, ann: Caller) -> None:
    service = desk.caller(role="service")
    await make(desk, ann, "a")
    token = (await service.call(pb.ListEventsRequest())).next_token
    lists = (await service.call(pb.ListCallsRequest(page_size=1))).next_page_token
    for bad in [*damage(token), *([lists] if lists else [])]:
        error = await service.refused(pb.ListEventsRequest(after_token=bad))
        assert (error.code, error.reason, list(error.fields)) == ("INVALID_ARGUMENT", "BAD_PAGE_TOKEN", ["after_token"])


async def test_W10_a_token_older_than_what_is_kept_says_so(
    desk: Desk, ann: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = desk.caller(role="service")
    token = (await service.call(pb.ListEventsRequest())).next_token
    await make(desk, ann, "a", "b", "c")

    class Pruned:
        """The events up to the second are not kept any more."""

        def head(self) -> int:
            return 3

        def oldest(self) -> tuple[int, int]:
            return 3, 1_700_000_000_000_000

        def events(self, after: int, limit: int) -> list[tuple[int, Event]]:
            return [(3, Event(1, EventType.CALL_CREATED, 1, "default:c", "uid", 1, 1))]

    async def read(work: Any) -> Any:  # noqa: ANN401 -- whatever the work returns
        return work(Pruned())

    monkeypatch.setattr(desk.store, "read", read)

    error = await service.refused(pb.ListEventsRequest(after_token=token))
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "EVENTS_GONE")
    assert error.metadata == {"oldest_time": "2023-11-14T22:13:20Z"}
    anew = await service.call(pb.ListEventsRequest())
    assert [event.cid for event in anew.events] == ["default:c"]


async def test_C6_a_page_of_events_ends_before_2_MiB(desk: Desk, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(desk, ann, "a", "b")
    monkeypatch.setattr("ringline_server.api.events.MAX_PAGE_BYTES", 1)
    service = desk.caller(role="service")

    first = await service.call(pb.ListEventsRequest())
    second = await service.call(pb.ListEventsRequest(after_token=first.next_token))

    assert [event.cid for event in (*first.events, *second.events)] == ["default:a", "default:b"]


async def test_lists_read_what_was_just_written(desk: Desk, ann: Caller) -> None:
    await make(desk, ann, "a")
    assert await pages(ann) == [["a"]]
