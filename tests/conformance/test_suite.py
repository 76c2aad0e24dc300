"""The whole suite with the Python driver, as `make conformance LANG=python` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.runner.cases import read_cases
from conformance.runner.languages import read_languages
from conformance.runner.report import judge, known_failures, table
from conformance.runner.suite import run_language

FOLDER = Path(__file__).parents[2] / "conformance"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("wire", ["grpcio", pytest.param("envoy", marks=pytest.mark.envoy)])
async def test_python_does_as_every_case_says(wire: str) -> None:
    cases = read_cases(FOLDER / "cases")
    (python,) = [one for one in read_languages(FOLDER / "drivers") if one.name == "python"]
    known = known_failures(FOLDER / "known_failures.txt", {case.name for case in cases})
    told: list[str] = []

    column = await run_language(
        python, cases, 4, wire, lambda _, case, outcome: told.append(f"{case.name}: {outcome.why}")
    )

    complaints = judge(cases, [column], known, strict=True)
    assert complaints == [], "\n".join(one for one in told if not one.endswith(": "))
    assert len(cases) >= 60
    assert f"{len(cases)} cases" in table(cases, [column])
