"""The conformance driver for Python does what conformance/protocol.md says."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.host import Server

DRIVER = Path(__file__).parents[2] / "conformance" / "drivers" / "python" / "driver.py"

Json = dict[str, Any]


class Driver:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._ids = iter(range(1, 1_000_000))
        self._unread: list[Json] = []

    def send(self, op: str, **command: object) -> int:
        assert self.process.stdin is not None
        id_ = next(self._ids)
        self.process.stdin.write(json.dumps({"id": id_, "op": op, **command}).encode() + b"\n")
        return id_

    async def report(self, matches: Callable[[Json], bool]) -> Json:
        """Return the first report that matches; the others stay."""
        for earlier in self._unread:
            if matches(earlier):
                self._unread.remove(earlier)
                return earlier
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                report: Json = json.loads(line)
                if matches(report):
                    return report
                self._unread.append(report)
        raise AssertionError("the driver has ended")

    async def do(self, op: str, **command: object) -> Json:
        id_ = self.send(op, **command)
        return await self.report(lambda report: report.get("id") == id_)

    async def of(self, **key: str) -> Json:
        """Return the next report of a watch or follow."""
        return await self.report(lambda report: key.items() <= report.items())


@asynccontextmanager
async def driver() -> AsyncIterator[Driver]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, DRIVER, stdin=pipe, stdout=pipe, limit=1 << 24)
    try:
        yield Driver(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0, "it ends well when stdin does"


@pytest.fixture
async def run() -> AsyncIterator[Driver]:
    async with driver() as running:
        yield running


MEMBERS = {"members": [{"userId": "myself"}, {"userId": "my friend"}]}


async def test_the_stubs_part_does_what_the_protocol_says(run: Driver, server: Server) -> None:
    hello = await run.do("hello")
    assert (hello["language"], hello["sdk"]) == ("python", True)
    assert set(hello["versions"]) == {"grpc", "protobuf"}

    user = base64.b64encode("李雷".encode()).decode()
    assert await run.do("connect", client="c", address=server.address, metadata={"x-user-id-bin": user}) == {"id": 2}
    watch = await run.do("watch", client="c", watch="w", request={"heartbeatInterval": "5s"})
    assert watch == {"id": 3}
    first = await run.of(watch="w")
    assert first["message"]["snapshotComplete"] == {}
    data = {"members": [{"userId": "李雷"}, {"userId": "bob"}]}
    request = {"type": "default", "id": "x", "ring": True, "data": data}
    made = await run.do("unary", client="c", method="GetOrCreateCall", request=request, timeout=5)
    assert (made["response"]["created"], made["response"]["call"]["state"]) == (True, "CALL_STATE_RINGING")
    change = (await run.of(watch="w"))["message"]["change"]
    assert (change["kind"], change["viewer"]["userId"]) == ("CHANGE_KIND_ADDED", "李雷")

    assert set(await run.do("pause", watch="w")) == {"id"}
    assert set(await run.do("resume", watch="w")) == {"id"}
    assert set(await run.do("cancel", watch="w")) == {"id"}
    assert (await run.of(watch="w"))["end"]["code"] == "CANCELLED"

    bad = await run.do("unary", client="c", method="RingCall", request={"type": "default", "id": "x", "userIds": ["z"]})
    error = bad["error"]
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", "NOT_A_MEMBER")
    assert (error["fields"], error["metadata"]["user_id"]) == (["user_ids[0]"], "z")
    assert "retryAfter" not in error
    assert set(await run.do("close", client="c")) == {"id"}


async def test_the_sdk_part_does_what_the_protocol_says(run: Driver, server: Server) -> None:
    for client, user in (("m", "myself"), ("f", "my friend")):
        await run.do("sdk.connect", client=client, address=server.address, user=user, device="phone")
    assert set(await run.do("sdk.follow", client="f", follow="l", args={})) == {"id"}
    assert (await run.of(follow="l"))["calls"] == []

    async def verb(client: str, name: str, **args: object) -> Json:
        return await run.do("sdk.do", client=client, verb=name, type="default", callId="lunch", args=args)

    rung = (await verb("m", "getOrCreate", ring=True, data=MEMBERS))["result"]
    assert rung | {"uid": "", "ringId": ""} == {
        "cid": "default:lunch",
        "uid": "",
        "revision": 1,
        "state": "RINGING",
        "callingState": "RINGING",
        "direction": "OUTGOING",
        "createdByMe": True,
        "ringId": "",
        "secondsLeft": pytest.approx(30, abs=1),
    }
    (shown,) = (await run.of(follow="l"))["calls"]
    assert (shown["direction"], shown["ringId"]) == ("INCOMING", rung["ringId"])

    joined = (await verb("f", "join"))["result"]
    assert joined["participant"] == {"userId": "my friend", "deviceId": "phone"}
    assert (await run.of(follow="l"))["calls"] == []
    late = (await verb("m", "cancel"))["error"]
    assert (late["code"], late["reason"], late["metadata"]["accepted_by"]) == (
        "FAILED_PRECONDITION",
        "ALREADY_ACCEPTED",
        "my friend",
    )
    assert (await verb("m", "leave", reject=True, reason="cancel"))["result"]["state"] == "ENDED"
    assert (await verb("m", "get", ring=True))["result"]["state"] == "RINGING"
    await run.of(follow="l")
    assert (await verb("f", "reject", reason="busy"))["result"]["state"] == "ENDED"
    assert (await run.of(follow="l"))["calls"] == []
    assert (await verb("m", "ring", userIds=["my friend"]))["result"]["state"] == "RINGING"
    assert (await verb("m", "update", custom={"a": 1}, updateMask="custom"))["result"]["revision"] > 1
    assert "result" in await verb("m", "updateMembers", upsertMembers=[{"userId": "bob"}], ring=True)
    assert "UNKNOWN" in (await verb("m", "join", deviceId="other"))["error"]["code"]
    assert (await verb("m", "end", reason="late"))["result"]["state"] == "ENDED"

    run.send("sdk.unfollow", follow="l")
    end = await run.report(lambda report: report.get("follow") == "l" and "end" in report)
    assert end["end"] == {"code": "OK"}
    await run.do("close", client="f")


async def test_a_command_does_not_wait_for_another(run: Driver, server: Server) -> None:
    await run.do("sdk.connect", client="nobody", address="127.0.0.1:1", user="x")
    waiting = run.send("sdk.do", client="nobody", verb="get", type="default", callId="x", args={})
    await run.do("connect", client="c", address=server.address, metadata={"x-user-id": "ann"})
    assert "error" in await run.do("unary", client="c", method="GetCall", request={"type": "default", "id": "x"})
    await run.do("close", client="nobody")
    assert "error" in await run.report(lambda report: report.get("id") == waiting)


async def test_a_follow_that_cannot_go_on_reports_why(run: Driver, server: Server) -> None:
    await run.do("sdk.connect", client="s", address=server.address, user="ann")
    await run.do("sdk.follow", client="s", follow="l", args={"callStates": ["CALL_STATE_ACTIVE"]})
    end = (await run.of(follow="l"))["end"]
    assert (end["code"], end["fields"]) == ("INVALID_ARGUMENT", ["call_states"])
