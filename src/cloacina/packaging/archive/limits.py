"""How much a package may hold. What is over a limit is refused before it is read, unpacked or written."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024

MAX_ENTRIES = 50_000
"""Files that CONTENTS lists."""

MAX_FOLDERS = 50_000
"""Folders in which they are. A path names up to 31, so without this limit there could be millions."""

MAX_UNPACKED_BYTES = 2 * 1024 * MEBIBYTE
"""The whole tar stream: headers, files and padding. A packed file that is larger than this is refused as well."""

MAX_FILE_BYTES = 512 * MEBIBYTE
"""One file."""

MAX_RATIO = 100
"""Unpacked bytes for each packed byte, at any moment of reading."""

RATIO_BASE_BYTES = MEBIBYTE
"""What may be unpacked before the ratio counts, so that small packages of repetitive text are no bombs."""

MAX_WINDOW_BYTES = 2**27
"""What zstd may look back; the memory that reading takes."""

MAX_SIGNATURES = 64
"""Signature files in an archive."""

MAX_SIGNATURE_BYTES = 64 * 1024
"""One signature file."""

MAX_MANIFEST_BYTES = 4 * MEBIBYTE
"""manifest.json, which is read into memory."""

MAX_CONTENTS_BYTES = 32 * MEBIBYTE
"""CONTENTS, which is read into memory."""

MAX_TEXT_BYTES = 32 * MEBIBYTE
"""requirements.lock, pylock.toml, sbom.cdx.json and provenance.json, each, which are read into memory."""

MAX_PATH_BYTES = 1024
"""A path."""

MAX_COMPONENT_BYTES = 255
"""One part of a path: what file systems take."""

MAX_DEPTH = 32
"""Parts of a path."""
