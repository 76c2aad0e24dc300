from __future__ import annotations

from pathlib import Path

import pytest

from conformance.runner.cases import Case, CaseError
from conformance.runner.report import judge, known_failures, table
from conformance.runner.suite import Column, Outcome, Verdict

CASES = [Case("races", title, Path("races.txt"), title == "sdk") for title in ("first", "second", "sdk")]


def column(language: str, *verdicts: Verdict) -> Column:
    return Column(
        language,
        outcomes={case.name: Outcome(verdict) for case, verdict in zip(CASES, verdicts, strict=True)},
    )


GOOD = column("go", Verdict.OK, Verdict.OK, Verdict.NO_SDK)
ABSENT = Column("rust", skipped="not on this machine: cargo")


def test_the_table_shows_languages_by_cases_and_totals() -> None:
    text = table(CASES, [GOOD, column("java", Verdict.OK, Verdict.FAILED, Verdict.OK), ABSENT])
    assert "races/second       ok   FAILED" in text
    assert "races/sdk           -       ok" in text
    assert "3 cases           2/2      2/3" in text
    assert "SKIPPED rust: not on this machine: cargo" in text


def test_all_is_well() -> None:
    assert judge(CASES, [GOOD, ABSENT], set(), strict=False) == []


def test_a_failure_must_be_known_and_a_known_one_must_fail() -> None:
    java = column("java", Verdict.OK, Verdict.FAILED, Verdict.OK)
    assert judge(CASES, [java], set(), strict=False) == ["failed: java: races/second"]
    assert judge(CASES, [java], {("java", "races/second")}, strict=False) == []
    assert judge(CASES, [java], {("*", "races/second")}, strict=False) == []
    (complaint,) = judge(CASES, [GOOD], {("go", "races/first")}, strict=False)
    assert complaint.startswith("passes, so take it out")


def test_an_empty_column_fails_even_if_every_failure_is_known() -> None:
    empty = column("php", Verdict.FAILED, Verdict.FAILED, Verdict.NO_SDK)
    known = {("php", case.name) for case in CASES}
    assert any("empty column" in one for one in judge(CASES, [GOOD, empty], known, strict=False))


def test_nothing_may_be_skipped_where_it_is_asked_for() -> None:
    assert any("rust was skipped" in one for one in judge(CASES, [GOOD, ABSENT], set(), strict=True))


def test_known_failures_name_cases_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text("# why\ngo: races/first  # because\n\n*: races/second\n")
    names = {case.name for case in CASES}
    assert known_failures(path, names) == {("go", "races/first"), ("*", "races/second")}
    path.write_text("go: races/third\n")
    with pytest.raises(CaseError, match=r"known\.txt:1"):
        known_failures(path, names)
