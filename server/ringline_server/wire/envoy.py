"""The other wire: Envoy, with this server in its process. It speaks to browsers too, and TLS.

The command stays outside and starts Envoy, which is this module; Envoy loads the server as an ASGI application and
hands it every RPC, which is ``envoy_inside``.
"""

from __future__ import annotations

from ringline_server.wire._envoy_options import EnvoyOptions
from ringline_server.wire._envoy_process import EnvoyProcess, StartFailedError
from ringline_server.wire._libpython import WireMissingError

__all__ = ["EnvoyOptions", "EnvoyProcess", "StartFailedError", "WireMissingError"]
