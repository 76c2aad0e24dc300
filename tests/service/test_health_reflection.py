"""Health and reflection, as load balancers and grpcurl ask for them, and the stop that goes with SIGTERM (W7)."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from ringline.v1 import call_service_pb2 as pb
from tests.service.host import Process, Server
from tests.service.phone import PATIENCE, Phone, refused

SERVICE = "ringline.v1.CallService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
VERSIONS = ("v1", "v1alpha")


@pytest.fixture
def phone(server: Server) -> Phone:
    return server.phone("ann")


def health(phone: Phone) -> health_pb2_grpc.HealthStub:
    return health_pb2_grpc.HealthStub(phone.channel)


@pytest.mark.parametrize(
    "service",
    ["", SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"],
)
async def test_health_tells_of_the_server_and_of_each_service_and_asks_for_no_identity(
    phone: Phone, service: str
) -> None:
    answer = await health(phone).Check(health_pb2.HealthCheckRequest(service=service))

    assert answer.status == SERVING


async def test_health_knows_no_other_service(phone: Phone) -> None:
    request = health_pb2.HealthCheckRequest(service="ringline.v1.Nonsense")
    stub = health(phone)

    assert (await refused(stub.Check(request))).code == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(request)
    first = await asyncio.wait_for(watch.read(), PATIENCE)
    assert first.status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


async def test_W7_SIGTERM_says_NOT_SERVING_first_then_going_away_then_OK(process: Process) -> None:
    # On one connection: nothing else keeps the order of what two streams tell.
    bob = process.phone("bob", "phone")
    watches = [health(bob).Watch(health_pb2.HealthCheckRequest(service=service)) for service in ("", SERVICE)]
    order: list[str] = []
    for watch in watches:
        assert (await asyncio.wait_for(watch.read(), PATIENCE)).status == SERVING
    screen = await bob.watch()
    rung = await process.phone("ann").create("standup", "bob", ring=True)
    await screen.shows(rung.call)

    async def see_health(watch: aio.UnaryStreamCall[Message, health_pb2.HealthCheckResponse]) -> None:
        message = await asyncio.wait_for(watch.read(), PATIENCE)
        assert isinstance(message, health_pb2.HealthCheckResponse)
        assert message.status == NOT_SERVING
        order.append("NOT_SERVING")

    async def see_stream() -> None:
        await screen.until(lambda one: one.messages[-1].HasField("going_away"))
        order.append("going_away")

    process.terminate()
    await asyncio.gather(*(see_health(watch) for watch in watches), see_stream())

    assert order[0] == "NOT_SERVING"
    assert (await screen.ended()).code == grpc.StatusCode.OK
    assert screen.messages[-1].HasField("going_away")
    assert screen.messages[-1].resume_token
    assert await process.exit_status() == 0
    await process.start(port=int(process.address.rpartition(":")[2]))
    resumed = await bob.watch(resume_token=screen.token)
    assert resumed.messages[-1].snapshot_complete.resumed


async def test_a_stop_does_not_wait_for_streams_that_nobody_reads(process: Process) -> None:
    bob = process.phone("bob", own_connection=True)
    unread = [bob.stub.WatchCalls(pb.WatchCallsRequest(), metadata=bob.metadata) for _ in range(5)]
    for watch in unread:
        await watch.read()

    process.terminate()

    assert await process.exit_status() == 0


# Reflection.


async def reflect(
    phone: Phone, version: str, *requests: reflection_pb2.ServerReflectionRequest
) -> list[reflection_pb2.ServerReflectionResponse]:
    """Ask over one stream. The messages of v1 and v1alpha are the same on the wire."""
    method = phone.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return [answer async for answer in method(iter(requests))]


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_lists_the_services(phone: Phone, version: str) -> None:
    (answer,) = await reflect(phone, version, reflection_pb2.ServerReflectionRequest(list_services=""))

    names = {service.name for service in answer.list_services_response.service}
    assert names == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_shows_the_contract_with_its_comments(phone: Phone, version: str) -> None:
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{SERVICE}.GetOrCreateCall")

    (answer,) = await reflect(phone, version, request)

    files = [FileDescriptorProto.FromString(raw) for raw in answer.file_descriptor_response.file_descriptor_proto]
    (file,) = [file for file in files if file.name == "ringline/v1/call_service.proto"]
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    methods = [method.name for method in file.service[0].method]
    assert "GetOrCreateCall creates the call" in comments[6, 0, 2, methods.index("GetOrCreateCall")]
    assert answer.original_request == request


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("request_", "file"),
    [
        pytest.param({"file_by_filename": "ringline/v1/call.proto"}, "ringline/v1/call.proto", id="file"),
        pytest.param({"file_containing_symbol": SERVICE}, "ringline/v1/call_service.proto", id="service"),
        pytest.param({"file_containing_symbol": "ringline.v1.Call.members"}, "ringline/v1/call.proto", id="field"),
        pytest.param(
            {"file_containing_symbol": "ringline.v1.CALL_STATE_IDLE"}, "ringline/v1/call.proto", id="enum value"
        ),
        pytest.param({"file_containing_symbol": "google.rpc.ErrorInfo"}, "google/rpc/error_details.proto", id="rpc"),
        pytest.param(
            {"file_by_filename": "google/protobuf/struct.proto"}, "google/protobuf/struct.proto", id="well-known"
        ),
        pytest.param(
            {"file_containing_symbol": "ringline.v1.ErrorReason"}, "ringline/v1/error_reason.proto", id="reasons"
        ),
        pytest.param({"file_containing_symbol": "grpc.health.v1.Health.Watch"}, "", id="health"),
    ],
)
async def test_reflection_finds_everything_that_grpcurl_asks_for(
    phone: Phone, version: str, request_: dict[str, str], file: str
) -> None:
    (answer,) = await reflect(phone, version, reflection_pb2.ServerReflectionRequest(**request_))

    raw = answer.file_descriptor_response.file_descriptor_proto
    names = [FileDescriptorProto.FromString(one).name for one in raw]
    assert names, answer.error_response
    assert not file or file in names


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_answers_many_questions_and_bad_ones_over_one_stream(phone: Phone, version: str) -> None:
    answers = await reflect(
        phone,
        version,
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="nonsense.proto"),
        reflection_pb2.ServerReflectionRequest(),
        reflection_pb2.ServerReflectionRequest(list_services=""),
    )

    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "error_response",
        "error_response",
        "error_response",
        "list_services_response",
    ]
    assert answers[0].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[1].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
