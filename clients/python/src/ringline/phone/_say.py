"""What the phone says to its user, and how it says it."""

from __future__ import annotations

import sys

from ringline.errors import DeadlineExceeded, RinglineError, Unavailable


class Trouble(Exception):
    """It cannot be done. The text is one line: why, and what to do."""


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(f"ringline: {printable(text)}\n")


def printable(text: str) -> str:
    """Return the text without what would command the terminal: others have chosen parts of it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def advice(error: Trouble | RinglineError, address: str) -> str:
    """Return what is wrong and what to do, in one line."""
    match error:
        case Unavailable(reason=""):
            return (
                f"no server answers at {address}. Start one with `ringline-server serve`, or say with --address "
                "where it is."
            )
        case DeadlineExceeded():
            return f"the server at {address} took too long. It may be done: look with `ringline watch`, or try again."
        case RinglineError(reason="ALREADY_ACCEPTED"):
            return f"too late, it is answered: `ringline leave` hangs up. ({error.message})"
        case RinglineError(reason="JOINED_ELSEWHERE"):
            return "you are in this call on another device: hang up there first."
        case RinglineError():
            return error.message
        case _:
            return str(error)
