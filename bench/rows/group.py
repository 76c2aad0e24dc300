"""A call of 500: until the last one is told of a ring, and what it costs when all of them answer."""

from __future__ import annotations

import base64
import json
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench import generator
from bench.plan import Plan, progress
from bench.row import Row, measured, missing
from bench.servers import WIRES, Running, floor, floor_of, ringline, running
from bench.verdict import at_most

GOAL = at_most(1.5)
PADDING = 0x3A
"""The tag of WatchCallsResponse.resume_token, of which the last one counts."""


def measure(plan: Plan) -> Iterator[Row]:
    members = plan.choose(500, 50)
    ring = f"ring to the last of {members} told, ms"
    answer = f"{members} ring and all answer within 2 s, CPU s"
    for wire in WIRES:
        if wire in plan.lacking:
            yield missing(ring, wire, GOAL, plan.lacking[wire])
            yield missing(answer, wire, GOAL, plan.lacking[wire])
            continue
        progress(f"a call of {members} over {wire}")
        with running(ringline(wire, plan.database(f"group-{wire}"))) as server:
            recorded = generator.record(server, plan.folder / f"group-{wire}.json", members)
            with running(floor(floor_of(wire, durable=False), plan.folder / f"group-{wire}.json", plan.folder)) as bare:
                values, floors = plan.rounds_of([partial(told, plan, one, members) for one in (server, bare)])
            yield measured(ring, wire, GOAL, values, floors)
            values, floors = [], []
            for _ in range(plan.rounds):
                cpu, done = answered(server, members, count=0)
                progress("  {messages} messages, {bytes} bytes, all over after {seconds:.1f} s".format(**done))
                values.append(cpu)
                floors.append(same_bytes(plan, wire, members, recorded, done))
            yield measured(answer, wire, GOAL, values, floors)


def told(plan: Plan, server: Running, members: int) -> float:
    """Return the milliseconds from a ring until the last member is told, the median of some."""
    with generator.load("ring", server, members=members, count=plan.choose(3, 2)) as load:
        return float(statistics.median(load.go_on()["latencies"]))


def answered(server: Running, members: int, count: int) -> tuple[float, dict[str, Any]]:
    """Return CPU seconds of the server, and what the streams carried."""
    with generator.load("answer", server, members=members, count=count, seconds=2) as load:
        cpu = server.cpu()
        done = load.go_on()
        return server.cpu() - cpu, done


def same_bytes(plan: Plan, wire: str, members: int, recorded: dict[str, dict[str, str]], done: dict[str, Any]) -> float:
    """Return CPU seconds of the floor for as many messages of the same size.

    Each of the answers sends a whole number of them: the nearest. Their size makes up for it.
    """
    each = max(round(done["messages"] / (members - 1)), 1)
    total = each * (members - 1)
    message = padded(base64.b64decode(plan.recorded()["GetOrCreateCall"]["message"]), done["bytes"] // total)
    canned = {
        **recorded,
        "JoinCall": {**recorded["JoinCall"], "message": base64.b64encode(message).decode(), "told": each},
    }
    path = Path(plan.folder / f"answer-{wire}.json")
    path.write_text(json.dumps(canned), encoding="utf-8")
    with running(floor(floor_of(wire, durable=False), path, plan.folder)) as bare:
        return answered(bare, members, count=total)[0]


def padded(message: bytes, size: int) -> bytes:
    """Return the message made longer by a resume token, about as long as wanted."""
    length = max(size - len(message) - 4, 0)
    varint = bytearray()
    left = length
    while left >= 0x80:
        varint.append(left & 0x7F | 0x80)
        left >>= 7
    varint.append(left)
    return message + bytes([PADDING]) + bytes(varint) + b"0" * length
