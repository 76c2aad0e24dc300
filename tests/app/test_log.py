from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from ringline_server.app.log import configure_logging

pytestmark = pytest.mark.usefixtures("log_as_it_was")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_is_an_object_a_line_whoever_wrote_it() -> None:
    out = io.StringIO()
    configure_logging("info", "json", out)
    structlog.get_logger().info("ring_began", cid="default:ä", ring_id="r1")
    logging.getLogger("some.library").warning("odd: %s", 7)
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["cid"], ours["ring_id"]) == ("ring_began", "info", "default:ä", "r1")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("odd: 7", "warning", "some.library")


def test_an_exception_is_one_line_of_json_too() -> None:
    out = io.StringIO()
    configure_logging("info", "json", out)
    try:
        int("what went wrong")
    except ValueError:
        structlog.get_logger().exception("rpc_failed")
    (line,) = out.getvalue().splitlines()
    assert "what went wrong" in json.loads(line)["exception"]


@pytest.mark.parametrize("odd", ["half of a pair: \ud83d", 2**70, {1: "a key that is no text"}, object()])
def test_whatever_is_in_a_line_the_line_is_written(odd: object) -> None:
    out = io.StringIO()
    configure_logging("info", "json", out)
    structlog.get_logger().info("odd", fact=odd)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "odd"


@pytest.mark.parametrize("fact", ["plain", 2**70])
def test_a_line_says_when_whichever_encoder_wrote_it(fact: object) -> None:
    out = io.StringIO()
    configure_logging("info", "json", out)
    structlog.get_logger().info("ring_began", fact=fact)
    told = json.loads(out.getvalue())["timestamp"]
    assert told.endswith("Z")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(told)) < timedelta(minutes=1)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_variables_of_a_function_that_failed_stay_out_of_the_log(log_format: str) -> None:
    out = io.StringIO()
    configure_logging("info", log_format, out)
    said = "".join(reversed("etavirp"))
    try:
        int(said[:0])
    except ValueError:
        structlog.get_logger().exception("rpc_failed")
    assert "ValueError" in out.getvalue()
    assert said not in out.getvalue()


@pytest.mark.parametrize(("out", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_without_a_format_it_is_text_on_a_terminal_and_json_elsewhere(out: io.StringIO, is_json: bool) -> None:
    configure_logging("info", None, out)
    structlog.get_logger().info("ring_began", cid="default:a")
    assert out.getvalue().startswith("{") is is_json
    assert "ring_began" in out.getvalue()


def test_text_has_no_colour_where_it_is_no_terminal() -> None:
    out = io.StringIO()
    configure_logging("info", "text", out)
    structlog.get_logger().info("ring_began", cid="default:a")
    assert "\x1b" not in out.getvalue()
    assert "cid=default:a" in out.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    out = io.StringIO()
    configure_logging("warning", "json", out)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    logging.getLogger("some.library").info("quiet")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]
