"""The files of a package that its fingerprint does not cover: its signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive
from cloacina.packaging.archive.limits import MAX_SIGNATURE_BYTES, MAX_SIGNATURES
from cloacina.packaging.archive.names import PathRegistry, check_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloacina.packaging.archive.contents import ContentsEntry


def check_signature_files(entries: Iterable[ContentsEntry]) -> None:
    """Refuse signature files that are too many, too large, or unlike others.

    Raises:
        UnsafeArchive: A path is not plain, or two are one on some system.
        InvalidArchive: A file is not of mode 0644.
        ArchiveLimitExceeded: There are more than 64, or one has more than 64 KiB.
    """
    paths = PathRegistry()
    for number, entry in enumerate(entries, 1):
        check_path(entry.path)
        paths.add(entry.path)
        if entry.mode != 0o644:  # noqa: PLR2004 - the octal number is the clearest name of a mode
            raise InvalidArchive(f"{entry.path!a} has the mode {entry.mode:04o}; expected 0644.")
        if number > MAX_SIGNATURES:
            raise ArchiveLimitExceeded(f"The package has more than {MAX_SIGNATURES} signatures.")
        if entry.size > MAX_SIGNATURE_BYTES:
            raise ArchiveLimitExceeded(
                f"{entry.path!a} has {entry.size:,} bytes; a signature may have {MAX_SIGNATURE_BYTES:,}."
            )
