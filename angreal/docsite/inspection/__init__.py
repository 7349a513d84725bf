"""What is checked on the built pages, because a build that succeeds proves little about what a reader will see.

Each check takes the folder of the built site and returns the defects as lines that name the page and what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docsite.inspection.links import check_links
from docsite.inspection.reference import check_error_entries, check_public_names
from docsite.inspection.requests import check_requests
from docsite.inspection.weight import check_weight

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_error_entries", "check_links", "check_public_names", "check_requests", "check_weight", "inspect"]


def inspect(site: Path, *, external: bool = False) -> list[str]:
    """Return the defects of a built site.

    Args:
        site: The folder of the built site.
        external: Whether links to other sites are followed too, which needs the network.
    """
    return [
        *check_links(site, external=external),
        *check_requests(site),
        *check_weight(site),
        *check_error_entries(site),
        *check_public_names(site),
    ]
