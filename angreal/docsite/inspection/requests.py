"""The built site loads nothing from another host: no font, script, style or image.

A link that a reader may follow is no request; what a browser fetches by itself is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOADING = "script, img, iframe, frame, embed, source, track, video, audio, input, object, image, use, link"
_ADDRESSES = ("src", "srcset", "poster", "data", "href", "xlink:href")
# Of the relations of a <link>, these are only read, never fetched.
_READ_ONLY = {"canonical", "alternate", "next", "prev", "author", "license"}
_OTHER_HOST = re.compile(r"(?:^|[\s,])((?:https?:)?//[^\s,]+)")
_IN_STYLE = re.compile(r"(?:url\(|@import\s+(?:url\()?)\s*[\"']?((?:https?:)?//[^\"')\s]+)")


def check_requests(site: Path) -> list[str]:
    """Return what the pages and style sheets of a built site load from other hosts."""
    defects = [
        f"{page.relative_to(site)}: loads {address} from another host"
        for page in sorted(site.rglob("*.html"))
        for address in _loaded_by_page(page.read_text(encoding="utf-8"))
    ]
    defects += [
        f"{sheet.relative_to(site)}: loads {address} from another host"
        for sheet in sorted(site.rglob("*.css"))
        for address in _IN_STYLE.findall(sheet.read_text(encoding="utf-8"))
    ]
    return defects


def _loaded_by_page(html: str) -> Iterator[str]:
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.select(_LOADING):
        if element.name == "link" and _READ_ONLY.intersection(element.get_attribute_list("rel")):
            continue
        for attribute in _ADDRESSES:
            yield from _OTHER_HOST.findall(str(element.get(attribute, "")))
    for styled in soup.select("[style]"):
        yield from _IN_STYLE.findall(str(styled["style"]))
    for sheet in soup.find_all("style"):
        yield from _IN_STYLE.findall(sheet.get_text())
