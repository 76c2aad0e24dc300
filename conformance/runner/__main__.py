"""The command: `python -m conformance.runner [--language go] [--only resume]`. The README beside it explains."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.runner.cases import Case, CaseError, read_cases
from conformance.runner.languages import Language, LanguageError, read_languages
from conformance.runner.report import judge, known_failures, table
from conformance.runner.suite import Column, Outcome, Verdict, run_language

FOLDER = Path(__file__).parents[1]


def main() -> int:
    """Run, print the table, and return the exit status."""
    options = _options()
    try:
        cases = read_cases(FOLDER / "cases")
        languages = read_languages(FOLDER / "drivers")
        known = known_failures(FOLDER / "known_failures.txt", {case.name for case in cases})
    except (CaseError, LanguageError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.list:
        sys.stdout.writelines(f"{case.name}{' (needs sdk)' if case.needs_sdk else ''}\n" for case in cases)
        return 0
    chosen = [case for case in cases if all(word in case.name for word in options.only)]
    languages = [one for one in languages if not options.language or one.name in options.language]
    if absent := set(options.language) - {one.name for one in languages}:
        sys.stderr.write(f"there is no conformance/drivers/{min(absent)}/driver.toml\n")
        return 2
    if not chosen:
        sys.stderr.write("no case has such a name\n")
        return 2
    columns = asyncio.run(_run(languages, chosen, options.jobs, options.wire))
    sys.stdout.write(table(chosen, columns))
    strict = bool(options.language) or os.environ.get("CI", "") not in {"", "0", "false"}
    complaints = judge(chosen, columns, known, strict=strict)
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.runner", description="Run the conformance suite.")
    parser.add_argument(
        "--language", action="append", default=[], help="only this one, may be repeated; it must then be runnable"
    )
    parser.add_argument(
        "--only", action="append", default=[], help="only cases whose name contains this; several: all of them"
    )
    parser.add_argument("--jobs", type=int, default=max(4, os.cpu_count() or 1), help="cases at once")
    parser.add_argument("--wire", choices=("grpcio", "envoy"), default="grpcio", help="what carries the RPCs")
    parser.add_argument("--list", action="store_true", help="list the cases, and run none")
    return parser.parse_args()


async def _run(languages: Sequence[Language], cases: Sequence[Case], jobs: int, wire: str) -> list[Column]:
    """Run one language after the other: together they would only wait for each other's processors."""
    return [await run_language(language, cases, jobs, wire, _progress) for language in languages]


def _progress(language: str, case: Case, outcome: Outcome) -> None:
    if outcome.verdict is Verdict.FAILED:
        sys.stdout.write(f"FAILED {language}: {case.name}\n    {outcome.why}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
