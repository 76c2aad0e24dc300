"""``ringline-server serve`` as a process: what it prints, how it stops, and how it refuses to start."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psutil
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from ringline.v1 import call_service_pb2 as pb
from ringline.v1.call_service_pb2_grpc import CallServiceStub
from ringline_server.app.scheduling import work_in_batches
from tests.app.process import command, serving

BOTH_WIRES = pytest.mark.parametrize("wire", ["grpcio", "envoy"])
MYSELF = (("x-user-id", "myself"),)
FRIEND = (("x-user-id", "my friend"),)


async def ring(port: int) -> pb.GetOrCreateCallResponse:
    members = [pb.MemberInput(user_id="myself"), pb.MemberInput(user_id="my friend")]
    request = pb.GetOrCreateCallRequest(type="default", id="lunch", ring=True, data=pb.CallData(members=members))
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        return await CallServiceStub(channel).GetOrCreateCall(request, metadata=MYSELF, timeout=10)


@BOTH_WIRES
async def test_stdout_is_one_line_with_the_port_and_rpcs_are_served_on_it(wire: str, tmp_path: Path) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        assert server.first_line == f"ringline-server: serving on 127.0.0.1:{server.port} (database ringline.db)\n"
        assert (await ring(server.port)).created
        server.process.send_signal(signal.SIGTERM)
        status, out, _ = await server.end()
    assert (status, out) == (0, "")
    assert (tmp_path / "ringline.db").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's scheduler")
@BOTH_WIRES
async def test_no_thread_of_the_server_interrupts_another(wire: str, tmp_path: Path) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        command = psutil.Process(server.process.pid)
        policies = []
        for process in (command, *command.children()):
            for thread in process.threads():
                with contextlib.suppress(ProcessLookupError):
                    policies.append(os.sched_getscheduler(thread.id))
        assert len(policies) > 3
        assert set(policies) == {os.SCHED_BATCH}


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's scheduler")
def test_what_the_operator_has_chosen_of_the_scheduler_stays() -> None:
    script = """
