from __future__ import annotations

from pathlib import Path

import pytest

from conformance.runner.cases import CaseError, read_cases
from conformance.runner.steps import (
    Actor,
    Advance,
    AppDo,
    Asked,
    Refuse,
    Refused,
    Request,
    Sees,
    Server,
    Shows,
    Step,
    Watch,
)


def steps(folder: Path, *lines: str, title: str = "a story") -> list[Step]:
    text = f"# About something.\n\ncase {title}\n" + "".join(f"  {line}\n" for line in lines)
    (folder / "topic.txt").write_text(text)
    (case,) = read_cases(folder)
    return [line.step for line in case.lines]


def test_a_request_says_who_asks_for_what(tmp_path: Path) -> None:
    (step,) = steps(tmp_path, "my friend on phone: ring bob, carol and dave in default:a b {video: true}")
    members = [{"user_id": user} for user in ("my friend", "bob", "carol", "dave")]
    fields = {"ring": True, "data": {"members": members}, "video": True}
    assert step == Request(Actor("my friend", "phone"), "GetOrCreateCall", "default:a b", fields, None)


def test_actors_have_roles_teams_and_services(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        "admin root: get in default:x",
        "the service as alice on desk: get",
        "the service: list all events",
        "alice of team red: get",
        "as {x-role: king}: get",
    )
    assert [step.actor for step in found if isinstance(step, Request)] == [
        Actor("root", role="admin"),
        Actor("alice", "desk", "service"),
        Actor(role="service"),
        Actor("alice", team="red"),
        Actor("somebody", metadata=(("x-role", "king"),)),
    ]


def test_what_a_stream_sees(tmp_path: Path) -> None:
    seen, opened = steps(
        tmp_path,
        "bob's tablet sees REMOVED of default:standup left MISSED {cause: CALL_MISSED}",
        "bob on tablet watches as the second {cids: [default:standup]}",
    )
    expected = {
        "kind": "REMOVED",
        "viewer.calling_state": "LEFT",
        "stop_reason": "MISSED",
        "cause": "CALL_MISSED",
    }
    assert seen == Sees("bob's tablet", "change", "default:standup", expected)
    assert opened == Watch(Actor("bob", "tablet"), "the second", {"cids": ["default:standup"]}, settle=True)


def test_what_an_app_does_and_shows(tmp_path: Path) -> None:
    did, shows = steps(
        tmp_path,
        "bob's app on phone: leave default:x {reject: true}",
        "bob's app on phone shows default:a ringing; default:b {state: IDLE}",
        title="a story (needs sdk)",
    )
    assert did == AppDo("bob's app on phone", "leave", "default:x", {"reject": True})
    calls = ({"cid": "default:a", "calling_state": "RINGING"}, {"cid": "default:b", "state": "IDLE"})
    assert shows == Shows("bob's app on phone", calls)


def test_a_line_goes_on_in_an_indented_one(tmp_path: Path) -> None:
    refused, moved = steps(
        tmp_path, "refused with INVALID_FIELD naming type, data.members[1].role", "    {field: type}", "advance 2 min"
    )
    assert refused == Refused("INVALID_FIELD", {"field": "type"}, ("type", "data.members[1].role"))
    assert moved == Advance(120)


def test_what_the_server_is_made_to_do(tmp_path: Path) -> None:
    assert steps(
        tmp_path,
        "the server refuses GetCall for 1.5 s",
        "the server refuses WatchCalls with TOO_MANY_WATCHES for 3 s",
        "the server was asked GetCall 1 time",
        "the server was asked WatchCalls 20 times, not all at once",
        "restart the server on an empty disk",
        "restart as a server that repeats itself",
    ) == [
        Refuse("GetCall", "OVERLOADED", 1.5),
        Refuse("WatchCalls", "TOO_MANY_WATCHES", 3),
        Asked("GetCall", 1, apart=False),
        Asked("WatchCalls", 20, apart=True),
        Server("empty"),
        Server("repeating"),
    ]


@pytest.mark.parametrize(
    "line", ["bob dances", "bob's tablet sees PURPLE", "advance 3 weeks", "alice: ring", "answer {a: b", "answer {a b}"]
)
def test_a_line_that_says_nothing_known_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    with pytest.raises(CaseError, match=r"topic\.txt:4: "):
        steps(tmp_path, line)


def test_an_app_needs_its_mark(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="needs sdk"):
        steps(tmp_path, "bob's app follows")


def test_no_two_cases_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "topic.txt").write_text("case a\n  advance 1 s\ncase a\n  advance 1 s\n")
    with pytest.raises(CaseError, match="topic/a"):
        read_cases(tmp_path)
