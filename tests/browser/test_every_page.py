"""Every page, in both schemes, wide and narrow: nothing to complain of, nothing out of sight, nothing out of reach."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

DOCS = Path(__file__).parents[2] / "docs"
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def address(source: Path) -> str:
    parts = source.relative_to(DOCS).with_suffix("").parts
    return "/" + "".join(f"{part}/" for part in (parts[:-1] if parts[-1] == "index" else parts))


PAGES = ["/404.html", *(address(page) for page in sorted([*DOCS.rglob("*.md"), *DOCS.glob("tutorials/*.py")]))]


def violations(page: Page) -> list[str]:
    """Return what axe finds that breaks WCAG at level A or AA, each with the elements it is about."""
    page.evaluate(AXE)
    results: dict[str, Any] = page.evaluate(
        "(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", STANDARDS
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_sound(path: str, scheme: str, visit: Callable[..., Any]) -> None:
    with visit(path, scheme=scheme) as seen:
        assert seen.page.get_attribute("body", "data-md-color-scheme") == {"light": "default", "dark": "slate"}[scheme]
        assert violations(seen.page) == []
        assert overflow(seen.page) <= 0
        seen.page.set_viewport_size({"width": 390, "height": 844})
        assert overflow(seen.page) <= 0
        # What a narrow screen changes is the layout, which is the same in both schemes.
        if scheme == "light":
            seen.page.wait_for_function(EVERY_WIDE_BLOCK_IS_REACHABLE)
            assert violations(seen.page) == []
        assert seen.complaints.found == []
