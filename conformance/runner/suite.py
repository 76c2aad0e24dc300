"""Runs cases in languages, several at once, and tells what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from conformance.runner.cases import Case
from conformance.runner.languages import Language, LanguageError, environment
from conformance.runner.play import Player
from conformance.runner.process import Child, ChildError, Json
from conformance.runner.world import Mismatch, Server, World


class Verdict(Enum):
    """What came of a case in a language."""

    OK = "ok"
    FAILED = "FAILED"
    NO_SDK = "-"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict, and why."""

    verdict: Verdict
    why: str = ""


@dataclass(slots=True)
class Column:
    """A language's results."""

    language: str
    skipped: str = ""
    """Why nothing was run; empty if it was."""
    hello: Json = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """How many cases are as expected."""
        return sum(outcome.verdict is Verdict.OK for outcome in self.outcomes.values())


Progress = Callable[[str, Case, Outcome], None]


async def run_language(language: Language, cases: Sequence[Case], jobs: int, wire: str, progress: Progress) -> Column:
    """Build the driver and run the cases."""
    column = Column(language.name)
    if language.missing:
        column.skipped = f"not on this machine: {', '.join(language.missing)}"
        return column
    try:
        await language.make()
    except (LanguageError, OSError) as error:
        column.outcomes = {case.name: Outcome(Verdict.FAILED, f"no driver: {error}") for case in cases}
        return column
    # The longest first: stalls wait for real watchdogs.
    waiting = sorted(cases, key=lambda case: not case.needs_sdk)
    await asyncio.gather(*(_work(language, waiting, column, wire, progress) for _ in range(min(jobs, len(cases)))))
    return column


async def _work(language: Language, waiting: list[Case], column: Column, wire: str, progress: Progress) -> None:
    """Run cases one after the other in one driver and one control program, until none is left."""
    server = Server(wire)
    driver: Child | None = None
    try:
        while waiting:
            case = waiting.pop(0)
            try:
                if driver is None or not driver.is_alive:
                    driver, column.hello = await _start(language)
                outcome = await _run(case, driver, server, has_sdk=column.hello.get("sdk") is True)
            except (ChildError, Mismatch) as error:
                outcome = Outcome(Verdict.FAILED, str(error))
                if driver is not None:
                    await driver.kill()
                driver = None
            column.outcomes[case.name] = outcome
            progress(language.name, case, outcome)
    finally:
        if driver is not None:
            await driver.end()
        await server.close()


async def _start(language: Language) -> tuple[Child, Json]:
    driver = Child(f"the {language.name} driver", lambda _: None)
    await driver.start(language.run, language.folder, environment())
    try:
        return driver, await driver.ask("hello", language.timeout)
    except ChildError:
        await driver.kill()
        raise


async def _run(case: Case, driver: Child, server: Server, *, has_sdk: bool) -> Outcome:
    if case.needs_sdk and not has_sdk:
        return Outcome(Verdict.NO_SDK)
    world = World(driver, server)
    try:
        await world.begin()
        await Player(world).play(case)
    except Mismatch as error:
        outcome = Outcome(Verdict.FAILED, str(error))
    else:
        outcome = Outcome(Verdict.OK)
    await world.close()
    return outcome
