"""The provenance of a package: what it was built from and by what, as an in-toto statement.

The statement is a file of the package, so it cannot name the package's fingerprint, which covers it. Its subject is
what else is in the package: the lines of CONTENTS without the statement's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cloacina import __version__
from cloacina.errors.base import DOCUMENTATION_URL
from cloacina.packaging.attestations.wheels import merge_uses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloacina.packaging.attestations.wheels import WheelUse

FILE_NAME: Final = "provenance.json"
"""The name of the statement in a package."""

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"

_BUILD_TYPE: Final = f"{DOCUMENTATION_URL}/explanation/package-format/"
_BUILDER: Final = f"{DOCUMENTATION_URL}/reference/packaging/"


def render_provenance(
    package_name: str,
    package_version: str,
    *,
    payload_sha256: str,
    wheels: Sequence[WheelUse],
    parameters: Mapping[str, Any],
    created_at: str,
    uv_version: str | None = None,
) -> bytes:
    """Return the statement about how a package was built.

    It says nothing about the machine, so that two builds of the same content give the same bytes.

    Args:
        package_name: The package's name.
        package_version: The package's version.
        payload_sha256: The SHA-256 of the lines of CONTENTS without that of `provenance.json`.
        wheels: The wheels in the package.
        parameters: What the build was asked for, such as its targets: JSON values.
        created_at: The moment that the manifest gives, as RFC 3339 in UTC.
        uv_version: The version of uv that resolved and installed the wheels; None where there are none.

    Source: in-toto Attestation Framework, Statement v1; SLSA Provenance v1.

    Example:
        ```python
        import json

        from cloacina.packaging.attestations.provenance import render_provenance

        statement = json.loads(
            render_provenance(
                "report",
                "1.0.0",
                payload_sha256="0" * 64,
                wheels=[],
                parameters={"targets": ["linux-x86_64-cp311"]},
                created_at="1980-01-01T00:00:00Z",
            )
        )
        print(statement["subject"][0]["name"])
        #> report-1.0.0
        ```
    """
    versions = {"cloacina": __version__} if uv_version is None else {"cloacina": __version__, "uv": uv_version}
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": f"{package_name}-{package_version}",
                "digest": {"sha256": payload_sha256},
                "annotations": {"digest": f"of the lines of CONTENTS, without that of {FILE_NAME}"},
            }
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": dict(sorted({**parameters, "created_at": created_at}.items())),
                "resolvedDependencies": [
                    {"name": wheel.file_name, "uri": wheel.purl, "digest": {"sha256": wheel.sha256}}
                    for wheel in merge_uses(wheels)
                ],
            },
            "runDetails": {"builder": {"id": _BUILDER, "version": versions}},
        },
    }
    return f"{json.dumps(statement, indent=2, ensure_ascii=False)}\n".encode()
