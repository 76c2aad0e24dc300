"""The terminal phone ``ringline``: rings, is rung, and says in words what happened."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from ringline.errors import RinglineError
from ringline.phone._parser import build
from ringline.phone._run import run
from ringline.phone._say import Trouble, advice, complain

_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = build().parse_args(arguments)
    try:
        asyncio.run(run(options))
    except (Trouble, RinglineError) as error:
        complain(advice(error, options.address))
        return _FAILED
    except KeyboardInterrupt:
        # It is how a watch is left.
        return 0 if options.verb == "watch" else _FAILED
    except BrokenPipeError:
        # Nobody reads on (`| head`). Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
