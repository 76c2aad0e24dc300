"""The parts put together, started and stopped in order."""

from __future__ import annotations

from ringline_server.app.log import configure_logging
from ringline_server.app.running import RunningServer, StartError, running_server
from ringline_server.app.serving import serve

__all__ = ["RunningServer", "StartError", "configure_logging", "running_server", "serve"]
