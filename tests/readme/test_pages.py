"""What the pages refer to exists, and what refers to the pages finds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ringline_server.config import OPTIONS
from tests.readme.walk import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md")), ROOT / "proto" / "README.md"]

_CITED = re.compile(r"\b(?:C(?:10|[1-9])|[RAJKLENTMWPX]\d{1,2})\b")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    found = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        if target.startswith("https://") or "NNNN" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        assert not anchor or anchor in headings(other), target


def test_every_rule_is_stated_once_and_every_number_that_is_cited_is_a_rule() -> None:
    rules = re.findall(r"^- \*\*([A-Z]\d+)\.\*\*", text(ROOT / "docs" / "rules.md"), re.MULTILINE)
    assert len(rules) == len(set(rules))
    sources = [*ROOT.glob("proto/**/*.proto"), *ROOT.glob("server/ringline_server/**/*.py"), *PAGES]
    cited = {number for source in sources for number in _CITED.findall(text(source))}
    tests = [text(test) for test in ROOT.glob("tests/**/test_*.py")]
    tested = {number for test in tests for number in re.findall(r"def test_([A-Z]\d+)_", test)}
    assert (cited | tested) - {"T7"} <= set(rules)


def test_every_option_is_explained() -> None:
    page = text(ROOT / "docs" / "operating.md")
    for option in OPTIONS:
        assert f"| `{option.flag}` | `{option.variable}` | `{option.name}` |" in page
