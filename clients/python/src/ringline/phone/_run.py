"""The verbs."""

from __future__ import annotations

import argparse
import sys
import uuid

from ringline.call import Call
from ringline.client import Client
from ringline.enums import CallDirection, CallingState
from ringline.phone import _words
from ringline.phone._lines import watch_in_lines
from ringline.phone._say import Trouble, complain, say

_PATIENCE = 4.0
"""Seconds that a person waits for a server."""

_TYPE = "default"

_FITTING: dict[str, tuple[tuple[CallDirection, ...], tuple[CallingState, ...], str]] = {
    "answer": ((CallDirection.INCOMING,), (CallingState.RINGING,), "nothing rings you"),
    "decline": ((CallDirection.INCOMING,), (CallingState.RINGING,), "nothing rings you"),
    "cancel": ((CallDirection.OUTGOING,), (CallingState.RINGING,), "you ring nobody"),
    "leave": ((), (CallingState.JOINED,), "you are in no call"),
    "end": ((), (CallingState.JOINED, CallingState.RINGING), "you are in no call, and none rings"),
}
"""Which calls a verb can mean, and what to say if there is none."""


async def run(options: argparse.Namespace) -> None:
    """Do what the command line says; raise Trouble or RinglineError."""
    async with Client(options.address, user=options.user, device=options.device, timeout=_PATIENCE) as client:
        if options.verb == "watch":
            await _watch(client, options)
        elif options.verb == "ring":
            await _ring(client, options)
        else:
            call = await _find(client, options.verb, options.call)
            await _VERBS[options.verb](call, options)


async def _watch(client: Client, options: argparse.Namespace) -> None:
    # A watch would wait for a server for ever; a person wants to know.
    async for _ in client.list_calls(page_size=1):
        break
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            from ringline.phone._screen import watch_on_screen  # noqa: PLC0415 -- it needs the extra "phone"
        except ImportError:
            complain("for a live list and keys: pip install 'ringline[phone]'")
        else:
            await watch_on_screen(client, options.user, options.address)
            return
    await watch_in_lines(client, options.user)


async def _ring(client: Client, options: argparse.Namespace) -> None:
    call = _named(client, options.call or uuid.uuid4().hex[:8])
    members = list(dict.fromkeys([options.user, *options.who]))
    answer = await call.get_or_create(ring=True, video=options.video, members=members)
    for line in _words.rung(call, answer):
        say(line)


async def _answer(call: Call, _: argparse.Namespace) -> None:
    await call.join()
    say(_words.standing(call))


async def _decline(call: Call, options: argparse.Namespace) -> None:
    who = _words.others(call)
    await call.reject(options.reason)
    _done(f"You declined the call from {who}.", call)


async def _cancel(call: Call, _: argparse.Namespace) -> None:
    who = _words.others(call)
    await call.cancel()
    _done(f"You do not ring {who} any more.", call)


async def _leave(call: Call, _: argparse.Namespace) -> None:
    await call.leave()
    _done("You left.", call)


async def _end(call: Call, _: argparse.Namespace) -> None:
    await call.end_call()
    say(f"You ended the call for everyone. ({call.cid})")


_VERBS = {"answer": _answer, "decline": _decline, "cancel": _cancel, "leave": _leave, "end": _end}


def _done(what: str, call: Call) -> None:
    say(" ".join(filter(None, [what, _words.ended(call)])) + f" ({call.cid})")


def _named(client: Client, name: str) -> Call:
    kind, colon, id_ = name.partition(":")
    return client.call(kind, id_) if colon else client.call(_TYPE, name)


async def _find(client: Client, verb: str, name: str | None) -> Call:
    """Return the call that is meant, as it is now: the verbs then mean the ring that it shows."""
    if name is not None:
        call = _named(client, name)
        await call.get()
        return call
    directions, calling_states, none = _FITTING[verb]
    found = [call async for call in client.list_calls(directions=directions, calling_states=calling_states)]
    if not found:
        raise Trouble(f"{none}. `ringline watch` shows what rings.")
    if len(found) > 1:
        each = ", ".join(f"{call.cid} ({_words.others(call)})" for call in found)
        raise Trouble(f"which one? Name it after `{verb}`: {each}.")
    return found[0]
