"""Server reflection, v1 and v1alpha: how grpcurl and `buf curl` know the contract, comments and all.

The two versions are the same bytes under two names. What is served is the descriptor set beside this module, which
was made with comments; it has the error details too, so that a tool can show what is in a status.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2 as pb
from grpc_reflection.v1alpha import reflection_pb2

from ringline_server.api.port import Code, RequestContext, Send
from ringline_server.api.validate import parse

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

# To mypy the library's messages are Any: the stubs do not have them.
Request: TypeAlias = Any
Response: TypeAlias = Any


class Catalogue:
    """Files of descriptors, found by what is in them."""

    def __init__(self, descriptors: bytes) -> None:
        self._files: dict[str, pb.FileDescriptorProto] = {}
        self._encoded: dict[str, bytes] = {}
        self._symbols: dict[str, str] = {}
        self._extensions: dict[str, dict[int, str]] = {}
        for file in pb.FileDescriptorSet.FromString(descriptors).file:
            self._files[file.name] = file
            self._encoded[file.name] = file.SerializeToString()
            for symbol in _symbols(file):
                self._symbols[symbol] = file.name
            for extension in _extensions(file):
                of = self._extensions.setdefault(extension.extendee.removeprefix("."), {})
                of[extension.number] = file.name
        self.services = sorted(
            f"{file.package}.{service.name}" for file in self._files.values() for service in file.service
        )
        """Full names of the services."""

    def file(self, name: str) -> list[bytes] | None:
        """Return the file of this name and all that it needs, each before what it needs itself."""
        if name not in self._files:
            return None
        return [self._encoded[one] for one in reversed(self._with_needed(name, {}))]

    def _with_needed(self, name: str, seen: dict[str, None]) -> dict[str, None]:
        for other in self._files[name].dependency:
            if other not in seen:
                self._with_needed(other, seen)
        seen[name] = None
        return seen

    def file_of_symbol(self, symbol: str) -> list[bytes] | None:
        """Return the file with the symbol, as `file` does: a message, field, enum, value, service or method."""
        return self.file(self._symbols.get(symbol.removeprefix("."), ""))

    def file_of_extension(self, message: str, number: int) -> list[bytes] | None:
        """Return the file with the extension of the message, as `file` does."""
        return self.file(self._extensions.get(message, {}).get(number, ""))

    def extension_numbers(self, message: str) -> list[int] | None:
        """Return the numbers of the message's extensions, or None if it is not known."""
        if message not in self._symbols:
            return None
        return sorted(self._extensions.get(message, {}))


def load_catalogue() -> Catalogue:
    """Return the catalogue of all that this server has."""
    return Catalogue(Path(__file__).with_name("descriptors.binpb").read_bytes())


class Reflection:
    """The RPC ``ServerReflectionInfo`` of both versions, as a ``Stream``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, _context: RequestContext, requests: AsyncIterator[bytes], send: Send) -> None:
        """Answer each request in turn; one that finds nothing is answered too, and does not end the stream."""
        async for data in requests:
            request: Request = parse(reflection_pb2.ServerReflectionRequest, data)
            response: Response = reflection_pb2.ServerReflectionResponse(
                valid_host=request.host, original_request=request
            )
            self._answer(request, response)
            await send(response.SerializeToString())

    def _answer(self, request: Request, response: Response) -> None:
        catalogue = self._catalogue
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in catalogue.services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                _found(response, catalogue.file(request.file_by_filename))
            case "file_containing_symbol":
                _found(response, catalogue.file_of_symbol(request.file_containing_symbol))
            case "file_containing_extension":
                wanted = request.file_containing_extension
                _found(response, catalogue.file_of_extension(wanted.containing_type, wanted.extension_number))
            case "all_extension_numbers_of_type":
                name = request.all_extension_numbers_of_type
                numbers = catalogue.extension_numbers(name)
                if numbers is None:
                    _refuse(response, Code.NOT_FOUND, "This server has no message of that name.")
                else:
                    response.all_extension_numbers_response.base_type_name = name
                    response.all_extension_numbers_response.extension_number.extend(numbers)
            case _:
                _refuse(response, Code.INVALID_ARGUMENT, "Ask for something: set one field of message_request.")


def _found(response: Response, files: Sequence[bytes] | None) -> None:
    if files is None:
        _refuse(response, Code.NOT_FOUND, "This server has nothing of that name. Ask for list_services first.")
    else:
        response.file_descriptor_response.file_descriptor_proto.extend(files)


def _refuse(response: Response, code: Code, message: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = message


def _symbols(file: pb.FileDescriptorProto) -> Iterator[str]:
    """Yield the full name of everything in the file."""
    scope = f"{file.package}." if file.package else ""
    for service in file.service:
        yield scope + service.name
        yield from (f"{scope}{service.name}.{method.name}" for method in service.method)
    yield from (scope + extension.name for extension in file.extension)
    for enum in file.enum_type:
        yield from _enum_symbols(scope, enum)
    for message in file.message_type:
        yield from _message_symbols(scope, message)


def _message_symbols(scope: str, message: pb.DescriptorProto) -> Iterator[str]:
    name = scope + message.name
    yield name
    yield from (f"{name}.{field.name}" for field in (*message.field, *message.extension))
    yield from (f"{name}.{oneof.name}" for oneof in message.oneof_decl)
    for enum in message.enum_type:
        yield from _enum_symbols(f"{name}.", enum)
    for inner in message.nested_type:
        yield from _message_symbols(f"{name}.", inner)


def _enum_symbols(scope: str, enum: pb.EnumDescriptorProto) -> Iterator[str]:
    """Yield the enum and its values, which by protobuf's rules are named beside it; tools ask below it too."""
    yield scope + enum.name
    for value in enum.value:
        yield scope + value.name
        yield f"{scope}{enum.name}.{value.name}"


def _extensions(scope: pb.FileDescriptorProto | pb.DescriptorProto) -> Iterator[pb.FieldDescriptorProto]:
    """Yield every extension in a file or message."""
    yield from scope.extension
    inner = scope.message_type if isinstance(scope, pb.FileDescriptorProto) else scope.nested_type
    for message in inner:
        yield from _extensions(message)
