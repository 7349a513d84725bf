"""The wheels in a package, as its bill of materials and its provenance name them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class WheelUse:
    """A wheel, and the targets that it was installed for.

    Attributes:
        name: The project's name on the index.
        version: Its version.
        file_name: The wheel's file name, which holds its tags.
        sha256: The wheel's digest: 64 hexadecimal digits.
        targets: The names of the targets, such as ``linux-x86_64-cp311``.
        license_expression: The SPDX expression of the wheel's metadata, if it has one.
    """

    name: str
    version: str
    file_name: str
    sha256: str
    targets: tuple[str, ...]
    license_expression: str | None = None

    @property
    def purl(self) -> str:
        """The package URL of the wheel, which names it without a host."""
        from packaging.utils import canonicalize_name  # noqa: PLC0415 - only building needs it

        name, version, file_name = (
            quote(part, safe="") for part in (canonicalize_name(self.name), self.version, self.file_name)
        )
        return f"pkg:pypi/{name}@{version}?file_name={file_name}"


def merge_uses(wheels: Iterable[WheelUse]) -> list[WheelUse]:
    """Return each wheel once, with all of its targets, sorted by its package URL."""
    merged: dict[tuple[str, str], WheelUse] = {}
    for wheel in wheels:
        key = (wheel.purl, wheel.sha256)
        known = merged.get(key, wheel)
        merged[key] = replace(
            known,
            targets=tuple(sorted({*known.targets, *wheel.targets})),
            license_expression=known.license_expression or wheel.license_expression,
        )
    return [merged[key] for key in sorted(merged)]
