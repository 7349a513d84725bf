"""The bill of materials of a package: which wheels are in it, as CycloneDX 1.6.

Two builds of the same content give the same bytes: components are sorted, and the serial number is made of the content.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_OID, uuid5

from cloacina import __version__
from cloacina.packaging.attestations.wheels import WheelUse, merge_uses

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FILE_NAME", "TARGET_PROPERTY", "WheelUse", "render_sbom"]

FILE_NAME: Final = "sbom.cdx.json"
"""The name of the bill of materials in a package."""

TARGET_PROPERTY: Final = "cloacina:target"
"""The property of a component that names a target it was installed for; there is one for each target."""


def render_sbom(project_name: str, project_version: str, wheels: Sequence[WheelUse], *, created_at: str) -> bytes:
    """Return the bill of materials of a package.

    Args:
        project_name: The package's name.
        project_version: The package's version.
        wheels: The wheels in the package; one that is named twice counts once, for the targets of both.
        created_at: The moment that the manifest gives, as RFC 3339 in UTC.

    Returns:
        A JSON document with a component for each wheel: its package URL, digest, targets, and its licence if that is a
        valid SPDX expression.

    Source: CycloneDX 1.6 (ECMA-424).

    Example:
        ```python
        import json

        from cloacina.packaging.attestations.sbom import WheelUse, render_sbom

        wheel = WheelUse("attrs", "26.1.0", "attrs-26.1.0-py3-none-any.whl", "0" * 64, ("linux-x86_64-cp311",), "MIT")
        document = json.loads(render_sbom("report", "1.0.0", [wheel], created_at="1980-01-01T00:00:00Z"))
        print(document["components"][0]["purl"])
        #> pkg:pypi/attrs@26.1.0?file_name=attrs-26.1.0-py3-none-any.whl
        ```
    """
    subject = f"{project_name}@{project_version}"
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created_at,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "cloacina", "version": __version__}]},
            "component": {
                "type": "application",
                "bom-ref": subject,
                "name": project_name,
                "version": project_version,
            },
        },
        "components": [_component(wheel) for wheel in merge_uses(wheels)],
        # The list of parts is complete; which part needs which is not said here.
        "compositions": [{"aggregate": "complete", "assemblies": [subject]}],
    }
    digest = sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    serial = uuid5(NAMESPACE_OID, f"cloacina sbom {digest}")
    head = {"bomFormat": document.pop("bomFormat"), "specVersion": document.pop("specVersion")}
    return _render({**head, "serialNumber": f"urn:uuid:{serial}", **document})


def _component(wheel: WheelUse) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": wheel.purl,
        "name": wheel.name,
        "version": wheel.version,
        "purl": wheel.purl,
        "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
    }
    if license_expression := _valid_license(wheel.license_expression):
        component["licenses"] = [{"expression": license_expression}]
    component["properties"] = [{"name": TARGET_PROPERTY, "value": target} for target in wheel.targets]
    return component


def _valid_license(expression: str | None) -> str | None:
    """Return a licence expression in the spelling of SPDX, or None for what is none."""
    from packaging.licenses import (  # noqa: PLC0415 - only building needs it
        InvalidLicenseExpression,
        canonicalize_license_expression,
    )

    if expression is None:
        return None
    try:
        return canonicalize_license_expression(expression)
    except InvalidLicenseExpression:
        return None


def _render(document: dict[str, Any]) -> bytes:
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()
