"""Whether an address can be listened on, asked of the operating system, whose answers are better than the library's."""

from __future__ import annotations

import asyncio
import errno
import socket

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ListenError(Exception):
    """The wire cannot listen where it should; the text says why, for whoever starts the server."""


async def require_free(host: str, port: int) -> None:
    """Raise ListenError unless the port is free on every address of the host that this machine has.

    The library is content with one address of several: ``localhost`` would be served on ``::1`` only, while another
    program answers on ``127.0.0.1``. And where it fails it does not say why.
    """
    await usable_addresses(host, port)


async def usable_addresses(host: str, port: int) -> tuple[list[str], int]:
    """Return the host's addresses that this machine has, and a port free on all of them: the one asked for.

    Port 0 stays 0 for a single address, and becomes one for several, which are to be served on the same. Raises
    ListenError if the port is taken on one of them, or if there is none.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host}: there is no such host") from error
    usable: dict[str, None] = {}
    for family, kind, protocol, _, address in found:
        try:
            bound = _bind(family, kind, protocol, (address[0], port, *address[2:]))
        except OSError as error:
            # A machine without IPv6 may have ::1 in its table of hosts all the same.
            if error.errno not in _NOT_HERE:
                raise ListenError(f"cannot listen on {host}:{port}: {_why(error)}") from error
        else:
            usable[str(address[0])] = None
            if len(found) > 1:
                port = bound
    if not usable:
        raise ListenError(f"cannot listen on {host}:{port}: this machine does not have that address")
    return list(usable), port


def _bind(family: int, kind: int, protocol: int, address: tuple[str | int | bytes, ...]) -> int:
    with socket.socket(family, kind, protocol) as probe:
        # As the library does: connections of an earlier server that linger are not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)
        # On Linux two sockets that may reuse an address can both be bound to it; only one can listen.
        probe.listen(1)
        return int(probe.getsockname()[1])


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there, perhaps another ringline-server"
    if error.errno == errno.EACCES:
        return "this user may not use that port (those below 1024 belong to the administrator)"
    return error.strerror or str(error)
