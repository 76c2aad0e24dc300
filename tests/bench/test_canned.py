from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bench.floors import canned
from bench.rows.group import padded
from ringline.v1 import call_service_pb2 as pb


def reply(told: int) -> canned.Reply:
    return canned.Reply(b"answer", b"message", told)


def test_all_streams_of_the_group_are_told_and_no_others() -> None:
    streams: canned.Streams[str] = canned.Streams()
    for name in ("one", "two"):
        streams.add("g1", name)
    streams.add("g2", "three")
    assert streams.told_by(canned.group_of("g1-caller"), reply(told=0)) == ["one", "two"]


def test_some_streams_are_told_in_turn() -> None:
    streams: canned.Streams[int] = canned.Streams()
    for number in range(5):
        streams.add("g", number)
    assert [streams.told_by("g", reply(told=2)) for _ in range(3)] == [[0, 1], [2, 3], [4, 0]]


def test_who_left_is_not_told() -> None:
    streams: canned.Streams[str] = canned.Streams()
    streams.add("g", "one")
    streams.add("g", "two")
    streams.remove("g", "one")
    assert streams.told_by("g", reply(told=0)) == ["two"]


def test_no_message_is_told_to_nobody() -> None:
    streams: canned.Streams[str] = canned.Streams()
    streams.add("g", "one")
    assert streams.told_by("g", canned.Reply(b"answer", b"", 0)) == []


def test_what_was_recorded_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "canned.json"
    path.write_text(json.dumps({"EndCall": {"answer": base64.b64encode(b"\0ended").decode()}}), encoding="utf-8")
    monkeypatch.setenv("CANNED", str(path))
    assert canned.load() == {"EndCall": canned.Reply(b"\0ended", b"", 0)}


@pytest.mark.parametrize("size", [100, 200, 1_000, 100_000])
def test_a_padded_message_has_the_size_and_can_still_be_read(size: int) -> None:
    message = pb.WatchCallsResponse(change=pb.CallChange(kind=pb.CHANGE_KIND_ADDED), resume_token="token")
    longer = padded(message.SerializeToString(), size)
    assert size - 4 <= len(longer) <= size
    assert pb.WatchCallsResponse.FromString(longer).change == message.change
