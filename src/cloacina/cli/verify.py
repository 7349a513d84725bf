"""`cloacina verify`: is a package what was built, and did somebody sign it who is trusted?"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cloacina.cli.refusal import plain
from cloacina.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloacina.errors import CloacinaError
    from cloacina.packaging.archive import Package
    from cloacina.packaging.signing import SignatureReport, SignatureSettings


def verify(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="The .cloacina file to look at.", show_default=False)
    ],
    *,
    policy: Annotated[
        Literal["off", "warn", "require"] | None,
        typer.Option(
            help="What is asked of signatures: `off`, nothing; `warn`, that they are valid; `require`, that one is by "
            "an allowed signer. By default CLOACINA_SIGNATURE_POLICY, else `warn`.",
            show_default=False,
        ),
    ] = None,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose keys are trusted, in OpenSSH's allowed_signers format. By default CLOACINA_ALLOWED_SIGNERS.",
        ),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(metavar="PRINCIPAL", help="Who must have signed; without --policy, this means `require`."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> None:
    """Check that a package is unchanged since it was built, and who signed it; nothing of it is run or extracted."""
    from cloacina.packaging.archive import read_package  # noqa: PLC0415 - half of what starting this command takes
    from cloacina.packaging.signing import (  # noqa: PLC0415 - as above
        SignaturePolicy,
        SignatureSettings,
        refusal,
        report_signatures,
        signatures_of,
    )

    asked = "require" if policy is None and signer is not None else policy
    settings = SignatureSettings.read(SignaturePolicy(asked) if asked else None, allowed_signers)
    try:
        found = read_package(package)
    except ArchiveError as problem:
        if as_json:
            _print({"file": str(package), "is_intact": False, "error": _describe(problem)})
        raise
    reports: tuple[SignatureReport, ...] = ()
    if settings.policy is not SignaturePolicy.OFF:
        reports = report_signatures(
            found.fingerprint, signatures_of(found), allowed_signers=settings.allowed_signers, signer=signer
        )
    error = refusal(reports, settings.policy, allowed_signers=settings.allowed_signers)
    if as_json:
        _print(_document(found, settings, reports, error))
    else:
        print("\n".join(_lines(found, settings, reports)))
    if error is not None:
        raise error


def _lines(package: Package, settings: SignatureSettings, reports: tuple[SignatureReport, ...]) -> Iterable[str]:
    about = package.manifest.package
    yield f"{plain(str(package.path))}: {about.name} {about.version}"
    yield f"  fingerprint  {package.fingerprint}"
    yield f"  content      is what the fingerprint says: {len(package.contents)} files"
    for report in reports:
        by = "" if report.key_type is None else f" ({report.key_type} {report.key_fingerprint})"
        yield f"  signature    {_VERDICTS[report.status]}{_name(report)}{by}"
        yield f"               {report.message}"
    if settings.policy == "off":
        yield "  signature    not looked at, as the policy is off"
    elif not reports:
        yield "  signature    none: anybody may have built this package"


_VERDICTS: Mapping[str, str] = {
    "trusted": "trusted",
    "unknown": "valid, but not trusted",
    "expired": "valid, but its key is not valid now",
    "invalid": "NOT VALID",
    "unchecked": "not checked",
}


def _name(report: SignatureReport) -> str:
    return "" if report.signer is None else f": {report.signer}"


def _document(
    package: Package,
    settings: SignatureSettings,
    reports: tuple[SignatureReport, ...],
    error: CloacinaError | None,
) -> dict[str, Any]:
    about = package.manifest.package
    return {
        "file": str(package.path),
        "package": {"name": about.name, "version": about.version},
        "is_intact": True,
        "fingerprint": package.fingerprint,
        "policy": str(settings.policy),
        "allowed_signers": None if settings.allowed_signers is None else str(settings.allowed_signers),
        "is_trusted": any(report.status == "trusted" for report in reports) and error is None,
        "signatures": [
            {
                "file": report.file,
                "status": report.status,
                "signer": report.signer,
                "key_type": report.key_type,
                "key_fingerprint": report.key_fingerprint,
                "message": report.message,
            }
            for report in reports
        ],
        "error": None if error is None else _describe(error),
    }


def _describe(error: CloacinaError) -> dict[str, str]:
    return {"code": error.code, "message": error.message}


def _print(document: Mapping[str, object]) -> None:
    print(json.dumps(document, indent=2))
