from __future__ import annotations

from pathlib import Path

import pytest

from conformance.runner.languages import LanguageError, read_languages


def test_a_folder_without_a_driver_is_a_language_that_cannot_be_built(tmp_path: Path) -> None:
    (tmp_path / "klingon").mkdir()
    (language,) = read_languages(tmp_path)
    assert language.name == "klingon"
    assert not language.missing


async def test_it_is_said_why_a_driver_cannot_be_built(tmp_path: Path) -> None:
    (tmp_path / "klingon").mkdir()
    (language,) = read_languages(tmp_path)
    with pytest.raises(LanguageError, match=r"driver\.toml"):
        await language.make()
    toml = 'run = ["./driver"]\nbuild = [["sh", "-c", "echo why; exit 1"]]\n'
    (tmp_path / "klingon" / "driver.toml").write_text(toml)
    (language,) = read_languages(tmp_path)
    with pytest.raises(LanguageError, match="why"):
        await language.make()


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "klingon").mkdir()
    (tmp_path / "klingon" / "driver.toml").write_text('needs = ["sh", "no-such-program"]\nrun = ["./driver"]\n')
    (language,) = read_languages(tmp_path)
    assert language.missing == ["no-such-program"]


def test_what_is_no_program_is_probed_for(tmp_path: Path) -> None:
    (tmp_path / "klingon").mkdir()
    for probe, missing in (("true", []), ("false", ["what `false` looks for"])):
        (tmp_path / "klingon" / "driver.toml").write_text(f'needs = ["sh"]\nprobe = ["{probe}"]\nrun = ["./driver"]\n')
        (language,) = read_languages(tmp_path)
        assert language.missing == missing


def test_a_key_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "klingon").mkdir()
    (tmp_path / "klingon" / "driver.toml").write_text('run = ["./driver"]\nneed = ["sh"]\n')
    with pytest.raises(LanguageError, match="need"):
        read_languages(tmp_path)
