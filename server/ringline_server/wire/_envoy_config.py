"""What Envoy is told: pyvoy's own configuration, and what has to be different for streams that live for days."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyvoy import PyvoyServer

from ringline_server.wire._envoy_options import EnvoyOptions

Json = dict[str, Any]

_TYPES = "type.googleapis.com/envoy."
_PREFIX = "envoy.filters.http."


def envoy_config(app: str, addresses: Sequence[str], port: int, admin: Path, options: EnvoyOptions) -> Json:
    """Return the configuration for the ASGI application ``app``, served on one port of all addresses."""
    config: Json = PyvoyServer(
        app,
        address=addresses[0],
        port=port,
        lifespan=True,
        worker_threads=1,
        loop="uvloop",
        tls_cert=options.certificate,
        tls_key=options.key,
        tls_enable_http3=False,
    ).get_envoy_config()
    # By default it listens on a TCP port, where every program of this machine can stop the server.
    config["admin"] = {"address": {"pipe": {"path": str(admin), "mode": 0o600}}}
    config["overload_manager"] = _connection_limit(options)
    resources = config["static_resources"]
    listener = resources["listeners"][0]
    # Otherwise a second server starts on the same port, silently, and gets half of the connections.
    listener["enable_reuse_port"] = False
    listener["additional_addresses"] = [
        {"address": {"socket_address": {"address": address, "port_value": port}}} for address in addresses[1:]
    ]
    manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
    manager.update(_connection_manager(options))
    # Without a route that says otherwise there are none of them: each takes 1 to 2 KiB of every stream, and its time.
    manager["http_filters"][:0] = [
        {"name": _PREFIX + name, "typed_config": config, "disabled": True} for name, config in _FILTERS.items()
    ]
    manager["route_config"] = {"virtual_hosts": [_virtual_host(options.cors_origins)]}
    resources["clusters"] = [{"name": "none", "type": "STATIC", "load_assignment": {"cluster_name": "none"}}]
    return config


def _connection_manager(options: EnvoyOptions) -> Json:
    return {
        "stat_prefix": "rpcs",
        "local_reply_config": _no_such_method(),
        "stream_idle_timeout": _seconds(options.quiet_time),
        "request_headers_timeout": "10s",
        # Otherwise a header from the client decides what is taken for its address.
        "use_remote_address": True,
        "skip_xff_append": True,
        "max_request_headers_kb": options.max_header_kib,
        "common_http_protocol_options": {"max_headers_count": options.max_headers},
        # gRPC-Web over HTTP/1.1 is fine; these trailers serve whoever says `te: trailers` there.
        "http_protocol_options": {"enable_trailers": True},
        "http2_protocol_options": {
            "max_concurrent_streams": options.max_streams,
            # Of requests, which are small.
            "initial_stream_window_size": 256 * 1024,
            "initial_connection_window_size": 1024 * 1024,
            "connection_keepalive": {
                "interval": _seconds(options.ping_interval),
                "timeout": _seconds(options.ping_timeout),
            },
            # Otherwise one bad header ends everybody's streams on the connection.
            "override_stream_error_on_invalid_http_message": True,
        },
    }


def _virtual_host(origins: Sequence[str]) -> Json:
    """Let gRPC itself pass as it is, and all other requests through the filters."""
    # A route needs a cluster. Nothing is ever sent to it.
    route = {"cluster": "none", "timeout": "0s"}
    per_filter: dict[str, Json] = {name: {} for name in _FILTERS} | {"cors": _cors_policy(origins)}
    return {
        "name": "ringline",
        "domains": ["*"],
        "routes": [
            {
                "match": {
                    "safe_regex": {"regex": _METHOD},
                    "headers": [
                        {"name": "content-type", "string_match": {"exact": "application/grpc"}},
                        # A page, which has to ask whether it may.
                        {"name": "origin", "present_match": True, "invert_match": True},
                    ],
                },
                "route": route,
            },
            {
                "match": {"prefix": "/"},
                "route": route,
                "typed_per_filter_config": {
                    _PREFIX + name: {"@type": _TYPES + "config.route.v3.FilterConfig", "config": config}
                    for name, config in per_filter.items()
                },
            },
        ],
    }


def _cors_policy(origins: Sequence[str]) -> Json:
    return {
        "@type": _TYPES + "extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [
            {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins
        ],
        "allow_methods": "GET, POST",
        "allow_headers": ", ".join(_ALLOWED_HEADERS),
        "expose_headers": "grpc-status, grpc-message, grpc-status-details-bin, grpc-encoding",
        "max_age": "7200",
    }


_ALLOWED_HEADERS = (
    *("authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"),
    *("connect-protocol-version", "connect-timeout-ms"),
    *("x-user-id", "x-user-id-bin", "x-device-id", "x-device-id-bin", "x-role", "x-teams"),
)


def _filter(config: str, **fields: Json) -> Json:
    return {"@type": f"{_TYPES}extensions.filters.http.{config}", **fields}


_METHOD = "/[A-Za-z0-9_./-]*"
"""Paths that could be methods: in pyvoy others that are not UTF-8 get no answer at all."""

_ONLY_METHODS = {
    "permissions": [{"url_path": {"path": {"safe_regex": {"regex": _METHOD}}}}],
    "principals": [{"any": True}],
}

_FILTERS = {
    "rbac": _filter("rbac.v3.RBAC", rules={"policies": {"methods": _ONLY_METHODS}}),
    "cors": _filter("cors.v3.Cors"),
    "grpc_web": _filter("grpc_web.v3.GrpcWeb"),
    "connect_grpc_bridge": _filter("connect_grpc_bridge.v3.FilterConfig"),
}
"""By their names without ``_PREFIX``, in the order in which they see a request."""


def _no_such_method() -> Json:
    """Answer for ``_ONLY_METHODS`` in words of ours: to gRPC 404 is UNIMPLEMENTED."""
    forbidden = {"comparison": {"value": {"default_value": 403, "runtime_key": "none"}}}
    return {
        "mappers": [
            {
                "filter": {"status_code_filter": forbidden},
                "status_code": 404,
                "body": {"inline_string": "There is no such method."},
            }
        ]
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}s"


def _connection_limit(options: EnvoyOptions) -> Json:
    return {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": _TYPES
                    + "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": options.max_connections,
                },
            }
        ]
    }
