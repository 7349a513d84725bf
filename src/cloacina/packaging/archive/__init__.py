"""The `.cloacina` file: a canonical USTAR stream in zstd, written reproducibly and read as an enemy's file."""

from __future__ import annotations

from cloacina.packaging.archive.contents import (
    ContentsEntry,
    Member,
    describe_member,
    parse_contents,
    render_contents,
)
from cloacina.packaging.archive.extraction import Extraction, extract_package
from cloacina.packaging.archive.names import check_path
from cloacina.packaging.archive.package import Package
from cloacina.packaging.archive.reading import read_package
from cloacina.packaging.archive.rewriting import rewrite_archive
from cloacina.packaging.archive.writing import write_archive

__all__ = [
    "ContentsEntry",
    "Extraction",
    "Member",
    "Package",
    "check_path",
    "describe_member",
    "extract_package",
    "parse_contents",
    "read_package",
    "render_contents",
    "rewrite_archive",
    "write_archive",
]
