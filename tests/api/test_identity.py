"""Who sends an RPC, in development mode (P3)."""

from __future__ import annotations

import pytest

from ringline_server.api.identity import DevelopmentIdentity
from ringline_server.api.port import Metadata, RpcError
from ringline_server.rules.context import Actor
from tests.api.desk import Error, context, explain

identify = DevelopmentIdentity().identify


def refused(metadata: Metadata) -> Error:
    with pytest.raises(RpcError) as raised:
        identify(context("/x", metadata))
    return explain(raised.value)


@pytest.mark.parametrize(
    ("metadata", "actor"),
    [
        ([("x-user-id", "my friend")], Actor("my friend")),
        ([("x-user-id", " my friend\t")], Actor("my friend")),
        ([("x-user-id-bin", "J\u00fcrgen".encode())], Actor("J\u00fcrgen")),
        ([("x-user-id", "a"), ("x-device-id-bin", "\U0001f4f1".encode())], Actor("a", device_id="\U0001f4f1")),
        ([("x-user-id", "a"), ("x-device-id", "b "), ("x-role", "admin")], Actor("a", "", "admin", device_id="b")),
        ([("x-user-id", "a"), ("x-role", "host")], Actor("a", "", "host")),
        ([("x-user-id", "a"), ("x-teams", "red, blue")], Actor("a", teams=frozenset({"red", "blue"}))),
        ([("x-role", "service")], Actor("", "development")),
        ([("x-role", "service"), ("x-user-id", "a")], Actor("a", "development")),
        ([("x-user-id", "a"), ("x-other", "\x00"), ("user-agent", "x")], Actor("a")),
    ],
)
def test_P3_development_mode_believes_the_metadata(metadata: Metadata, actor: Actor) -> None:
    assert identify(context("/x", metadata)) == actor


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ([], "x-user-id"),
        ([("x-role", "user")], "x-user-id"),
        ([("x-user-id", "")], "x-user-id"),
        ([("x-user-id", " ")], "x-user-id"),
        ([("x-user-id", "x" * 256)], "x-user-id"),
        ([("x-user-id", "a\x01b")], "x-user-id"),
        ([("x-user-id", "J\u00fcrgen")], "x-user-id"),
        ([("x-user-id", "a"), ("x-user-id", "a")], "x-user-id"),
        ([("x-user-id", "a"), ("x-user-id-bin", b"a")], "x-user-id-bin"),
        ([("x-user-id-bin", b"a"), ("x-user-id-bin", b"a")], "x-user-id-bin"),
        ([("x-user-id-bin", b"\xff")], "x-user-id-bin"),
        ([("x-user-id-bin", b" a")], "x-user-id-bin"),
        ([("x-user-id-bin", b"")], "x-user-id-bin"),
        ([("x-user-id-bin", "cafe\u0301".encode())], "x-user-id-bin"),
        ([("x-user-id-bin", "a\u200b".encode())], "x-user-id-bin"),
        ([("x-user-id", "a"), ("x-device-id", "")], "x-device-id"),
        ([("x-user-id", "a"), ("x-device-id", "b"), ("x-device-id-bin", b"b")], "x-device-id-bin"),
        ([("x-user-id", "a"), ("x-role", "boss")], "x-role"),
        ([("x-user-id", "a"), ("x-role", "")], "x-role"),
        ([("x-user-id", "a"), ("x-role", "user"), ("x-role", "user")], "x-role"),
        ([("x-user-id", "a"), ("x-teams", "a,,b")], "x-teams"),
        ([("x-user-id", "a"), ("x-teams", "")], "x-teams"),
        ([("x-user-id", "a"), ("x-teams", "a"), ("x-teams", "b")], "x-teams"),
        ([("x-role", "service"), ("x-user-id", "")], "x-user-id"),
    ],
)
def test_P3_an_identity_that_is_not_clear_is_refused_by_its_key(metadata: Metadata, key: str) -> None:
    error = refused(metadata)

    assert (error.code, error.reason, error.metadata) == ("UNAUTHENTICATED", "BAD_IDENTITY", {"key": key})
    assert key in error.message


def test_a_token_is_not_overlooked() -> None:
    error = refused([("x-user-id", "a"), ("authorization", "Bearer x")])

    assert (error.code, error.reason) == ("UNAUTHENTICATED", "BAD_TOKEN")
    assert "development mode" in error.message
