"""The dependencies of one target, as a package carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloacina.packaging.targets import Target


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of a dependency.

    Attributes:
        path: Where it lies in `site/`, with `/`.
        source: Its bytes, or the file that holds them.
        mode: 0o644, or 0o755 for what the wheel marks as executable.
        size: Its size in bytes.
        sha256: The digest of its bytes, as hexadecimal digits.
    """

    path: str
    source: bytes | Path
    mode: int
    size: int
    sha256: str

    @property
    def content(self) -> tuple[int, str, int]:
        """What makes two files the same: size, digest and mode."""
        return self.size, self.sha256, self.mode


@dataclass(frozen=True, slots=True)
class Site:
    """The dependencies of one target.

    Attributes:
        target: The target.
        files: What is packed, sorted by the bytes of the paths.
        licenses: The license expression of each distribution that names one, by its normalised name.
        notes: What was left out and matters, a sentence each.
    """

    target: Target
    files: tuple[SiteFile, ...]
    licenses: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
