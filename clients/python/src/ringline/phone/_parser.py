"""The command line of the phone, and a help that teaches."""

from __future__ import annotations

import argparse
from importlib.metadata import version

_PROGRAM = "ringline"

ADDRESS = "127.0.0.1:50051"

_ABOUT = "A phone in the terminal: ring people, be rung, answer, decline, hang up."

_EXAMPLES = """\
try it, with a server (`ringline-server serve`) and two more terminals:
  ringline watch --user 'my friend'            shows what rings; `a` answers, `d` declines
  ringline ring --user myself 'my friend'      rings, and says which call it is

without a key at hand, or in a script:
  ringline answer --user 'my friend'           answers what rings
  ringline decline --user 'my friend'          refuses it (--reason busy leaves a missed call)
  ringline cancel --user myself                takes back one's own ring
  ringline leave --user myself                 hangs up; the others go on
  ringline end --user myself                   ends the call for everyone and for good

which call:
  without CALL it is the only one that fits, else the phone lists them. CALL is an id, or type:id.

exit status: 0 it is done; 1 it is not, and one line on stderr says what to do; 2 the command line is wrong.
"""

_WATCH = """\
Shows the calls that ring you, those you ring and those you are in: the direction, who, and the seconds left by the
server's clock. It goes on whatever happens to the server or the connection.

keys: up and down choose a call, a answers, d declines, takes back or hangs up, e ends for everyone, q quits. While you
are in a call, a new ring is chosen by itself.
Where there is no terminal, it prints a line for whatever happens.
"""


def build() -> argparse.ArgumentParser:
    """Return the parser of ``ringline``."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {version(_PROGRAM)}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    _add(verbs, "watch", "show what rings, and answer or decline at a key", _WATCH)

    ring = _add(verbs, "ring", "ring somebody")
    ring.add_argument("who", nargs="+", metavar="WHO", help="whom to ring")
    ring.add_argument("--call", metavar="CALL", help="the call to ring in, as id or type:id; default: a new one")
    ring.add_argument("--video", action="store_true", help="say that it is a video call")

    _add_for_a_call(verbs, "answer", "answer what rings you")
    decline = _add_for_a_call(verbs, "decline", "refuse what rings you")
    decline.add_argument("--reason", default="", metavar="TEXT", help="busy, timeout or any text; default: decline")
    _add_for_a_call(verbs, "cancel", "take back your own ring")
    _add_for_a_call(verbs, "leave", "hang up; the others go on")
    _add_for_a_call(verbs, "end", "end a call for everyone and for good")
    return parser


_Verbs = argparse._SubParsersAction  # noqa: SLF001 -- argparse has no public name for it


def _add(
    verbs: _Verbs[argparse.ArgumentParser], name: str, does: str, description: str | None = None
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=does,
        description=description or f"{does[0].upper()}{does[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--user", required=True, metavar="WHO", help="who you are; the server takes your word for it")
    parser.add_argument(
        "--device", metavar="NAME", help="which of your phones this is; needed if you use several at once"
    )
    parser.add_argument("--address", default=ADDRESS, metavar="HOST:PORT", help=f"the server; default {ADDRESS}")
    return parser


def _add_for_a_call(verbs: _Verbs[argparse.ArgumentParser], name: str, does: str) -> argparse.ArgumentParser:
    parser = _add(verbs, name, does)
    parser.add_argument("call", nargs="?", metavar="CALL", help="id or type:id; default: the only one that fits")
    return parser
