"""Whether a manifest, its fingerprint and CONTENTS belong together."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloacina.errors import InvalidArchive, PackageTampered
from cloacina.packaging.manifest.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.packaging.manifest.models import Manifest

GET_IT_AGAIN = "Don't use it; get it again from who built it."
"""What to do about a package that was changed."""


def check_fingerprint(manifest: Manifest, document: Mapping[str, Any]) -> None:
    """Refuse a manifest whose fingerprint is not its own.

    Raises:
        PackageTampered: It is not.
    """
    found = fingerprint_of(document)
    if found != manifest.package.fingerprint:
        raise PackageTampered(
            f"The manifest was changed after the package was built: its fingerprint is {found}, and it says"
            f" {manifest.package.fingerprint or 'nothing'}. {GET_IT_AGAIN}"
        )


def check_contents_hash(manifest: Manifest, contents: bytes) -> None:
    """Refuse a CONTENTS that is not the one the manifest was made for.

    Raises:
        InvalidArchive: The manifest names no hash of CONTENTS.
        PackageTampered: It names another one.
    """
    expected = manifest.package.contents_sha256
    if expected is None:
        raise InvalidArchive(
            "The manifest has no package.contents_sha256, so nothing says what belongs to the package."
        )
    found = hashlib.sha256(contents).hexdigest()
    if found != expected:
        raise PackageTampered(
            f"CONTENTS was changed after the package was built: its sha256 is {found}, and the manifest says"
            f" {expected}. {GET_IT_AGAIN}"
        )


def check_time(manifest: Manifest, mtime: int) -> None:
    """Refuse files whose time is not the one at which the manifest says that it was created.

    Raises:
        InvalidArchive: It is another one.
    """
    expected = int(datetime.fromisoformat(manifest.created_at).timestamp())
    if mtime != expected:
        raise InvalidArchive(
            f"The files of the archive have the time {mtime}; expected {expected}, which is the manifest's created_at"
            f" ({manifest.created_at})."
        )
