"""The help teaches: what it is, an example, and of each option its variable, its key and its default."""

from __future__ import annotations

import re
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

from ringline_server.cli import main
from ringline_server.config import OPTIONS, load


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def test_the_help_says_what_it_is_and_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--help")
    assert "Ringline owns the ring" in text
    assert "ringline-server serve --listen 127.0.0.1:0 --database /tmp/try.db" in text
    assert "serve --help" in text


def test_the_help_of_serve_names_flag_variable_key_and_default_of_every_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, "serve", "--help")
    for option in OPTIONS:
        assert option.flag in text
        assert f"Variable {option.variable}, key {option.name}; default: {option.default}" in text
    assert "--config FILE" in text
    assert "RINGLINE_CONFIG" in text


@pytest.mark.parametrize(
    "taught",
    [
        "the defaults, then the TOML file, then the environment, then the command line; the last one wins",
        "[call_types.standup.grants]",
        "x-user-id",
        "SIGTERM or Ctrl-C",
        "Exit status 1",
    ],
)
def test_the_help_of_serve_teaches(taught: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert taught in printed(capsys, "serve", "--help")


def test_the_file_in_the_help_works(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = capsys.readouterr().out
    begin = text.index('    listen = "')
    path = tmp_path / "ringline.toml"
    path.write_text(textwrap.dedent(text[begin : text.index("who is who:")]))
    settings = load({"config": str(path)}, {})
    assert settings.drain_grace == 10
    assert not settings.call_types["standup"].settings.end_when_empty


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--version").strip() == f"ringline-server {version('ringline-server')}"


@pytest.mark.parametrize("arguments", [[], ["serv"], ["serve", "--lisen", "x"], ["serve", "--listen"]])
def test_a_wrong_command_line_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


def test_an_abbreviated_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--list", "127.0.0.1:0"])
    assert "--list" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--listen", "here"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ringline-server: --listen: 'here' cannot be used. Allowed: HOST:PORT")
    assert err.count("\n") == 1
