"""Every page, in both schemes, wide and narrow: nothing to complain of, nothing out of sight, nothing out of reach."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Page
    from tests.browser.conftest import Visit

DOCS = Path(__file__).parents[2] / "docs"
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
EVERY_RULE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def address(source: Path) -> str:
    parts = source.relative_to(DOCS).with_suffix("").parts
    return "/" + "".join(f"{part}/" for part in (parts[:-1] if parts[-1] == "index" else parts))


PAGES = ["/404.html", *(address(page) for page in sorted([*DOCS.rglob("*.md"), *DOCS.glob("tutorials/*.py")]))]


# What a scheme changes, and what a narrow screen leaves as it is.
OF_COLOURS = ["color-contrast", "link-in-text-block"]


def violations(page: Page, run_only: dict[str, Any], without: Sequence[str] = ()) -> list[str]:
    """Return what axe finds that breaks WCAG at level A or AA, each with the elements it is about."""
    options = {"runOnly": run_only, "rules": {rule: {"enabled": False} for rule in without}}
    results: dict[str, Any] = page.evaluate(
        "(options) => axe.run(document, {...options, resultTypes: ['violations']})", options
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['target']} {node['html'][:160]} {node['failureSummary']}"
        for violation in results["violations"]
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the screen."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


# The theme lets the keyboard reach a block of code that became too wide, a moment after the screen became narrow.
EVERY_WIDE_BLOCK_IS_REACHABLE = """
    [...document.querySelectorAll("pre > code")].every(
        (code) => !code.checkVisibility() || code.scrollWidth <= code.clientWidth || code.hasAttribute("tabindex")
    )
"""


@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(path: str, tab: Visit) -> None:
    page = tab.page
    tab.complaints.turn_over()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(path, wait_until="load")
    page.evaluate("document.fonts.ready.then(() => null)")
    page.evaluate(AXE)

    page.locator("body[data-md-color-scheme=default]").wait_for()
    assert violations(page, EVERY_RULE) == []
    assert overflow(page) <= 0

    page.get_by_title("Switch to the dark scheme").click()
    page.locator("body[data-md-color-scheme=slate]").wait_for()
    assert violations(page, {"type": "rule", "values": OF_COLOURS}) == []

    # What a narrow screen changes is the layout, which is the same in both schemes.
    page.set_viewport_size({"width": 390, "height": 844})
    assert overflow(page) <= 0
    page.wait_for_function(EVERY_WIDE_BLOCK_IS_REACHABLE)
    assert violations(page, EVERY_RULE, without=OF_COLOURS) == []

    assert tab.complaints.found == []


def test_page_begins_in_the_scheme_of_the_system(visit: Callable[..., Any]) -> None:
    with visit("/", scheme="dark") as seen:
        seen.page.locator("body[data-md-color-scheme=slate]").wait_for()
        assert seen.complaints.found == []
