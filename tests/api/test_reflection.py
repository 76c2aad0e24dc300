"""Server reflection, as grpcurl asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2

from ringline_server.api.port import Code, RpcError
from ringline_server.api.reflection import Catalogue
from tests.api.desk import Desk, context, requests

VERSIONS = ("v1", "v1alpha")


async def ask(desk: Desk, version: str, *questions: dict[str, Any]) -> list[Any]:
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    data = [reflection_pb2.ServerReflectionRequest(host="h", **one).SerializeToString() for one in questions]
    answers: list[Any] = []

    async def send(message: bytes) -> None:
        answers.append(reflection_pb2.ServerReflectionResponse.FromString(message))

    await desk.rpcs.bidi_stream[path](context(path), requests(*data), send)
    return answers


def described(answer: Any) -> list[descriptor_pb2.FileDescriptorProto]:  # noqa: ANN401 -- a library's without types
    raw = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(one) for one in raw]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_service_is_listed_and_described(desk: Desk, version: str) -> None:
    (listed,) = await ask(desk, version, {"list_services": ""})
    names = [one.name for one in listed.list_services_response.service]
    rpcs = [*desk.rpcs.unary, *desk.rpcs.server_stream, *desk.rpcs.bidi_stream]
    served = {path.split("/")[1] for path in rpcs}
    assert set(names) == served

    for answer in await ask(desk, version, *({"file_containing_symbol": name} for name in names)):
        assert answer.valid_host == "h"
        pool = descriptor_pool.DescriptorPool()
        for file in reversed(described(answer)):
            pool.Add(file)
        pool.FindServiceByName(answer.original_request.file_containing_symbol)


@pytest.mark.parametrize("version", VERSIONS)
async def test_comments_come_along(desk: Desk, version: str) -> None:
    (answer,) = await ask(desk, version, {"file_by_filename": "ringline/v1/call_service.proto"})
    file = described(answer)[0]
    comments = "".join(one.leading_comments for one in file.source_code_info.location)
    assert "GetOrCreateCall creates the call" in comments


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("ringline.v1.CallService.JoinCall", "ringline/v1/call_service.proto"),
        ("ringline.v1.Call", "ringline/v1/call.proto"),
        (".ringline.v1.Call", "ringline/v1/call.proto"),
        ("ringline.v1.Call.members", "ringline/v1/call.proto"),
        ("ringline.v1.WatchCallsResponse.event", "ringline/v1/call_service.proto"),
        ("ringline.v1.CALL_STATE_IDLE", "ringline/v1/call.proto"),
        ("ringline.v1.CallState.CALL_STATE_IDLE", "ringline/v1/call.proto"),
        ("ringline.v1.ErrorReason", "ringline/v1/error_reason.proto"),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("google.rpc.ErrorInfo.MetadataEntry", "google/rpc/error_details.proto"),
        ("google.rpc.Status", "google/rpc/status.proto"),
        ("google.protobuf.Struct", "google/protobuf/struct.proto"),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc_health/v1/health.proto"),
    ],
)
async def test_every_symbol_is_found(desk: Desk, symbol: str, file: str) -> None:
    (answer,) = await ask(desk, "v1", {"file_containing_symbol": symbol})
    assert described(answer)[0].name == file


async def test_what_is_not_there_is_answered_and_the_stream_goes_on(desk: Desk) -> None:
    answers = await ask(
        desk,
        "v1",
        {"file_by_filename": "x"},
        {"file_containing_symbol": "x"},
        {"file_containing_extension": {"containing_type": "ringline.v1.Call", "extension_number": 5}},
        {"all_extension_numbers_of_type": "x"},
        {},
        {"all_extension_numbers_of_type": "ringline.v1.Call"},
    )
    codes = [one.error_response.error_code for one in answers]
    assert codes == [Code.NOT_FOUND] * 4 + [Code.INVALID_ARGUMENT, Code.OK]
    assert answers[-1].all_extension_numbers_response.base_type_name == "ringline.v1.Call"


def test_extensions_are_found() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="f", package="p")
    file.message_type.add(name="M").extension.add(name="e", number=7, extendee=".p.M")
    file.extension.add(name="f", number=5, extendee=".p.M")
    catalogue = Catalogue(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())

    assert catalogue.extension_numbers("p.M") == [5, 7]
    assert catalogue.file_of_extension("p.M", 7) == [file.SerializeToString()]
    assert catalogue.file_of_symbol("p.M.e") == [file.SerializeToString()]


async def test_X5_bytes_that_are_no_request_are_refused(desk: Desk) -> None:
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

    async def send(message: bytes) -> None:
        pass

    with pytest.raises(RpcError) as raised:
        await desk.rpcs.bidi_stream[path](context(path), requests(b"\xff"), send)
    assert raised.value.code is Code.INVALID_ARGUMENT
