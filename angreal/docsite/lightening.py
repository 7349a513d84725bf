"""What the reference of the API has too much of for a reader, and too heavy for a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.toc import TableOfContents

LONGEST_CONTENTS = 40

_EMPTY_LINK = re.compile(r'<a (?:href="" )?id="([^"]+)"(?: href="")?></a>')
_TOOLTIP = re.compile(r'<span title="[^"]*">([^<]*)</span>')
_SIGNATURE = re.compile(r'<div class="language-python doc-signature highlight">.*?</div>', re.DOTALL)
_PLAIN_TOKEN = re.compile(r'<span class="(?:n|o|p|w)">((?:<a [^>]*>)?[^<]*(?:</a>)?)</span>')
_OBJECT_NAME = re.compile(r'<span class="doc doc-object-name doc-\w+-name">([^<]*)</span>')
# No style of the site knows them.
_UNUSED_CLASS = re.compile(r' class="doc-section-item field-body"|(?<=class="autorefs) autorefs-internal(?=")')
_ONE_PARAGRAPH = re.compile(
    r'\s*<div class="doc-md-description">\s*<p>((?:(?!</?p>|</div>).)*)</p>\s*</div>', re.DOTALL
)


def lighten(html: str) -> str:
    """Return the HTML of a page with what only makes it heavier taken out.

    A second address of a heading, written as `[](){#address}` on the line before it, becomes a place, and is no link
    that one could stop at. In the reference of the API, markup that changes nothing that is seen is several times as
    long as the text: tooltips over the names of types that have no entry, and elements around single tokens.
    """
    html = _EMPTY_LINK.sub(r'<span id="\1"></span>', html)
    html = _TOOLTIP.sub(r"\1", html)
    html = _OBJECT_NAME.sub(r"\1", html)
    html = _UNUSED_CLASS.sub("", html)
    html = _ONE_PARAGRAPH.sub(r" \1", html)
    return _SIGNATURE.sub(lambda signature: _PLAIN_TOKEN.sub(r"\1", signature[0]), html)


def shorten(toc: TableOfContents) -> None:
    """Keep two levels of the table of contents, or one where two would need scrolling.

    Each page holds it twice, for wide screens and for narrow ones.
    """
    # The title of the page is a level of its own.
    sections = [section for item in toc for section in (item.children if item.level == 1 else [item])]
    too_long = sum(1 + len(section.children) for section in sections) > LONGEST_CONTENTS
    for section in sections:
        if too_long:
            section.children = []
        for entry in section.children:
            entry.children = []
