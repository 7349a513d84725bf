"""The fingerprint of a package: what it is identified by, and what is signed.

It is the SHA-256 of the manifest as canonical JSON (RFC 8785), without the two fields that can only be known later: the
fingerprint itself and the signature. The manifest holds the digest of CONTENTS, and CONTENTS that of every file, so the
fingerprint covers the whole package, and can be checked without unpacking it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import rfc8785

from cloacina.errors import InvalidManifest
from cloacina.packaging.manifest.models import Manifest, read_document, render_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping


def fingerprint_of(document: Mapping[str, Any]) -> str:
    """Return the fingerprint of a manifest: 64 hexadecimal digits.

    Args:
        document: The manifest's JSON as `read_document` returns it: fields that this version does not know count too.

    Raises:
        InvalidManifest: The document holds what canonical JSON cannot hold. One of `read_document` never does.

    Source: RFC 8785, JSON Canonicalization Scheme.

    Example:
        ```python
        from cloacina.packaging.manifest.fingerprint import fingerprint_of

        print(fingerprint_of({"format_version": "2", "package": {"name": "a"}})[:16])
        #> 2e58111d8da17710
        print(fingerprint_of({"package": {"name": "a", "fingerprint": "00"}, "format_version": "2"})[:16])
        #> 2e58111d8da17710
        ```
    """
    identified = {key: value for key, value in document.items() if key != "signature"}
    if isinstance(identified.get("package"), dict):
        identified["package"] = {key: value for key, value in identified["package"].items() if key != "fingerprint"}
    try:
        return sha256(rfc8785.dumps(identified)).hexdigest()
    except (ValueError, RecursionError) as error:
        raise InvalidManifest(f"The manifest has no canonical form: {error}. Build the package again") from error


def with_fingerprint(manifest: Manifest) -> Manifest:
    """Return a manifest with its fingerprint in place, as it will be when `render_manifest` has written it."""
    fingerprint = fingerprint_of(read_document(render_manifest(manifest)))
    package = manifest.package.model_copy(update={"fingerprint": fingerprint})
    return manifest.model_copy(update={"package": package})
