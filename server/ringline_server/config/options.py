"""What can be set by a flag, a variable or a key: one table, from which ``--help`` is made too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ringline_server.config import reading
from ringline_server.config.settings import Address, LogFormat, LogLevel, Settings

_HIGHEST_PORT = 65_535
_LONGEST_GRACE = 3600.0
_DEFAULTS = Settings()


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


def _wire(value: object) -> str:
    if value == "envoy":
        raise ValueError("grpcio, the only wire that this build has; envoy comes with a later one")
    if value != "grpcio":
        raise ValueError("grpcio")
    return "grpcio"


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
    Option("wire", "WIRE", "what carries the RPCs: grpcio (this build has no other)", _DEFAULTS.wire, _wire),
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
