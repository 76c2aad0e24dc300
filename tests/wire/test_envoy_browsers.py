"""What Envoy's own filters add: gRPC-Web, Connect, JSON, CORS, TLS; and what others are told."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2

from ringline_server.wire._admin import Admin
from ringline_server.wire._asgi import LARGE
from ringline_server.wire.envoy import EnvoyOptions
from tests.wire import raw
from tests.wire.canned_envoy import Served, serve
from tests.wire.http1 import ask

APP = "https://app.example.com"
WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
CONNECT = {"connect-protocol-version": "1"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve(EnvoyOptions(cors_origins=(APP,))) as served:
        yield served


def framed(body: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


MESSAGES = pytest.mark.parametrize(
    "message", [pytest.param(b"hello", id="small"), pytest.param(bytes(LARGE), id="large")]
)


@MESSAGES
async def test_grpc_web_carries_messages_and_the_status_behind_them(served: Served, message: bytes) -> None:
    answer = await ask(served.port, "POST", "/canned.Service/Unary", framed(message), WEB)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/grpc-web+proto")
    assert answer.body == framed(message) + framed(b"grpc-status:0\r\n", 0x80)
    asked = json.dumps({"name": "s", "count": 2}).encode()
    answer = await ask(served.port, "POST", "/canned.Service/ServerStream", framed(asked), WEB)
    assert answer.body == framed(b"0") + framed(b"1") + framed(b"grpc-status:0\r\n", 0x80)


async def test_grpc_web_carries_errors_with_their_details(served: Served) -> None:
    asked = framed(json.dumps([9, "too late", b"\x08\x09".hex()]).encode())
    answer = await ask(served.port, "POST", "/canned.Service/Refuse", asked, WEB)
    assert (answer.status, answer.headers["grpc-status"], answer.headers["grpc-message"]) == (200, "9", "too late")
    assert base64.b64decode(answer.headers["grpc-status-details-bin"] + "==") == b"\x08\x09"


@MESSAGES
async def test_connect_carries_unary_rpcs_and_streams(served: Served, message: bytes) -> None:
    answer = await ask(
        served.port, "POST", "/canned.Service/Unary", message, CONNECT | {"content-type": "application/proto"}
    )
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/proto", message)
    asked = framed(json.dumps({"name": "s", "count": 2}).encode())
    answer = await ask(
        served.port,
        "POST",
        "/canned.Service/ServerStream",
        asked,
        CONNECT | {"content-type": "application/connect+proto"},
    )
    assert answer.body.startswith(framed(b"0") + framed(b"1") + b"\x02")


async def test_connect_carries_json_for_methods_whose_messages_have_names(served: Served) -> None:
    headers = CONNECT | {"content-type": "application/json"}
    answer = await ask(served.port, "POST", "/grpc.health.v1.Health/Check", b'{"service": "x", "later": 1}', headers)
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "SERVING"})
    answer = await ask(served.port, "POST", "/grpc.health.v1.Health/Check", b'{"service": 1}', headers)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_argument")
    answer = await ask(served.port, "POST", "/canned.Service/Unary", b"{}", headers)
    assert json.loads(answer.body) == {"code": "unimplemented", "message": "This method takes protobuf only."}
    answer = await ask(
        served.port,
        "POST",
        "/grpc.health.v1.Health/Watch",
        framed(b"{}"),
        CONNECT | {"content-type": "application/connect+json"},
    )
    assert json.loads(answer.body[5 : 5 + answer.body[4]]) == {"status": "SERVING"}


async def seen_by_filters(served: Served) -> int:
    stats = await Admin(served.envoy.folder / "admin")._ask("GET", "/stats?filter=rbac.allowed")
    return int(stats.rpartition(b":")[2])


async def test_grpc_itself_passes_by_the_filters_unless_it_comes_from_a_page(served: Served) -> None:
    before = await seen_by_filters(served)
    async with aio.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        unary = channel.unary_unary("/canned.Service/Unary", None, None)
        assert await unary(b"hello") == b"hello"
        assert await seen_by_filters(served) == before
        assert await unary(b"hello", metadata=(("origin", APP),)) == b"hello"
        assert await seen_by_filters(served) == before + 1
    await ask(served.port, "POST", "/canned.Service/Unary", framed(b"hello"), WEB)
    assert await seen_by_filters(served) == before + 2


async def test_json_over_grpc_itself_works_too(served: Served) -> None:
    (frames,) = await raw.send_all(
        served.port,
        (b"/grpc.health.v1.Health/Check", framed(b"{}"), ()),
        content_type=b"application/grpc+json",
    )
    assert json.loads(frames.data[5:]) == {"status": "SERVING"}
    (frames,) = await raw.send_all(
        served.port, (b"/grpc.health.v1.Health/Check", framed(b"{}"), ()), content_type=b"application/grpc+xml"
    )
    assert (frames.data, frames.headers, frames.ended) == (b"", 1, True)


async def test_a_page_may_call_from_the_origins_that_are_set_and_from_no_other(served: Served) -> None:
    def preflight(origin: str) -> dict[str, str]:
        return {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-user-id",
        }

    answer = await ask(served.port, "OPTIONS", "/canned.Service/Unary", b"", preflight(APP))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert {"content-type", "x-user-id", "authorization"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    answer = await ask(served.port, "POST", "/canned.Service/Unary", framed(b""), WEB | {"origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    assert "grpc-status" in answer.headers["access-control-expose-headers"]
    for origin in ("https://evil.example.com", APP + ".evil.com", APP.replace("https", "http"), "null"):
        answer = await ask(served.port, "OPTIONS", "/canned.Service/Unary", b"", preflight(origin))
        assert "access-control-allow-origin" not in answer.headers, origin


async def test_without_origins_no_page_may_call() -> None:
    async with serve() as served:
        headers = {"origin": APP, "access-control-request-method": "POST"}
        answer = await ask(served.port, "OPTIONS", "/canned.Service/Unary", b"", headers)
        assert "access-control-allow-origin" not in answer.headers


async def test_who_speaks_no_grpc_is_told_what_to_do(served: Served) -> None:
    answer = await ask(served.port, "GET", "/", b"", {})
    assert (answer.status, b"gRPC-Web or Connect" in answer.body) == (415, True)
    answer = await ask(served.port, "POST", "/canned.Service/Unary", b"{}", {"content-type": "application/json"})
    assert (answer.status, b"connect-protocol-version: 1" in answer.body) == (415, True)
    answer = await ask(served.port, "POST", "/canned.Service/Unary", framed(b""), {"content-type": "application/grpc"})
    assert (answer.status, b"gRPC needs HTTP/2" in answer.body) == (505, True)
    (frames,) = await raw.send_all(served.port, (b"/canned.Service/Unary", framed(b""), ()), te=b"")
    assert (frames.data, frames.headers, frames.ended) == (b"", 1, True), "a status in the headers, no lost trailers"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this test's own, for localhost."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "this test needs openssl"
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    about = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run([openssl, *made, *about, "-keyout", key, "-out", chain], check=True, capture_output=True)
    return chain, key


async def test_tls_speaks_http_2_and_1_as_asked_and_nothing_without_it(certificate: tuple[Path, Path]) -> None:
    chain, key = certificate
    async with serve(EnvoyOptions(certificate=chain, key=key)) as served:
        trusted = grpc.ssl_channel_credentials(chain.read_bytes())
        options = (("grpc.ssl_target_name_override", "localhost"),)
        async with aio.secure_channel(f"127.0.0.1:{served.port}", trusted, options) as channel:
            assert await channel.unary_unary("/canned.Service/Unary", None, None)(b"up") == b"up"
            check = channel.unary_unary("/grpc.health.v1.Health/Check", None, health_pb2.HealthCheckResponse.FromString)
            assert (await check(b"")).status == health_pb2.HealthCheckResponse.SERVING
        context = ssl.create_default_context(cafile=str(chain))
        answer = await ask(served.port, "POST", "/canned.Service/Unary", framed(b"up"), WEB, tls=context)
        assert answer.body.startswith(framed(b"up"))
        with pytest.raises(aio.AioRpcError):
            await served.unary()(b"", timeout=2)


async def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("nothing of the kind")
    options = EnvoyOptions(certificate=tmp_path / "chain.pem", key=tmp_path / "key.pem")
    with pytest.raises(Exception, match="Envoy ended with status"):
        async with serve(options):
            pass