import os
from ringline_server.app.scheduling import work_in_batches
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
work_in_batches()
print(os.sched_getscheduler(0) == os.SCHED_IDLE)
"""
    assert subprocess.check_output([sys.executable, "-c", script]) == b"True\n"


def test_a_scheduler_that_cannot_be_asked_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_process: int) -> int:
        raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(os, "SCHED_BATCH", 3, raising=False)
    monkeypatch.setattr(os, "sched_getscheduler", forbidden, raising=False)
    work_in_batches()


def test_the_command_imports_no_server_until_it_knows_that_it_is_one() -> None:
    script = (
        "import sys, ringline_server.cli; print([one for one in ('grpc', 'google', 'aiosqlite') if one in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script]) == b"[]\n"


async def test_stderr_tells_a_newcomer_what_to_type_next(tmp_path: Path) -> None:
    async with serving("--log-format", "text", directory=tmp_path) as server:
        where = f"127.0.0.1:{server.port}"
        server.process.send_signal(signal.SIGINT)
        status, _, err = await server.end()
    assert status == 0
    assert str(tmp_path / "ringline.db") in err
    assert "identity  development" in err
    assert f"grpcurl -plaintext -H 'x-user-id: my friend' {where} ringline.v1.CallService/WatchCalls" in err
    assert f"{where} ringline.v1.CallService/GetOrCreateCall" in err
    assert f"http://{where}/ringline.v1.CallService/GetOrCreateCall" in err


async def test_the_lines_for_buf_curl_work_when_pasted_into_a_shell(tmp_path: Path) -> None:
    buf = shutil.which("buf", path=str(Path(sys.executable).parent))
    assert buf is not None
    async with serving("--log-format", "text", directory=tmp_path) as server:
        assert server.process.stderr is not None
        pasted: dict[str, str] = {}
        async with asyncio.timeout(20):
            while len(pasted) < 2 and (printed := (await server.process.stderr.readline()).decode().strip(" ")):
                if printed.startswith("buf curl"):
                    pasted[printed.strip().rpartition("/")[2]] = printed.replace("buf", buf, 1)
        watch = await asyncio.create_subprocess_shell("exec " + pasted["WatchCalls"], stdout=asyncio.subprocess.PIPE)
        assert watch.stdout is not None
        call = await asyncio.create_subprocess_shell(pasted["GetOrCreateCall"], stdout=asyncio.subprocess.PIPE)
        out, _ = await call.communicate()
        assert json.loads(out)["created"] is True
        seen = b""
        async with asyncio.timeout(20):
            while b"test-outgoing-call" not in seen and (line := await watch.stdout.readline()):
                seen += line
        assert b"test-outgoing-call" in seen
        watch.kill()
        await watch.wait()


@pytest.mark.parametrize("arguments", [[], ["--log-format", "json"], ["--wire", "envoy"]])
async def test_where_no_terminal_reads_it_stderr_is_nothing_but_json(arguments: list[str], tmp_path: Path) -> None:
    async with serving(*arguments, directory=tmp_path) as server:
        await ring(server.port)
        port = server.port
        server.process.send_signal(signal.SIGTERM)
        status, _, err = await server.end()
    assert status == 0
    lines = [json.loads(line) for line in err.splitlines()]
    events = [line["event"] for line in lines]
    assert events[-1] == "stopped"
    (serving_line,) = (line for line in lines if line["event"] == "serving")
    assert serving_line["listen"] == f"127.0.0.1:{port}"
    assert serving_line["database"] == str(tmp_path / "ringline.db")
    assert serving_line["identity"] == "development"


@BOTH_WIRES
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_W7_a_signal_says_not_serving_then_going_away_then_ok_and_the_exit_status_is_0(
    sent: signal.Signals, wire: str, tmp_path: Path
) -> None:
    arguments = ("--wire", wire)
    async with (
        serving(*arguments, directory=tmp_path) as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch = CallServiceStub(channel).WatchCalls(pb.WatchCallsRequest(), metadata=FRIEND)
        messages = aiter(watch)
        assert (await anext(messages)).HasField("snapshot_complete")
        server.process.send_signal(sent)
        async with asyncio.timeout(5):
            assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert [message.WhichOneof("event") async for message in messages] == ["going_away"]
            assert await watch.code() is grpc.StatusCode.OK
        status, _, _ = await server.end()
    assert status == 0


@BOTH_WIRES
async def test_W7_200_streams_all_end_with_going_away_and_OK(wire: str, tmp_path: Path) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        channels = [channel_of_its_own(server.port) for _ in range(4)]
        watches = []
        for number in range(200):
            user = (("x-user-id", f"user-{number}"),)
            stub = CallServiceStub(channels[number % 4])
            watches.append(aiter(stub.WatchCalls(pb.WatchCallsRequest(), metadata=user)))
        for watch in watches:
            assert (await anext(watch)).HasField("snapshot_complete")
        server.process.send_signal(signal.SIGTERM)

        async def rest(watch: AsyncIterator[pb.WatchCallsResponse]) -> list[str | None]:
            # It raises unless the status is OK.
            return [message.WhichOneof("event") async for message in watch]

        async with asyncio.timeout(20):
            assert await asyncio.gather(*map(rest, watches)) == [["going_away"]] * 200
        assert (await server.end())[0] == 0
        for channel in channels:
            await channel.close(None)


def channel_of_its_own(port: int) -> aio.Channel:
    return aio.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.use_local_subchannel_pool", 1),))


@BOTH_WIRES
async def test_a_second_signal_ends_it_at_once(wire: str, tmp_path: Path) -> None:
    async with (
        serving("--drain-grace", "60", "--wire", wire, directory=tmp_path) as server,
        aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        # A reflection stream that stays open holds up the drain.
        stream = ServerReflectionStub(channel).ServerReflectionInfo()
        await stream.write(ServerReflectionRequest(list_services=""))
        await stream.read()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert server.process.returncode is None
        server.process.send_signal(signal.SIGTERM)
        status, _, log = await server.end()
    assert status == 128 + signal.SIGTERM
    assert "stopped_at_once" in log


async def test_when_the_command_is_killed_Envoy_ends_too_and_when_Envoy_is_the_command_does(tmp_path: Path) -> None:
    async with serving("--wire", "envoy", directory=tmp_path) as server:
        (envoy,) = psutil.Process(server.process.pid).children()
        server.process.kill()
        await server.process.wait()
        gone, _ = psutil.wait_procs([envoy], timeout=5)
        assert gone
    async with serving("--wire", "envoy", directory=tmp_path) as server:
        (envoy,) = psutil.Process(server.process.pid).children()
        envoy.kill()
        status, _, err = await server.end()
        assert status == 1
        assert "Envoy has ended" in err


@BOTH_WIRES
async def test_what_was_told_before_a_stop_is_there_after_the_next_start(wire: str, tmp_path: Path) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        assert (await ring(server.port)).created
        server.process.send_signal(signal.SIGTERM)
        await server.end()
    async with serving(directory=tmp_path) as server:
        assert not (await ring(server.port)).created


async def refused(*arguments: str, directory: Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Start a server that cannot start; return its status and the one line that says why."""
    async with command("serve", *arguments, directory=directory, environment=environment) as process:
        status, out, err = await process.end()
    assert out == ""
    assert err.startswith("ringline-server: ")
    assert err.count("\n") == 1, err
    return status, err


