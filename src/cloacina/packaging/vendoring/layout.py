"""Where the files of each target go: what all targets have in common is in the archive once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloacina.packaging.vendoring.site import Site, SiteFile

ANY: Final = "any"
"""The folder in `vendor/` of the files that are the same for every target."""


@dataclass(frozen=True, slots=True)
class VendorMember:
    """A file of a dependency, and its place in the archive.

    Attributes:
        path: The place: `vendor/any/…` or `vendor/<target>/…`.
        file: What to put there.
    """

    path: str
    file: SiteFile


def lay_out(sites: Sequence[Site]) -> tuple[VendorMember, ...]:
    """Return the place of every file of every target.

    A file that is in all targets with the same bytes and the same mode goes to `vendor/any/`, where there are two
    targets or more; every other one goes to its own target's folder.
    """
    shared = _shared(sites)
    members = [VendorMember(f"vendor/{ANY}/{path}", file) for path, file in shared.items()]
    members += (
        VendorMember(f"vendor/{site.target.name}/{file.path}", file)
        for site in sites
        for file in site.files
        if file.path not in shared
    )
    return tuple(members)


def _shared(sites: Sequence[Site]) -> dict[str, SiteFile]:
    if not sites[1:]:
        return {}
    first, *others = [{file.path: file for file in site.files} for site in sites]
    return {
        path: file
        for path, file in first.items()
        if all(path in other and other[path].content == file.content for other in others)
    }
