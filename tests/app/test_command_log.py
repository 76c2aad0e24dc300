from __future__ import annotations

import json
import logging

import pytest
import structlog

from ringline_server.app.command_log import SetUpLater, command_log
from ringline_server.config import Settings, load

pytestmark = pytest.mark.usefixtures("log_as_it_was")


@pytest.fixture
def settings() -> Settings:
    return load({"log_format": "json"}, {})


def test_the_log_is_set_up_by_its_first_line_and_not_again(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not structlog.is_configured()
    command_log(settings).info("one")
    before = structlog.get_config()["logger_factory"]
    command_log(settings).info("two")
    assert structlog.get_config()["logger_factory"] is before
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["one", "two"]


def test_a_librarys_line_sets_it_up_too_and_comes_out_in_its_form(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().handlers[:] = [SetUpLater(settings)]
    for text in ("one", "two"):
        logging.getLogger("some.library").warning(text)
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["one", "two"]
