"""Parts of pages that are written from the code when the site is built, so that they cannot drift from it.

A page says where such a part goes with a comment on a line of its own::

    <!-- generate: errors -->
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from docsite.diagrams import DIAGRAMS
from docsite.generated import benchmarks
from docsite.generated.commands import command_reference
from docsite.generated.contexts import mend_reference
from docsite.generated.database import database_reference
from docsite.generated.errors import error_reference, families, package_error_reference, reproducers
from docsite.generated.events import event_reference
from docsite.generated.manifest import manifest_reference
from docsite.generated.packages import limit_reference, refusal_reference, target_reference
from docsite.generated.settings import settings_reference
from docsite.generated.timelines import deferring_seconds, deferring_timeline, sleeping_seconds, sleeping_timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def _diagram(draw: Callable[[], str], _docs: Path) -> str:
    return draw()


GENERATORS: Mapping[str, Callable[[Path], str]] = {
    "commands": command_reference,
    "database": database_reference,
    "deferring-seconds": deferring_seconds,
    "deferring-timeline": deferring_timeline,
    "errors": error_reference,
    "events": event_reference,
    "figures-all": benchmarks.all_figures,
    "figures-floor": benchmarks.floor_plot,
    "figures-machine": benchmarks.machine,
    "figures-memory": benchmarks.memory_plot,
    "figures-packages": benchmarks.packages_table,
    "figures-signals": benchmarks.signals_table,
    "figures-targets": benchmarks.targets,
    "figures-waits": benchmarks.waits_table,
    "json-mends": mend_reference,
    "manifest": manifest_reference,
    "package-errors": package_error_reference,
    "package-limits": limit_reference,
    "package-refusals": refusal_reference,
    "package-targets": target_reference,
    "settings": settings_reference,
    "sleeping-seconds": sleeping_seconds,
    "sleeping-timeline": sleeping_timeline,
    **{f"diagram-{name}": partial(_diagram, draw) for name, draw in DIAGRAMS.items()},
    **{f"reproducers-{family}": partial(reproducers, family) for family in families()},
}

_MARK = re.compile(r"^<!-- generate: (?P<name>[\w-]+) -->$", re.MULTILINE)


class UnknownPart(Exception):
    """Raised when a page asks for a part that nothing generates."""


def expand(markdown: str, page: str, docs: Path) -> str:
    """Return the Markdown of a page with its generated parts written out.

    Args:
        markdown: The page as its author wrote it.
        page: Its path, for messages.
        docs: The folder of the pages.

    Raises:
        UnknownPart: When the page asks for a part that does not exist.
    """

    def write(mark: re.Match[str]) -> str:
        generator = GENERATORS.get(mark["name"])
        if generator is None:
            known = ", ".join(sorted(GENERATORS))
            raise UnknownPart(f"{page}: `generate: {mark['name']}` is not known; there are: {known}")
        return generator(docs)

    return _MARK.sub(write, markdown)
