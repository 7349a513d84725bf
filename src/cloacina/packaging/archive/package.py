"""What is known of a package once all of it was read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloacina.packaging.archive.contents import ContentsEntry, Member
    from cloacina.packaging.archive.opening import Compression
    from cloacina.packaging.manifest.models import Manifest


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was read from its beginning to its end, and found to be what it says.

    Attributes:
        path: The file that was read.
        manifest: What the package is.
        document: The manifest's JSON as it stands in the file, with the fields that this version does not know.
        fingerprint: The package's identity, which signatures are made over: 64 hexadecimal digits.
        contents: All files but the manifest, CONTENTS and signatures, sorted.
        signatures: The files in signatures/, sorted, with their bytes as source.
        texts: The bytes of requirements.lock, pylock.toml, sbom.cdx.json and provenance.json.
        members: All files of the archive in its order, with those that are not in `contents`.
        compression: How the file is packed: ``zstd`` or ``gzip``.
        packed_size: How many bytes the file has.
        unpacked_size: How many bytes the tar stream has.
        mtime: The time of all files in the archive, in seconds since 1970.
    """

    path: Path
    manifest: Manifest
    document: Mapping[str, Any] = field(repr=False)
    fingerprint: str
    contents: tuple[ContentsEntry, ...] = field(repr=False)
    signatures: tuple[Member, ...] = field(repr=False)
    texts: Mapping[str, bytes] = field(repr=False)
    members: tuple[ContentsEntry, ...] = field(repr=False)
    compression: Compression
    packed_size: int
    unpacked_size: int
    mtime: int
