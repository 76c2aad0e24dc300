"""What can be set by a flag, a variable or a key: one table, from which ``--help`` is made too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ringline_server.config import reading
from ringline_server.config.settings import Address, LogFormat, LogLevel, Settings

_HIGHEST_PORT = 65_535
_LONGEST_GRACE = 3600.0
_DEFAULTS = Settings()
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#,\s]+")


@dataclass(frozen=True, slots=True)
class Option:
    """One field of Settings, as it is set from outside."""

    name: str
    """The field, and the key in the TOML file."""
    placeholder: str
    """What stands for the value in the help; empty for a flag without one."""
    help: str
    default: str
    """As the help shows it."""
    read: Callable[[object], object]
    """Turns a text or a TOML value into the field's; raises ValueError saying what is allowed."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "RINGLINE_" + self.name.upper()


def _address(value: object) -> Address:
    host, _, port = reading.text(value).strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    bare_v6 = ":" in host and "[" not in str(value)
    if not host or bare_v6 or not (port.isascii() and port.isdigit()) or int(port) > _HIGHEST_PORT:
        raise ValueError("HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051, with a port up to 65535 (0: any free one)")
    return Address(host, int(port))


def _database(value: object) -> Path:
    path = Path(reading.text(value)).expanduser()
    if path.is_dir():
        raise ValueError("the path of a file, not of a directory")
    return path


def _file(value: object) -> Path:
    path = Path(reading.text(value)).expanduser()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"the path of a file that can be read ({error.strerror})") from error
    # The wire reads it in another process.
    return path.resolve()


def _origins(value: object) -> tuple[str, ...]:
    """Read origins: a text with commas between them, or in TOML a list."""
    origins = value.split(",") if isinstance(value, str) else value
    if isinstance(origins, list) and all(isinstance(origin, str) for origin in origins):
        found = tuple(origin.strip() for origin in origins)
        if all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in found):
            return found
    raise ValueError("origins as browsers send them, such as https://app.example.com, with commas between; or *")


def _grace(value: object) -> float:
    grace = reading.seconds(value)
    if grace > _LONGEST_GRACE:
        raise ValueError("at most an hour")
    return grace


def _one_of(*allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value.strip().lower() in allowed:
            return value.strip().lower()
        raise ValueError(" or ".join((", ".join(allowed[:-1]), allowed[-1])))

    return read


OPTIONS = (
    Option(
        "listen",
        "HOST:PORT",
        "where to serve. Port 0 takes any free one; the first line of output says which",
        str(_DEFAULTS.listen),
        _address,
    ),
    Option(
        "database",
        "FILE",
        "the SQLite file that holds every call. It is made if it is not there; one server at a time uses it",
        f"./{_DEFAULTS.database}",
        _database,
    ),
    Option(
        "wire",
        "WIRE",
        "what carries the RPCs: grpcio, or envoy, which is faster, speaks to browsers (gRPC-Web, Connect) and TLS, and "
        "needs pip install 'ringline-server[envoy]'",
        _DEFAULTS.wire,
        _one_of("grpcio", "envoy"),
    ),
    Option(
        "tls_certificate",
        "FILE",
        "speak TLS, and nothing else, with the certificate and its chain in this PEM file. Needs --wire envoy",
        "none",
        _file,
    ),
    Option("tls_key", "FILE", "the PEM file with the certificate's private key", "none", _file),
    Option(
        "cors_origins",
        "ORIGINS",
        "origins whose pages may call from a browser, with commas between; * is any. Needs --wire envoy",
        "none",
        _origins,
    ),
    Option(
        "log_level",
        "LEVEL",
        f"the least severe lines to log: {', '.join(get_args(LogLevel))}",
        _DEFAULTS.log_level,
        _one_of(*get_args(LogLevel)),
    ),
    Option(
        "log_format",
        "FORMAT",
        "how log lines look on stderr: json (an object a line) or text (for people)",
        "text on a terminal, json elsewhere",
        _one_of(*get_args(LogFormat)),
    ),
    Option(
        "insecure_dev_identity",
        "",
        "believe clients who they say they are, also on an address that others can reach. Without this, such an "
        "address is refused; on loopback it is how identity works",
        "off",
        reading.boolean,
    ),
    Option(
        "drain_grace",
        "SECONDS",
        "how long RPCs under way may take to finish when the server is told to stop",
        f"{_DEFAULTS.drain_grace:g}",
        _grace,
    ),
)
"""Every option but ``--config``, which says where to look for these."""
