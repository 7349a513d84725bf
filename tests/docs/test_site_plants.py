"""The gate catches what can be wrong with a site: each defect is planted in a small one, with the real settings.

Defects that a build reports together share a build; those that end a build at once have one each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docsite.build import build
from docsite.gate import check
from docsite.inspection import check_links, check_requests, check_weight, inspect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeProject = Callable[..., Path]

NAV: list[object] = [{"Home": "index.md"}]
HOME = "# Home\n\n## Part\n\nText.\n"
TUTORIAL = "# %% [markdown]\n# # First\n#\n{text}\n# %%\nprint({code})\n"


def mentions(defects: list[str], *parts: str) -> bool:
    return any(all(part in defect for part in parts) for defect in defects)


def test_a_site_without_a_defect_passes(make_project: MakeProject, tmp_path: Path) -> None:
    page = (
        "# Page\n\n[home](index.md#part), ![logo](logo.svg)\n\n"
        '```python\n--8<-- "program.py:known"\n```\n\n::: planted.double\n\n[doubling][planted.double]\n'
    )
    source = '"""A module."""\n\n\ndef double(number: int) -> int:\n    """Double; see [itself][planted.double]."""\n'
    project = make_project(
        {"index.md": HOME, "page.md": page, "logo.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>'},
        [*NAV, {"Page": "page.md"}],
        {"planted.py": source},
    )
    site = tmp_path / "site"
    assert build(project, site, execute=False) == []
    # The pages of this site's theme lead to an explanation that a small site does not have.
    assert {line.split(": ")[1] for line in check_links(site)} == {"explanation/tested-documentation"}
    assert check_requests(site) == []
    assert check_weight(site) == []
    # Types are told without tooltips, which are a fifth of a large reference.
    assert "(number: int) -&gt; int" in (site / "page/index.html").read_text(encoding="utf-8")


def test_the_strict_build_catches_what_markdown_can_get_wrong(
    make_project: MakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (
        "# Page\n\n[a](gone.md) [b](index.md#gone) [c](#nowhere) [d](/absolute.md) [e](folder/)\n\n"
        "![f](gone.png)\n\n[g][planted.gone]\n\n::: planted.double\n"
    )
    source = '"""A module."""\n\n\ndef double(number: int) -> int:\n    """Double; see [that][planted.missing]."""\n'
    project = make_project(
        {"index.md": HOME, "page.md": page, "unlisted.md": "# Unlisted\n"},
        [*NAV, {"Page": "page.md"}, {"Gone": "not-there.md"}],
        {"planted.py": source},
    )
    assert check(project, tmp_path / "site") == 1
    defects = capsys.readouterr().err.split("defect: ")
    assert mentions(defects, "page.md", "'gone.md'"), "a link"
    assert mentions(defects, "page.md", "'index.md#gone'"), "an anchor on another page"
    assert mentions(defects, "page.md", "'#nowhere'"), "an anchor on the page"
    assert mentions(defects, "page.md", "'/absolute.md'"), "an absolute link"
    assert mentions(defects, "page.md", "'folder/'"), "a link to a folder"
    assert mentions(defects, "page.md", "'gone.png'"), "an image"
    assert mentions(defects, "'not-there.md'", "nav"), "an entry of the navigation"
    assert mentions(defects, "unlisted.md", "nav"), "a page that no navigation leads to"
    assert mentions(defects, "page.md", "planted.gone"), "a reference to the API"
    assert mentions(defects, "planted.missing"), "a link in a docstring"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ('```python\n--8<-- "gone.py"\n```\n', "gone.py"),
        ('```python\n--8<-- "program.py:gone"\n```\n', "gone"),
        ('```python\n--8<-- "../mkdocs.yml"\n```\n', "mkdocs.yml"),
        ("::: planted.gone\n", "planted.gone"),
        ("<!-- generate: gone -->\n", "`generate: gone` is not known"),
    ],
    ids=["snippet file", "snippet section", "snippet outside of the examples", "API entry", "generated part"],
)
def test_what_ends_a_build_is_named(page: str, said: str, make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"index.md": HOME, "page.md": f"# Page\n\n{page}"}, [*NAV, {"Page": "page.md"}])
    assert mentions(build(project, tmp_path / "site", execute=False), said)


def test_a_failing_cell_fails_the_build(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(
        {"index.md": HOME, "tutorials/first.py": TUTORIAL.format(text="#", code="1 / 0")},
        [*NAV, {"First": "tutorials/first.py"}],
    )
    assert mentions(build(project, tmp_path / "site"), "ZeroDivisionError")


@pytest.fixture
def planted(make_project: MakeProject, tmp_path: Path) -> Path:
    """Build a site whose defects only show in what was built, and return its folder."""
    raw = (
        '# Raw\n\n<p><a href="../gone-page/">a</a> <a href="../#gone-anchor">b</a> <a href="#gone-here">c</a></p>\n\n'
        '<p><img alt="" src="../gone-raw.png"><img alt="" src="https://host.invalid/pixel.png"></p>\n\n'
        '<p style="background: url(//styled.invalid/x.png)">d</p>\n\n'
        "<https://cloacina.example/gone-own-address/>\n"
    )
    text = "# [a](../../gone-from-tutorial/) [b](../../#gone-from-cell) [c](../index.md) ![d](gone-drawing.png)"
    pages = {
        "index.md": HOME,
        "raw.md": raw,
        "heavy.md": "# Heavy\n\n" + "Word. " * 12_000,
        "tutorials/first.py": TUTORIAL.format(text=text, code="'x' * 160_000"),
    }
    project = make_project(pages, [*NAV, "raw.md", "heavy.md", "tutorials/first.py"])
    theme = project / "theme"
    footer = theme / "partials" / "copyright.html"
    footer.write_text(footer.read_text() + '<a href="{{ "gone-from-footer/" | url }}">x</a>')
    error_page = theme / "404.html"
    error_page.write_text(error_page.read_text().replace("<ul>", '<a href="/gone-from-404/">x</a><ul>'))
    sheet = theme / "assets" / "stylesheets" / "content.css"
    sheet.write_text(
        sheet.read_text() + '\n.x { background: url("gone-from-css.svg"); }\n@import "https://sheet.invalid/x.css";\n'
    )
    (theme / "assets" / "stylesheets" / "layout.css").unlink()
    site = tmp_path / "site"
    assert build(project, site) == []
    return site


def test_the_inspection_catches_what_a_build_does_not(planted: Path) -> None:
    defects = inspect(planted)
    assert mentions(defects, "raw/index.html", "gone-page"), "a link in raw HTML"
    assert mentions(defects, "raw/index.html", "gone-anchor"), "an anchor in raw HTML"
    assert mentions(defects, "raw/index.html", "gone-here"), "an anchor on the page in raw HTML"
    assert mentions(defects, "raw/index.html", "gone-raw.png"), "an image in raw HTML"
    assert mentions(defects, "raw/index.html", "gone-own-address"), "a link by the site's own address"
    assert mentions(defects, "tutorials/first/index.html", "gone-from-tutorial"), "a link in a tutorial"
    assert mentions(defects, "tutorials/first/index.html", "gone-from-cell"), "an anchor in a tutorial"
    assert mentions(defects, "tutorials/first/index.html", "tutorials/index.md"), "a link to a source in a tutorial"
    assert mentions(defects, "tutorials/first/index.html", "gone-drawing.png"), "an image in a tutorial"
    assert mentions(defects, "index.html", "gone-from-footer"), "a link in the footer"
    assert mentions(defects, "404.html", "gone-from-404"), "a link on the page of error 404"
    assert mentions(defects, "content.css", "gone-from-css.svg"), "a url() in a style sheet"
    assert mentions(defects, "index.html", "layout.css"), "a style sheet"
    assert mentions(defects, "raw/index.html", "host.invalid/pixel.png", "another host"), "an image from elsewhere"
    assert mentions(defects, "raw/index.html", "styled.invalid", "another host"), "a style from elsewhere"
    assert mentions(defects, "content.css", "sheet.invalid", "another host"), "a style sheet from elsewhere"
    assert mentions(defects, "heavy/index.html", "a text page may have"), "a heavy page"
    assert mentions(defects, "tutorials/first/index.html", "an executed tutorial may have"), "a heavy tutorial"
    assert mentions(defects, "CLO-1101", "no entry at /reference/errors/#clo-1101"), "an error code without entry"
    assert mentions(defects, "cloacina.Context is public", "no page of the reference"), "a name without reference"
