"""The server's settings: what there is to set, and where it is read from."""

from __future__ import annotations

from ringline_server.config.options import OPTIONS, Option
from ringline_server.config.settings import Address, LogFormat, LogLevel, Settings, SettingsError
from ringline_server.config.sources import load, unknown_variables

__all__ = [
    "OPTIONS",
    "Address",
    "LogFormat",
    "LogLevel",
    "Option",
    "Settings",
    "SettingsError",
    "load",
    "unknown_variables",
]
