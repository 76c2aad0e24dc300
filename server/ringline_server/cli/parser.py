"""The command line, made from the table of options, and a help that teaches."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from ringline_server.config import OPTIONS, Option

_PROGRAM = "ringline-server"

_ABOUT = """\
Ringline owns the ring: who is called, who answers, when it is missed. Clients call it over gRPC and are told what is
true; they run no timers and derive nothing. One server, one SQLite file, nothing else to install.
"""

_EXAMPLES = """\
examples:
  ringline-server serve
      serves on 127.0.0.1:50051, keeps everything in ./ringline.db, and says what to type next
  ringline-server serve --listen 127.0.0.1:0 --database /tmp/try.db
      on any free port, with a database of its own
  RINGLINE_LOG_FORMAT=json ringline-server serve --config ringline.toml
      with settings from a file, one of them from the environment
"""

_SOURCES = """\
where settings come from:
  the defaults, then the TOML file, then the environment, then the command line; the last one wins. Each option above
  names its variable and its key. In the file:

    listen = "127.0.0.1:50051"
    drain_grace = "10s"

    [call_types.standup.settings]          # a call type of your own, or changes to a built-in one (default,
    end_when_empty = false                 # audio_room, livestream, development)
    ring.auto_cancel_timeout = "45s"

    [call_types.standup.grants]            # role = what it may do; roles: user, call_member, host, admin
    user = ["create-call"]
    call_member = ["read-call", "join-call", "ring-call"]

who is who:
  on a loopback address clients say who they are in the metadata x-user-id, x-role and x-teams, and are believed. This
  is for development. On any other address, and behind TLS, that is refused, unless --insecure-dev-identity says that
  you mean it.

stopping:
  SIGTERM or Ctrl-C: health says NOT_SERVING, streams are told to go elsewhere, RPCs under way finish, exit status 0.
  A second one exits at once. Exit status 1: it could not start, or could not go on; 2: a setting is wrong.
"""


def build() -> argparse.ArgumentParser:
    """Return the parser of ``ringline-server``."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {version(_PROGRAM)}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="run the server (serve --help explains every option)",
        description=_ABOUT,
        epilog=f"{_EXAMPLES}\n{_SOURCES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="a TOML file with settings. Variable RINGLINE_CONFIG; default none",
    )
    for option in OPTIONS:
        _add(serve, option)
    return parser


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    # What is not given stays out of the result: the other sources decide.
    text = f"{option.help}. Variable {option.variable}, key {option.name}; default: {option.default}"
    if option.placeholder:
        parser.add_argument(option.flag, metavar=option.placeholder, default=argparse.SUPPRESS, help=text)
    else:
        parser.add_argument(option.flag, action="store_const", const="true", default=argparse.SUPPRESS, help=text)
