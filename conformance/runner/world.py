"""What a case acts on: one server with its clock, a driver, and a proxy for each client."""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.runner.languages import environment
from conformance.runner.process import Child, ChildError
from conformance.runner.proxy import Proxy
from conformance.runner.steps import Actor
from conformance.runner.values import START

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]

ANSWER_TIME = 12.0
"""Seconds in which a driver must have answered: more than the server's 10 s for a request without a deadline."""


NOTICE_TIME = 0.5
"""Seconds in which a server on the envoy wire has noticed that a client cancelled; on grpcio it is told in turn."""


class Mismatch(Exception):
    """What happened is not what the case expects."""


class Server:
    """The control program, and the server that it runs at the moment."""

    def __init__(self, wire: str) -> None:
        self._wire = wire
        self._child: Child | None = None
        self._now = START
        self._database = Path()
        self.port: int | None = None

    async def begin(self, folder: Path) -> None:
        """Start a new server on a new file."""
        self._database = folder / "ringline.db"
        self._now = START
        await self.start()

    async def start(self, kind: str = "") -> None:
        """Start the server on the same file, at the time it was stopped; or one that is of another kind."""
        if self._child is None or not self._child.is_alive:
            self._child = Child("the control program", lambda _: None)
            command = [sys.executable, "-m", "conformance.control"]
            await self._child.start(command, ROOT, environment())
        answer = await self._ask("start", database=str(self._database), now=self._now, wire=self._wire, kind=kind)
        self.port = answer["port"]

    async def stop(self) -> None:
        """Stop it in good order: streams are told to go elsewhere."""
        await self._ask("stop")
        self.port = None

    async def crash(self) -> None:
        """Kill the process."""
        if self._child is not None:
            await self._child.kill()
        self._child, self.port = None, None

    async def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._now = (await self._ask("advance", seconds=seconds))["now"]

    async def notice(self) -> None:
        """Wait until it knows that a client has cancelled."""
        if self._wire == "envoy":
            await asyncio.sleep(NOTICE_TIME)

    def forget(self) -> None:
        """Take a new file from the next start on."""
        self._database = self._database.with_name(f"next-{self._database.name}")

    async def refuse(self, method: str, reason: str, seconds: float) -> None:
        """Refuse a method for so many real seconds, and count from now on who asks for it."""
        await self._ask("refuse", method=method, reason=reason, seconds=seconds)

    async def asked(self, method: str) -> tuple[int, list[float]]:
        """Return how many it has refused, and when others came, in seconds."""
        answer = await self._ask("asked", method=method)
        return answer["refused"], answer["served"]

    async def close(self) -> None:
        """End the program."""
        if self._child is not None:
            await self._child.end()

    async def _ask(self, op: str, **fields: object) -> Json:
        if self._child is None:
            raise Mismatch(f"the server does not run: cannot {op}")
        answer = await self._child.ask(op, 60, **fields)
        if "error" in answer:
            raise Mismatch(f"the server cannot {op}: {answer['error']}")
        return answer


