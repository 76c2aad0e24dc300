"""All RPCs of the server, as a wire takes them."""

from __future__ import annotations

from ringline_server.api.admission import Admission
from ringline_server.api.calls import Engine, command_rpcs
from ringline_server.api.encode import CallEncoder
from ringline_server.api.events import list_call_events_rpc, list_events_rpc
from ringline_server.api.health import SERVICE as HEALTH
from ringline_server.api.health import Health, HealthState
from ringline_server.api.identity import Identity
from ringline_server.api.lists import list_calls_rpc
from ringline_server.api.port import Rpcs, Stream, Unary
from ringline_server.api.reflection import SERVICES as REFLECTIONS
from ringline_server.api.reflection import Reflection, load_catalogue
from ringline_server.api.rpc import DEFAULT_TIMEOUT, stream, unary
from ringline_server.engine.port import CallTypes
from ringline_server.store.port import Store

CALLS = "ringline.v1.CallService"

NEVER_REFUSED = frozenset({"CancelCall", "LeaveCall"})
"""RPCs that end something: with them there is less to do afterwards."""


def build_rpcs(  # noqa: PLR0913 -- what the RPCs stand on, and one limit
    *,
    engine: Engine,
    store: Store,
    encoder: CallEncoder,
    identity: Identity,
    call_types: CallTypes,
    health: HealthState,
    watch: Stream,
    default_timeout: float = DEFAULT_TIMEOUT,
) -> Rpcs:
    """Return the RPCs by their full paths. ``watch`` is WatchCalls; ``default_timeout`` is in seconds."""
    calls: dict[str, Unary] = {
        **command_rpcs(engine, identity, encoder, call_types),
        "ListCalls": list_calls_rpc(store, identity, encoder, call_types),
        "ListCallEvents": list_call_events_rpc(store, identity, call_types),
        "ListEvents": list_events_rpc(store, identity),
    }
    timed = {name: unary(rpc, default_timeout=default_timeout) for name, rpc in calls.items()}
    limited = Admission().limited
    catalogue = load_catalogue()
    checks = Health(health, catalogue.services)
    reflection = stream(Reflection(catalogue), quiet=True)
    return Rpcs(
        unary={
            **{f"/{CALLS}/{name}": rpc if name in NEVER_REFUSED else limited(rpc) for name, rpc in timed.items()},
            **{f"/{HEALTH}/{name}": unary(rpc, quiet=True) for name, rpc in checks.unary.items()},
        },
        server_stream={
            f"/{CALLS}/WatchCalls": stream(watch),
            **{f"/{HEALTH}/{name}": stream(rpc, quiet=True) for name, rpc in checks.server_stream.items()},
        },
        bidi_stream={f"/{service}/ServerReflectionInfo": reflection for service in REFLECTIONS},
    )
