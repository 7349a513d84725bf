"""A Markdown twin of each page, at the page's address followed by `index.md`, and `llms.txt`, which lists them.

The twin is made from the finished HTML, because that alone holds what a reader sees: included programs, generated
references, docstrings and the output of executed tutorials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.nav import Navigation, Section
    from mkdocs.structure.pages import Page

_NOT_FOR_READING = ".headerlink, .doc-symbol, .md-code__nav, .cl-download, .cl-button, script, style"
_LANGUAGE = re.compile(r"language-([\w+-]+)")


@dataclass(frozen=True)
class Twin:
    """A page in llms.txt.

    Attributes:
        source: The page's path in `docs/`.
        section: The top section of the navigation that the page stands in, empty for the landing page.
        title: The title of the page.
        url: The address of the twin, relative to the site.
        summary: The page's description, or its first paragraph.
    """

    source: str
    section: str
    title: str
    url: str
    summary: str


def write(output: str, page: Page, site_dir: str) -> Twin:
    """Write the Markdown twin of a page beside its HTML.

    Args:
        output: The HTML of the whole page.
        page: The page.
        site_dir: The folder of the built site.

    Returns:
        The page's line in llms.txt.
    """
    soup = BeautifulSoup(output, "html.parser")
    parts = soup.select("[data-twin], article.md-content__inner")
    markdown = "\n\n".join(to_markdown(part) for part in parts)
    target = Path(site_dir, page.file.dest_uri).with_suffix(".md")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(markdown + "\n", encoding="utf-8")
    return Twin(page.file.src_uri, _top_section(page), str(page.title), f"{page.url}index.md", _summary(page, parts))


def to_markdown(element: Tag) -> str:
    """Return the text of an element as Markdown."""
    for decoration in element.select(_NOT_FOR_READING):
        decoration.decompose()
    for drawing in element.select("svg"):
        # Its own title and description; those of its parts are for a pointer that rests on them.
        told = [text.get_text(" ", strip=True) for text in drawing.find_all(["title", "desc"], recursive=False)]
        drawing.replace_with(f"[Drawing: {' — '.join(told)}]" if told else "")
    for link in element.select('a[href^="#"]'):
        # The twin has no anchors; the page has.
        link["href"] = f"./{link['href']}"
    for title in element.select(".admonition-title, summary"):
        title.name = "strong"
    markdown: str = MarkdownConverter(heading_style="atx", bullets="-", code_language_callback=_language).convert_soup(
        element
    )
    return re.sub(r"\n{3,}", "\n\n", markdown).strip()


def _language(block: Tag) -> str:
    for holder in (block, *block.parents):
        found = _LANGUAGE.search(" ".join(name for name in holder.get_attribute_list("class") if name))
        if found:
            return found[1]
    return ""


def _top_section(page: Page) -> str:
    section: Section | None = page.parent
    while section is not None and section.parent is not None:
        section = section.parent
    return section.title if section is not None else ""


def _summary(page: Page, parts: Sequence[Tag]) -> str:
    description = page.meta.get("description")
    if description:
        return str(description)
    paragraphs = (paragraph for part in parts for paragraph in part.find_all("p"))
    return next((" ".join(text.split()) for p in paragraphs if (text := p.get_text())), "")


def write_index(twins: Sequence[Twin], nav: Navigation, config: MkDocsConfig) -> None:
    """Write llms.txt: what the site is, and every page in the order of the navigation, with its summary.

    Args:
        twins: What `write` returned for each page.
        nav: The site's navigation.
        config: The site's configuration.
    """
    place = {page.file.src_uri: number for number, page in enumerate(nav.pages)}
    lines = [f"# {config.site_name}", "", f"> {config.site_description}"]
    section = None
    for page in sorted(twins, key=lambda twin: place.get(twin.source, len(place))):
        if page.section != section:
            section = page.section
            lines += ["", f"## {section or 'Start'}", ""]
        lines.append(f"- [{page.title}]({config.site_url}{page.url}): {page.summary}")
    Path(config.site_dir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
