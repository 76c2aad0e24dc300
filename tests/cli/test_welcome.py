from __future__ import annotations

from pathlib import Path

from ringline_server.cli.welcome import welcome
from ringline_server.config import Settings


def test_without_tls_the_lines_say_so() -> None:
    lines = welcome(Settings(), 50051)
    assert lines.count("grpcurl -plaintext") == lines.count("--http2-prior-knowledge") == 2
    assert "https" not in lines


def test_with_tls_the_lines_speak_it() -> None:
    own = Settings(wire="envoy", tls_certificate=Path("c"), tls_key=Path("k"), insecure_dev_identity=True)
    lines = welcome(own, 50051)
    assert lines.count("grpcurl -insecure") == lines.count("buf curl --protocol grpc --insecure") == 2
    assert lines.count("https://127.0.0.1:50051/") == 2
    assert "-plaintext" not in lines
    assert "prior-knowledge" not in lines
