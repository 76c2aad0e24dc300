"""Messages as JSON, which browsers' Connect clients send unless told otherwise; RPCs take and give protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message

from ringline_server.api.port import Code, RpcError


@dataclass(frozen=True, slots=True)
class JsonCodec:
    """Of one method."""

    request: type[Message]
    response: type[Message]

    def decode(self, message: bytes) -> bytes:
        """Return a request in protobuf. Fields that are not known are left out, as in protobuf. Raises RpcError."""
        try:
            return Parse(message, self.request(), ignore_unknown_fields=True).SerializeToString()
        except (ParseError, UnicodeDecodeError) as error:
            raise RpcError(Code.INVALID_ARGUMENT, f"The request is not {self.request.__name__}: {error}", b"") from None

    def encode(self, message: bytes) -> bytes:
        """Return a response in JSON."""
        return MessageToJson(self.response.FromString(message), indent=None).encode()


@cache
def json_codec(method: str) -> JsonCodec:
    """Return the codec of a method that is served. Raises RpcError if its messages are not known by name."""
    service, _, name = method.removeprefix("/").rpartition("/")
    try:
        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        raise RpcError(Code.UNIMPLEMENTED, "This method takes protobuf only.", b"") from None
    return JsonCodec(
        message_factory.GetMessageClass(found.input_type), message_factory.GetMessageClass(found.output_type)
    )
