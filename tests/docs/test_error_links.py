"""A link from the name of an error to its entry leads to the entry of that error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloacina.errors import errors_by_code

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\[`(?P<name>\w+)`\]\([^)\s]*#(?P<code>clo-\d{4})\)")
FILES = sorted([*DOCS.rglob("*.md"), *DOCS.rglob("*.py")])
PAGES = [file for file in FILES if LINK.search(file.read_text(encoding="utf-8"))]


def name(page: Path) -> str:
    return str(page.relative_to(DOCS))


def wrong_links(text: str) -> list[str]:
    """Return the links whose text is one error and whose target is another's entry."""
    names = {code.lower(): kind.__name__ for code, kind in errors_by_code().items()}
    return [link[0] for link in LINK.finditer(text) if names.get(link["code"]) != link["name"]]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_name_of_an_error_leads_to_its_entry(page: Path) -> None:
    assert wrong_links(page.read_text(encoding="utf-8")) == []


def test_link_to_the_entry_of_another_error_is_found() -> None:
    right = "[`HandleConsumed`](../reference/errors.md#clo-1201)"
    wrong = "[`HandleConsumed`](../reference/errors.md#clo-1206)"
    assert wrong_links(f"{right} {wrong}") == [wrong]
