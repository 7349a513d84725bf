"""A page stays light: it is read on trains, and by machines that pay for each word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TEXT_PAGE_BYTES = 60_000
EXECUTED_PAGE_BYTES = 150_000


def check_weight(site: Path) -> list[str]:
    """Return the pages whose HTML is heavier than a page of its kind may be."""
    defects = []
    for page in sorted(site.rglob("*.html")):
        # The program of an executed tutorial lies beside its page.
        executed = any(page.parent.glob("*.py"))
        allowed = EXECUTED_PAGE_BYTES if executed else TEXT_PAGE_BYTES
        size = page.stat().st_size
        if size > allowed:
            kind = "an executed tutorial" if executed else "a text page"
            defects.append(f"{page.relative_to(site)}: {size} bytes of HTML, {kind} may have {allowed}")
    return defects
