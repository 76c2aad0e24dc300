"""The floor ``weekend``: what a good engineer writes instead of Ringline, in a weekend.

FastAPI, a WebSocket for each device, SQLite through aiosqlite. A call is a row; whoever changes it names the state
that it must be in, so one of two racing requests wins. An answer goes out when it is on the disk, and whatever came
meanwhile shares the commit. It has no deadlines, no snapshots, no resume, no request ids, no limits and no history.

    DATABASE=file python -m bench.floors.weekend
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiosqlite
import orjson
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

SCHEMA = "CREATE TABLE calls (id TEXT PRIMARY KEY, state TEXT, version INTEGER, caller TEXT, members TEXT, at REAL)"
RING = "INSERT INTO calls VALUES (?, 'ringing', 1, ?, ?, ?) RETURNING *"
CHANGE = "UPDATE calls SET state = ?, version = version + 1, at = ? WHERE id = ? AND state = ? RETURNING *"


class NewCall(BaseModel):  # type: ignore[misc]  # FastAPI and pydantic are not where types are checked
    """Whom to ring, in a call of this name."""

    id: str
    members: list[str]


class Calls:
    """The table of calls; every change is durable when it returns."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._committed: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def change(self, statement: str, *values: object) -> dict[str, Any] | None:
        """Run a statement that returns the row it changed; None if there was none in the right state."""
        rows = list(await self._connection.execute_fetchall(statement, values))
        await self._durable()
        if not rows:
            return None
        row = rows[0]
        return {"id": row[0], "state": row[1], "version": row[2], "caller": row[3], "members": orjson.loads(row[4])}

    async def _durable(self) -> None:
        """Wait for a commit that begins after now; all who wait share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._commit(self._committed))
        await asyncio.shield(self._next)

    async def _commit(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        self._committed, self._next = self._next, None
        await self._connection.commit()


class App:
    """The routes."""

    def __init__(self) -> None:
        self._sockets: defaultdict[str, list[WebSocket]] = defaultdict(list)
        self._calls: Calls
        self.routes: FastAPI = FastAPI(lifespan=self._life)
        self.routes.add_api_route("/calls", self.ring, methods=["POST"])
        self.routes.add_api_route("/calls/{name}/accept", self.accept, methods=["POST"])
        self.routes.add_api_route("/calls/{name}/end", self.end, methods=["POST"])
        self.routes.add_api_websocket_route("/watch", self.watch)

    @asynccontextmanager
    async def _life(self, app: FastAPI) -> AsyncIterator[None]:
        async with aiosqlite.connect(os.environ["DATABASE"]) as connection:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute(SCHEMA)
            self._calls = Calls(connection)
            yield

    async def watch(self, socket: WebSocket) -> None:
        await socket.accept()
        user = socket.headers["x-user-id"]
        self._sockets[user].append(socket)
        try:
            while True:
                await socket.receive_bytes()
        except WebSocketDisconnect:
            self._sockets[user].remove(socket)

    async def ring(self, new: NewCall, x_user_id: Annotated[str, Header()]) -> Response:
        members = orjson.dumps(new.members).decode()
        call = await self._calls.change(RING, new.id, x_user_id, members, time.time())
        return await self._told("added", call)

    async def accept(self, name: str, x_user_id: Annotated[str, Header()]) -> Response:
        call = await self._calls.change(CHANGE, "accepted", time.time(), name, "ringing")
        return await self._told("removed", call)

    async def end(self, name: str, x_user_id: Annotated[str, Header()]) -> Response:
        call = await self._calls.change(CHANGE, "ended", time.time(), name, "accepted")
        return await self._told("", call)

    async def _told(self, kind: str, call: dict[str, Any] | None) -> Response:
        if call is None:
            raise HTTPException(409)
        if kind:
            text = orjson.dumps({"kind": kind, "call": call}).decode()
            for user in call["members"]:
                for socket in self._sockets[user]:
                    await socket.send_text(text)
        return Response(orjson.dumps(call), media_type="application/json")


class Server(uvicorn.Server):  # type: ignore[misc]
    """Says where it serves."""

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 -- as in its base
        await super().startup(sockets)
        print(f"serving on 127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    Server(uvicorn.Config(App().routes, port=0, log_level="warning", access_log=False)).run()
