"""The HTML of an executed tutorial, made the same as that of every other page.

The converter wraps each cell in the markup and, in each page anew, in 600 kB of inline styles and scripts of a
notebook application, some of which load from other hosts. What a reader needs is kept: the text, the code, and what
the code printed or drew. It is styled by the site's shared stylesheets, and the copy button of the theme finds it.
"""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup, Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

_SVG_PREFIX = "data:image/svg+xml;base64,"


def rewrite(html: str, source: str) -> str:
    """Return the cells of a converted notebook as plain sections of a page.

    Args:
        html: What the converter made of the notebook.
        source: The path of the tutorial in `docs/`; its file is offered for download.
    """
    soup = BeautifulSoup(html, "html.parser")
    parts = [part for cell in _cells(soup) for part in _cell(cell)]
    page = BeautifulSoup("\n".join(parts), "html.parser")
    _mend_headings(page)
    _offer_download(page, PurePosixPath(source).name)
    return str(page)


def _cells(soup: BeautifulSoup) -> Iterator[Tag]:
    """Yield the cells in order; a code cell is wrapped in a second element of the same kind, which is passed over."""
    for cell in soup.select(".jp-Notebook-cell"):
        if cell.find_parent(class_="jp-CodeCell") is not None or "jp-MarkdownCell" in cell.get_attribute_list("class"):
            yield cell


def _cell(cell: Tag) -> Iterator[str]:
    text = cell.select_one(".jp-MarkdownOutput")
    if text is not None:
        yield text.decode_contents()
        return
    code = cell.select_one(".highlight-ipynb pre")
    if code is not None:
        yield (
            f'<div class="language-python highlight"><pre><span></span><code>{_without_marker(code)}</code></pre></div>'
        )
    for output in cell.select(".jp-OutputArea-output"):
        yield f'<div class="cl-output">{_output(output)}</div>'


def _without_marker(code: Tag) -> str:
    return code.decode_contents().removeprefix("<span></span>").rstrip("\n") + "\n"


def _output(output: Tag) -> str:
    image = output.find("img")
    if isinstance(image, Tag) and str(image.get("src", "")).startswith(_SVG_PREFIX):
        # Inline, a drawing takes the colours of the scheme that the reader chose.
        return base64.b64decode(str(image["src"])[len(_SVG_PREFIX) :]).decode()
    text = output.find("pre")
    if isinstance(text, Tag):
        # A reader who scrolls with the keyboard has to reach a line that is wider than the screen.
        text["tabindex"] = "0"
    return output.decode_contents().strip()


def _mend_headings(page: BeautifulSoup) -> None:
    for link in page.select("a.anchor-link"):
        link["class"] = "headerlink"
        link["title"] = "Link to this section"
    for block in page.select("div.highlight > pre"):
        if block.find("code") is None:
            code = page.new_tag("code")
            code.extend(list(block.contents))
            block.append(code)


def _offer_download(page: BeautifulSoup, file_name: str) -> None:
    heading = page.find("h1")
    if isinstance(heading, Tag):
        note = BeautifulSoup(
            f'<p class="cl-download">This page is a program, and what it shows is what it printed. '
            f'Download it: <a href="{file_name}" download><code>{file_name}</code></a></p>',
            "html.parser",
        )
        heading.insert_after(note)
