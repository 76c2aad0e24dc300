"""What can be chosen of the envoy wire."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EnvoyOptions:
    """What an operator decides of this wire, and limits that tests make smaller."""

    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call; ``*`` is any."""
    certificate: Path | None = None
    """A PEM file with the certificate and its chain; with it the wire speaks TLS, and nothing else."""
    key: Path | None = None
    quiet_time: float = 0.0
    """Seconds after which a stream that says nothing is cut; 0 is never, because heartbeats are its own business."""
    ping_interval: float = 20.0
    """Seconds between two pings on a connection."""
    ping_timeout: float = 10.0
    """Seconds after which a connection that does not answer one is closed."""
    max_connections: int = 20_000
    """Connections at once; one more is closed as soon as it is opened."""
    max_streams: int = 1000
    """RPCs at once on one connection; a client that wants more waits or opens another one."""
    max_header_kib: int = 16
    """Of one request's headers: as long as a token with many teams may be."""
    max_headers: int = 100
