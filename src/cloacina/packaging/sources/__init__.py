"""Which files of a project are packed, and which are not and why."""

from __future__ import annotations

from cloacina.packaging.sources.selection import SourceFile, SourceSelection, select_sources

__all__ = ["SourceFile", "SourceSelection", "select_sources"]
