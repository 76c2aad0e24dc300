"""Where settings come from: the defaults, then a TOML file, the environment and the command line, the last one wins."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ringline_server.config.call_types import CallTypeError, call_types
from ringline_server.config.options import OPTIONS, Option
from ringline_server.config.settings import Settings, SettingsError

CONFIG_VARIABLE = "RINGLINE_CONFIG"
_PREFIX = "RINGLINE_"
_CALL_TYPES = "call_types"


def load(arguments: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings. ``arguments`` are options of the command line by name, ``config`` among them.

    An empty variable counts as unset. Raises SettingsError.
    """
    values: dict[str, Any] = {}
    path, named_by = arguments.get("config"), "--config"
    if path is None:
        path, named_by = environment.get(CONFIG_VARIABLE), CONFIG_VARIABLE
    if path:
        values.update(_from_file(Path(path), named_by))
    for option in OPTIONS:
        if environment.get(option.variable):
            values[option.name] = _read(option, environment[option.variable], option.variable)
    for option in OPTIONS:
        if option.name in arguments:
            values[option.name] = _read(option, arguments[option.name], option.flag)
    return Settings(**values)


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Return variables that look like settings and are none: a typing error, or somebody else's."""
    known = {CONFIG_VARIABLE, *(option.variable for option in OPTIONS)}
    return sorted(name for name in environment if name.startswith(_PREFIX) and name not in known)


def _from_file(path: Path, named_by: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{named_by}: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    known = {option.name: option for option in OPTIONS}
    for key in document:
        if key not in known and key != _CALL_TYPES:
            raise SettingsError(f"{path}: unknown key {key!r}. There are: {', '.join((*known, '[call_types.NAME]'))}")
    values = {
        name: _read(option, document[name], f"{path}: {name}") for name, option in known.items() if name in document
    }
    if _CALL_TYPES in document:
        try:
            values[_CALL_TYPES] = call_types(document[_CALL_TYPES])
        except CallTypeError as error:
            raise SettingsError(f"{path}: {error}") from error
    return values


def _read(option: Option, value: object, source: str) -> object:
    try:
        return option.read(value)
    except ValueError as error:
        raise SettingsError(f"{source}: {value!r} cannot be used. Allowed: {error}") from error