@dataclass(slots=True)
class Inbox:
    """What a stream or a followed list has reported: messages in order, at last an end."""

    name: str
    client: str
    request: Json = field(default_factory=dict)
    actor: Actor | None = None
    reports: list[Json] = field(default_factory=list)
    read: int = 0
    token: str = ""
    end: Json | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, report: Json) -> None:
        """Keep a report of the driver."""
        if "end" in report:
            self.end = report["end"]
        else:
            self.reports.append(report)
        self._news.set()

    async def until(self, found: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; return whether it came to be."""
        until = time.monotonic() + seconds
        while not found():
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(until - time.monotonic(), 0.001))
            except TimeoutError:
                return found()
        return True


class World:
    """One case's server, clients and streams."""

    def __init__(self, driver: Child, server: Server) -> None:
        self.driver = driver
        self.server = server
        self.inboxes: dict[str, Inbox] = {}
        """By the name that the driver knows."""
        self._clients: dict[tuple[str, Actor | None], str] = {}
        self._proxies: dict[str, Proxy] = {}
        self._count = 0
        self._folder = tempfile.TemporaryDirectory(prefix="ringline-conformance-")

    async def begin(self) -> None:
        """Start the server."""
        self.driver.on_report = self._take
        await self.server.begin(Path(self._folder.name))

    async def close(self) -> None:
        """Close the clients, then stop the server."""
        try:
            for name in self._clients.values():
                if self.driver.is_alive:
                    await self.driver.ask("close", ANSWER_TIME, client=name)
        finally:
            for proxy in self._proxies.values():
                await proxy.stop()
            if self.server.port is not None:
                await self.server.stop()
            self._folder.cleanup()

    def _take(self, report: Json) -> None:
        name = report.get("watch") or report.get("follow")
        if (inbox := self.inboxes.get(str(name))) is not None:
            inbox.take(report)

    def new_name(self) -> str:
        """Return a name that no client, stream or list has had."""
        self._count += 1
        return f"{id(self) % 100_000}-{self._count}"

    async def proxy(self, label: str) -> Proxy:
        """Return the proxy of a client."""
        if label not in self._proxies:
            proxy = self._proxies[label] = Proxy(lambda: self.server.port)
            await proxy.start()
        return self._proxies[label]

    def known_proxy(self, label: str) -> Proxy:
        """Return the proxy of a client that has connected. Raises Mismatch."""
        if label not in self._proxies:
            raise Mismatch(f"{label!r} has not connected; there are: {', '.join(self._proxies) or 'none'}")
        return self._proxies[label]

    def forget_clients(self, label: str = "") -> None:
        """Connect anew for what follows: nobody's backoff is part of a case on stubs."""
        for key in [key for key in self._clients if key[1] is not None and key[0] in (label or key[0])]:
            # The old client lives on under another key, so that it is closed at the end.
            self._clients[f"old {self.new_name()}", None] = self._clients.pop(key)

    async def stub_client(self, actor: Actor) -> str:
        """Return the driver's name for a client on stubs, made if there is none."""
        if (known := self._clients.get((actor.label, actor))) is not None:
            return known
        return await self._connect(actor.label, actor, "connect", metadata=metadata(actor))

    async def app_client(self, app: str) -> str:
        """Return the driver's name for an app, made if there is none."""
        if (known := self._clients.get((app, None))) is not None:
            return known
        user, _, device = app.partition("'s app")
        device = device.removeprefix(" on ")
        return await self._connect(app, None, "sdk.connect", user=user, device=device or "app")

    async def _connect(self, label: str, actor: Actor | None, op: str, **fields: str | dict[str, str]) -> str:
        name = self.new_name()
        address = f"127.0.0.1:{(await self.proxy(label)).port}"
        await self.ask(op, ANSWER_TIME, client=name, address=address, **fields)
        self._clients[label, actor] = name
        return name

    async def ask(self, op: str, wait: float = ANSWER_TIME, **fields: object) -> Json:
        """Ask the driver for what can only fail if the driver is wrong. Raises Mismatch."""
        answer = await self.try_(op, wait, **fields)
        if "error" in answer:
            raise Mismatch(f"{op} failed in the driver: {answer['error']}")
        return answer

    async def try_(self, op: str, wait: float = ANSWER_TIME, **fields: object) -> Json:
        """Ask the driver. Raises Mismatch."""
        try:
            return await self.driver.ask(op, wait, **fields)
        except ChildError as error:
            raise Mismatch(str(error)) from error


def metadata(actor: Actor) -> dict[str, str]:
    """Return what an actor's RPCs carry; what is not ASCII goes as bytes."""
    if actor.metadata is not None:
        return dict(actor.metadata)
    named = {"x-user-id": actor.user, "x-device-id": actor.device}
    found: dict[str, str] = {}
    for key, value in named.items():
        if value.isascii() and value:
            found[key] = value
        elif value:
            found[key + "-bin"] = base64.b64encode(value.encode()).decode()
    if actor.role:
        found["x-role"] = actor.role
    if actor.team:
        found["x-teams"] = actor.team
    return found
