"""The parity table, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from conformance.runner.cases import Case, CaseError
from conformance.runner.suite import Column, Verdict

_WIDEST = 72


def known_failures(path: Path, names: Collection[str]) -> set[tuple[str, str]]:
    """Read lines like `go: races/accept, then cancel`; `*` is every language: a gap of the server's own.

    Raises CaseError for a case that does not exist.
    """
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        language, _, name = text.partition(": ")
        if name not in names:
            raise CaseError(f"{path}:{number}: there is no case {name!r}; expected 'language: topic/title'")
        found.add((language, name))
    return found


def table(cases: Sequence[Case], columns: Sequence[Column]) -> str:
    """Return languages by cases, and totals."""
    shown = [column for column in columns if not column.skipped]
    wide = min(max(len(case.name) for case in cases), _WIDEST)
    widths = [max(len(column.language), 7) for column in shown]
    head = " " * wide + "".join(f"  {column.language:>{width}}" for column, width in zip(shown, widths, strict=True))
    lines = ["", head.rstrip(), "-" * len(head)]
    for case in cases:
        marks = [_mark(column, case) for column in shown]
        row = "".join(f"  {mark:>{width}}" for mark, width in zip(marks, widths, strict=True))
        lines.append(f"{case.name[:wide]:<{wide}}{row}")
    totals = [f"{column.passed}/{_due(column)}" for column in shown]
    row = "".join(f"  {total:>{width}}" for total, width in zip(totals, widths, strict=True))
    lines += ["-" * len(head), f"{f'{len(cases)} cases':<{wide}}{row}", ""]
    lines += [_versions(column) for column in shown]
    lines += [f"SKIPPED {column.language}: {column.skipped}" for column in columns if column.skipped]
    return "\n".join(lines) + "\n"


def _mark(column: Column, case: Case) -> str:
    outcome = column.outcomes.get(case.name)
    return outcome.verdict.value if outcome is not None else "?"


def _due(column: Column) -> int:
    return sum(outcome.verdict is not Verdict.NO_SDK for outcome in column.outcomes.values())


def _versions(column: Column) -> str:
    versions = column.hello.get("versions", {})
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{column.language}: {'SDK and stubs' if column.hello.get('sdk') else 'stubs'} ({said or 'no versions'})"


def judge(cases: Sequence[Case], columns: Sequence[Column], known: set[tuple[str, str]], *, strict: bool) -> list[str]:
    """Return what makes the suite fail. `strict` says that nothing may be skipped."""
    complaints = []
    for column in columns:
        if column.skipped:
            if strict:
                complaints.append(f"{column.language} was skipped, and must not be: {column.skipped}")
            continue
        if column.passed == 0:
            complaints.append(f"{column.language} has an empty column: nothing passed")
        for case in cases:
            outcome = column.outcomes.get(case.name)
            failed = outcome is None or outcome.verdict is Verdict.FAILED
            listed = bool({(column.language, case.name), ("*", case.name)} & known)
            if failed and not listed:
                complaints.append(f"failed: {column.language}: {case.name}")
            if listed and outcome is not None and outcome.verdict is Verdict.OK:
                complaints.append(f"passes, so take it out of known_failures.txt: {column.language}: {case.name}")
    if not any(column.passed for column in columns):
        complaints.append("no language was run")
    return complaints
