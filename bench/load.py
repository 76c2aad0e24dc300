"""How many 1:1 calls a second, and how long from ring to callee: Ringline beside a server that does nothing.

    python bench/load.py [--pairs 16] [--seconds 10]

Each pair of users rings, accepts and leaves, over and over: three unary RPCs, and on each side's stream ADDED and
REMOVED. The floor is a grpc.aio server that answers the same RPCs and sends the same messages, as canned bytes, with
no rules, no rows and no disk; Ringline is measured on both of its wires. Each runs in processes of its own, one after
the other, under the same client; compare the ratios, not the figures of two runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import grpc
import psutil

from ringline.v1 import call_pb2, call_service_pb2, call_service_pb2_grpc

HERE = Path(__file__).parent


Figures = tuple[float, float, float, float]
"""Calls a second, median and 99th percentile of ring to callee in ms, CPU ms of the server a call."""


class Pair:
    """Two users who call each other's phone for ever."""

    def __init__(self, channel: grpc.aio.Channel, number: int) -> None:
        self.stub = call_service_pb2_grpc.CallServiceStub(channel)
        self.number = number
        self.calls = 0
        self.latencies: list[float] = []
        self._rung = asyncio.Event()
        self._stopped = asyncio.Event()
        self._rang_at = 0.0

    def _metadata(self, side: str) -> list[tuple[str, str]]:
        return [("x-user-id", f"{side}-{self.number}"), ("x-device-id", "phone")]

    async def watch(self) -> None:
        """Hold the callee's stream."""
        request = call_service_pb2.WatchCallsRequest()
        async for message in self.stub.WatchCalls(request, metadata=self._metadata("callee")):
            kind = message.change.kind
            if kind == call_service_pb2.CHANGE_KIND_ADDED:
                self.latencies.append(time.perf_counter() - self._rang_at)
                self._rung.set()
            elif kind == call_service_pb2.CHANGE_KIND_REMOVED:
                self._stopped.set()

    async def watch_as_caller(self) -> None:
        """Hold the caller's stream, as a phone does."""
        request = call_service_pb2.WatchCallsRequest()
        async for _ in self.stub.WatchCalls(request, metadata=self._metadata("caller")):
            pass

    async def call(self, until: float) -> None:
        """Ring, accept and leave until the time is up."""
        caller, callee = f"caller-{self.number}", f"callee-{self.number}"
        members = [call_service_pb2.MemberInput(user_id=user) for user in (caller, callee)]
        while time.perf_counter() < until:
            name = f"{self.number}-{self.calls}"
            self._rung.clear()
            self._stopped.clear()
            self._rang_at = time.perf_counter()
            await self.stub.GetOrCreateCall(
                call_service_pb2.GetOrCreateCallRequest(
                    type="default", id=name, ring=True, data=call_service_pb2.CallData(members=members)
                ),
                metadata=self._metadata("caller"),
            )
            await self._rung.wait()
            await self.stub.JoinCall(
                call_service_pb2.JoinCallRequest(type="default", id=name), metadata=self._metadata("callee")
            )
            await self._stopped.wait()
            await self.stub.LeaveCall(
                call_service_pb2.LeaveCallRequest(type="default", id=name), metadata=self._metadata("caller")
            )
            self.calls += 1


def cpu_seconds(server: psutil.Process) -> float:
    """Return the CPU time of the server, and of the child that serves on the envoy wire."""
    return sum(sum(process.cpu_times()[:2]) for process in (server, *server.children()))


async def measure(address: str, server: psutil.Process, pairs: int, seconds: float) -> Figures:
    """Let the pairs call each other for so long."""
    channels = [grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)]
    all_pairs = [Pair(channels[number % 4], number) for number in range(pairs)]
    watches = [asyncio.create_task(w) for pair in all_pairs for w in (pair.watch(), pair.watch_as_caller())]
    await asyncio.sleep(0.5)
    start, cpu = time.perf_counter(), cpu_seconds(server)
    await asyncio.gather(*(pair.call(start + seconds) for pair in all_pairs))
    took, cpu = time.perf_counter() - start, cpu_seconds(server) - cpu
    for task in watches:
        task.cancel()
    await asyncio.gather(*watches, return_exceptions=True)
    for channel in channels:
        await channel.close(None)
    calls = sum(pair.calls for pair in all_pairs)
    latencies = sorted(latency * 1000 for pair in all_pairs for latency in pair.latencies)
    return calls / took, statistics.median(latencies), latencies[int(len(latencies) * 0.99)], cpu * 1000 / calls


async def run(command: list[str], pairs: int, seconds: float) -> Figures:
    """Start a server that prints its address, and measure it."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    address = line.split("serving on ")[1].split()[0]
    try:
        return await measure(address, psutil.Process(process.pid), pairs, seconds)
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        python = sys.executable
        serve = [python, "-m", "ringline_server", "serve", "--listen", "127.0.0.1:0", "--log-level", "warning"]
        results = {"floor": await run([python, str(HERE / "floor.py")], arguments.pairs, arguments.seconds)}
        for wire in ("grpcio", "envoy"):
            command = [*serve, "--wire", wire, "--database", str(Path(folder, f"{wire}.db"))]
            results[wire] = await run(command, arguments.pairs, arguments.seconds)
    print(f"{arguments.pairs} pairs, {arguments.seconds:.0f} s each")
    for name, (rate, median, high, cpu) in results.items():
        print(
            f"{name:10}{rate:8.0f} calls/s   ring to callee {median:6.1f} ms, p99 {high:6.1f}   {cpu:6.2f} CPU ms/call"
        )
    for name in ("grpcio", "envoy"):
        ratios = [b / a for a, b in zip(results["floor"], results[name], strict=True)]
        print("{:7}/ floor {:6.2f}          {:20.2f}         {:6.2f}  {:6.2f}".format(name, *ratios))


if __name__ == "__main__":
    assert call_pb2.DESCRIPTOR is not None
    asyncio.run(main())
