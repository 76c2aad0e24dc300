"""The settings themselves."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from ringline_server.config.call_types import CallTypes, call_types

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]


class SettingsError(Exception):
    """The settings cannot be used. The text is one line: which one, from where, and what is allowed."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than ``localhost`` might mean anything."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


_HERE = Address("127.0.0.1", 50051)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that an operator decides. Raises SettingsError where two settings do not go together."""

    listen: Address = _HERE
    """Where RPCs are served. Port 0 is any free one."""
    database: Path = Path("ringline.db")
    """The SQLite file that holds everything; made if it is not there."""
    wire: Literal["grpcio", "envoy"] = "grpcio"
    """What carries the RPCs. The three settings below are the envoy wire's alone."""
    tls_certificate: Path | None = None
    """A PEM file: the certificate, then its chain. With it the server speaks TLS, and nothing else."""
    tls_key: Path | None = None
    """A PEM file: the certificate's private key."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call from a browser; ``*`` is any."""
    log_level: LogLevel = "info"
    """The least severe lines that are logged."""
    log_format: LogFormat | None = None
    """None is text on a terminal, JSON elsewhere."""
    insecure_dev_identity: bool = False
    """Whether clients may say who they are, unproven, on an address that others can reach."""
    drain_grace: float = 10.0
    """Seconds that RPCs under way get to finish when the server stops."""
    call_types: CallTypes = field(default_factory=lambda: call_types({}))
    """The call types by name: the built-in ones, as far as they are not changed, and the operator's own."""

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("--tls-certificate and --tls-key go together: give both, or neither")
        if self.wire != "envoy" and (self.tls_certificate or self.cors_origins):
            raise SettingsError("--tls-certificate, --tls-key and --cors-origins need --wire envoy")
        if self.tls_certificate and not self.insecure_dev_identity:
            raise SettingsError(
                "--tls-certificate: behind TLS, clients would still say who they are without proof. Leave it out, or "
                "add --insecure-dev-identity if everybody who can reach the server is trusted"
            )
        if not (self.listen.is_loopback or self.insecure_dev_identity):
            raise SettingsError(
                f"--listen {self.listen}: others could reach this address and say that they are anybody, because "
                "clients name themselves without proof. Listen on 127.0.0.1, or add --insecure-dev-identity if "
                "everybody who can reach it is trusted (a container on a laptop)"
            )
