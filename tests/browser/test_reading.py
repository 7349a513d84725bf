"""What a reader does with the site: search, copy, change the scheme, move by keyboard, and get lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

WITH_CODE = "/explanation/tested-documentation/"


def focused(page: Page) -> str:
    """Return the class, or else the name, of the element that has the focus."""
    found: str = page.evaluate("document.activeElement.className || document.activeElement.tagName")
    return found


def test_search_finds_defer(visit: Callable[..., Any]) -> None:
    with visit("/reference/") as seen:
        seen.page.keyboard.press("/")
        assert "md-search__input" in focused(seen.page)
        seen.page.keyboard.type("defer")
        results = seen.page.locator(".md-search-result__link")
        results.first.wait_for()
        texts = results.all_inner_texts()
        assert any("defer" in text.lower() for text in texts)
        seen.page.keyboard.press("ArrowDown")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url(lambda url: not url.endswith("/reference/"))
        assert seen.complaints.found == []


def test_copy_button_copies_a_block(visit: Callable[..., Any]) -> None:
    with visit(WITH_CODE) as seen:
        block = seen.page.locator(".language-python").first
        block.hover()
        block.locator("[data-clipboard-target]").click()
        seen.page.locator(".md-dialog--active").wait_for()
        copied = seen.page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == block.locator("code").inner_text().strip()
        assert copied.startswith('name = "Cloaca"\n')


def test_copy_button_takes_the_command_and_not_its_output(visit: Callable[..., Any]) -> None:
    with visit(WITH_CODE) as seen:
        block = seen.page.locator(".language-console").first
        block.hover()
        block.locator("[data-clipboard-target]").click()
        seen.page.locator(".md-dialog--active").wait_for()
        assert seen.page.evaluate("navigator.clipboard.readText()") == "python greet.py"


def test_install_line_can_be_copied(visit: Callable[..., Any]) -> None:
    with visit("/") as seen:
        install = seen.page.locator(".cl-hero__install")
        install.get_by_title("Copy to clipboard").click()
        seen.page.locator(".md-dialog--active").wait_for()
        assert seen.page.evaluate("navigator.clipboard.readText()") == install.locator("code").inner_text().strip()


def test_scheme_is_changed_and_remembered(visit: Callable[..., Any]) -> None:
    with visit("/") as seen:
        seen.page.get_by_title("Switch to the dark scheme").click()
        seen.page.locator("body[data-md-color-scheme=slate]").wait_for()
        seen.page.goto("/reference/")
        seen.page.locator("body[data-md-color-scheme=slate]").wait_for()


@pytest.mark.parametrize("path", ["/", WITH_CODE, "/tutorials/"])
def test_first_key_leads_past_the_header(path: str, visit: Callable[..., Any]) -> None:
    with visit(path) as seen:
        seen.page.keyboard.press("Tab")
        assert "md-skip" in focused(seen.page)
        assert seen.page.locator(".md-skip").is_visible()
        seen.page.keyboard.press("Enter")
        target = seen.page.evaluate("location.hash")
        assert seen.page.locator(target).is_visible()
        # The next stop is behind the header and the navigation, in the text.
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.closest('article, .cl-hero') !== null")


def test_tab_goes_through_the_header_in_the_order_of_reading(visit: Callable[..., Any]) -> None:
    with visit(WITH_CODE) as seen:
        stops = []
        for _ in range(12):
            seen.page.keyboard.press("Tab")
            stops.append(focused(seen.page).split()[0])
        order = ["md-skip", "md-header__button", "md-option", "md-search__input", "md-tabs__link"]
        assert sorted(order, key=stops.index) == order


def test_every_stop_shows_that_it_has_the_focus(visit: Callable[..., Any]) -> None:
    with visit(WITH_CODE) as seen:
        unseen = []
        for _ in range(25):
            seen.page.keyboard.press("Tab")
            shown = seen.page.evaluate(
                """() => {
                    const element = document.activeElement;
                    // A radio button of the theme is covered by its label, which shows the focus for it.
                    const label = element.id && document.querySelector(`label[for="${element.id}"]:not([hidden])`);
                    return [element, label].some((one) => one && getComputedStyle(one).outlineStyle !== "none");
                }"""
            )
            if not shown:
                unseen.append(focused(seen.page))
        assert unseen == []


def test_unknown_address_leads_on(visit: Callable[..., Any]) -> None:
    with visit("/no/such/page/") as seen:
        assert seen.page.locator("h1").inner_text() == "This channel runs dry"
        # The status itself is what the browser complains of, and nothing else: style, script and font were found.
        assert [complaint for complaint in seen.complaints.found if "404" not in complaint] == []
        assert len(seen.complaints.found) == 1
        seen.page.get_by_role("article").get_by_role("link", name="Tutorials").click()
        seen.page.wait_for_url("**/tutorials/")


def test_letters_are_those_of_the_site(visit: Callable[..., Any]) -> None:
    with visit("/") as seen:
        loaded = seen.page.evaluate(
            """document.fonts.ready.then(
                () => [...document.fonts].filter((font) => font.status === "loaded").map((font) => font.family)
            )"""
        )
        assert {"Marcellus", "Source Sans 3", "IBM Plex Mono"} <= {family.strip('"') for family in loaded}


def test_page_has_a_twin_in_markdown(visit: Callable[..., Any]) -> None:
    with visit(WITH_CODE) as seen:
        response = seen.page.request.get(f"{WITH_CODE}index.md")
        assert response.ok
        assert response.text().startswith("# Tested documentation\n")
