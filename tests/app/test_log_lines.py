from __future__ import annotations

import asyncio
import io

from ringline_server.app.log_lines import LinesLogger


class Writes(io.StringIO):
    """Keeps each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def write(self, text: str) -> int:
        self.texts.append(text)
        return len(text)


async def test_lines_of_one_turn_of_the_loop_are_one_write() -> None:
    out = Writes()
    lines = LinesLogger(out)
    lines.info("one")
    lines.debug("two")
    assert out.texts == []
    await asyncio.sleep(0)
    lines.info("three")
    await asyncio.sleep(0)
    assert out.texts == ["one\ntwo\n", "three\n"]


async def test_what_is_worse_is_written_at_once_behind_what_was_logged_before_it() -> None:
    out = Writes()
    lines = LinesLogger(out)
    lines.info("one")
    lines.error("two")
    assert out.texts == ["one\ntwo\n"]
    await asyncio.sleep(0)
    assert out.texts == ["one\ntwo\n"]


def test_without_a_loop_every_line_is_written_at_once() -> None:
    out = Writes()
    lines = LinesLogger(out)
    lines.info("one")
    lines.error("two")
    assert out.texts == ["one\n", "two\n"]


def test_what_one_loop_has_left_is_written_by_the_next() -> None:
    out = Writes()
    lines = LinesLogger(out)

    async def log(line: str) -> None:
        lines.info(line)

    loop = asyncio.new_event_loop()
    loop.call_soon(lines.info, "one")
    loop.stop()
    loop.run_forever()
    loop.close()
    assert out.texts == []
    asyncio.run(log("two"))
    assert out.texts == ["one\ntwo\n"]