@BOTH_WIRES
async def test_a_second_server_on_the_same_port_is_refused_in_words(wire: str, tmp_path: Path) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        address = f"127.0.0.1:{server.port}"
        arguments = ("--wire", wire, "--listen", address, "--database", "other.db")
        status, why = await refused(*arguments, directory=tmp_path)
    assert status == 1
    assert address in why
    assert "another program listens there" in why
    assert "--listen" in why


@BOTH_WIRES
async def test_a_second_server_on_the_same_database_is_refused_with_the_first_ones_process_id(
    wire: str, tmp_path: Path
) -> None:
    async with serving("--wire", wire, directory=tmp_path) as server:
        status, why = await refused("--listen", "127.0.0.1:0", "--wire", wire, directory=tmp_path)
        assert status == 1
        # On the envoy wire it is the command's child that has the file.
        holders = [server.process.pid, *(child.pid for child in psutil.Process(server.process.pid).children())]
        assert str(holders[-1]) in why
        assert "--database" in why
        assert (await ring(server.port)).created


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "said"),
    [
        (["--listen", "0.0.0.0:0"], {}, 2, "--insecure-dev-identity"),
        (["--wire", "http"], {}, 2, "grpcio or envoy"),
        (["--cors-origins", "*"], {}, 2, "need --wire envoy"),
        (["--wire", "envoy", "--tls-key", sys.executable], {}, 2, "go together"),
        (["--wire", "envoy", "--database", "missing/ringline.db", "--listen", "127.0.0.1:0"], {}, 1, "missing"),
        ([], {"RINGLINE_DRAIN_GRACE": "soon"}, 2, "RINGLINE_DRAIN_GRACE: 'soon' cannot be used"),
        (["--config", "nowhere.toml"], {}, 2, "--config: cannot read nowhere.toml"),
        (["--database", "missing/ringline.db", "--listen", "127.0.0.1:0"], {}, 1, "missing"),
        (["--listen", "no-such-host.invalid:0", "--insecure-dev-identity"], {}, 1, "there is no such host"),
    ],
)
async def test_what_cannot_start_says_why_in_one_line(
    arguments: list[str], environment: dict[str, str], status: int, said: str, tmp_path: Path
) -> None:
    got, why = await refused(*arguments, directory=tmp_path, environment=environment)
    assert (got, said in why) == (status, True), why


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "ringline.db").write_text("these are not the bytes of a database " * 100)
    status, why = await refused("--listen", "127.0.0.1:0", directory=tmp_path)
    assert status == 1
    assert "ringline.db" in why


async def test_identity_can_be_believed_elsewhere_when_that_is_meant(tmp_path: Path) -> None:
    async with serving("--listen", "0.0.0.0:0", "--insecure-dev-identity", directory=tmp_path) as server:
        assert (await ring(server.port)).created


async def test_a_variable_that_is_no_setting_is_logged(tmp_path: Path) -> None:
    async with serving(directory=tmp_path, environment={"RINGLINE_DATABSE": "x"}) as server:
        server.process.send_signal(signal.SIGTERM)
        _, _, err = await server.end()
    assert "RINGLINE_DATABSE" in err
