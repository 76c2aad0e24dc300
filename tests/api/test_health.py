"""Health, as load balancers ask for it."""

from __future__ import annotations

import asyncio

import pytest
from grpc_health.v1 import health_pb2 as pb

from ringline_server.api.port import Code, RpcError
from tests.api.desk import Desk, context, requests

HEALTH = "/grpc.health.v1.Health/"
STATUS = pb.HealthCheckResponse
SERVICES = ["", "ringline.v1.CallService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]


async def check(desk: Desk, service: str) -> int:
    data = pb.HealthCheckRequest(service=service).SerializeToString()
    answer = await desk.rpcs.unary[HEALTH + "Check"](context(HEALTH + "Check"), data)
    return int(STATUS.FromString(answer).status)


class Watch:
    def __init__(self, desk: Desk, service: str) -> None:
        self.told: list[int] = []
        data = pb.HealthCheckRequest(service=service).SerializeToString()
        rpc = desk.rpcs.server_stream[HEALTH + "Watch"]

        async def run() -> None:
            await rpc(context(HEALTH + "Watch"), requests(data), self._take)

        self.task = asyncio.create_task(run())

    async def _take(self, message: bytes) -> None:
        self.told.append(int(STATUS.FromString(message).status))


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_server_says_whether_it_serves_service_by_service(desk: Desk, service: str) -> None:
    assert await check(desk, service) == STATUS.NOT_SERVING
    desk.health.set_serving(True)
    assert await check(desk, service) == STATUS.SERVING


async def test_a_service_that_is_not_here_is_not_found(desk: Desk) -> None:
    with pytest.raises(RpcError) as raised:
        await check(desk, "x")
    assert raised.value.code is Code.NOT_FOUND


async def test_a_watch_is_told_every_change_and_ends_with_the_server(desk: Desk) -> None:
    watch, unknown = Watch(desk, ""), Watch(desk, "x")
    await turn()
    for serving in (True, True, False, True):
        desk.health.set_serving(serving)
        await turn()
    desk.health.stop()
    await asyncio.wait_for(asyncio.gather(watch.task, unknown.task), 5)

    assert watch.told == [
        STATUS.NOT_SERVING,
        STATUS.SERVING,
        STATUS.NOT_SERVING,
        STATUS.SERVING,
        STATUS.NOT_SERVING,
    ]
    assert unknown.told == [STATUS.SERVICE_UNKNOWN]


async def test_list_tells_of_all_services(desk: Desk) -> None:
    desk.health.set_serving(True)
    answer = await desk.rpcs.unary[HEALTH + "List"](context(HEALTH + "List"), b"")
    statuses = pb.HealthListResponse.FromString(answer).statuses
    assert set(SERVICES) < set(statuses)
    assert all(one.status == STATUS.SERVING for one in statuses.values())


async def test_X5_bytes_that_are_no_request_are_refused(desk: Desk) -> None:
    with pytest.raises(RpcError) as raised:
        await desk.rpcs.unary[HEALTH + "Check"](context(HEALTH + "Check"), b"\xff")
    assert raised.value.code is Code.INVALID_ARGUMENT
