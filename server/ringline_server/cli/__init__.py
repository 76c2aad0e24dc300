"""The command ``ringline-server``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ringline_server.app.command_log import command_log, is_for_people
from ringline_server.app.errors import StartError
from ringline_server.app.serving import Serving, serve
from ringline_server.cli import parser
from ringline_server.cli.welcome import serving_line, welcome
from ringline_server.config import SettingsError, load, unknown_variables

_FAILED = 1
_WRONG_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = vars(parser.build().parse_args(arguments))
    del options["command"]
    try:
        settings = load(options, os.environ)
    except SettingsError as error:
        return _complain(error, _WRONG_USAGE)
    if unknown := unknown_variables(os.environ):
        command_log(settings).warning("unknown_variables", ignored=unknown)

    def announce(server: Serving) -> None:
        print(serving_line(settings, server.port), flush=True)
        if is_for_people(settings.log_format, sys.stderr):
            print(welcome(settings, server.port), file=sys.stderr, flush=True)

    try:
        return serve(settings, announce)
    except StartError as error:
        return _complain(error, _FAILED)


def _complain(error: Exception, status: int) -> int:
    print(f"ringline-server: {error}", file=sys.stderr, flush=True)
    return status
