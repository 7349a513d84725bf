"""`cloacina sign`: put a signature into a package."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.passphrase import passphrase_of
from cloacina.cli.refusal import plain
from cloacina.cli.unwinding import Interrupted, interruption_unwinds
from cloacina.errors import CommandError, InvalidSignature

if TYPE_CHECKING:
    from rich.status import Status

    from cloacina.packaging.archive import Package
    from cloacina.packaging.signing import PublicKey


def sign(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The .cloacina file to sign.", show_default=False)],
    *,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An Ed25519 private key, as `ssh-keygen -t ed25519` makes it. A passphrase is asked for, or taken "
            "from CLOACINA_SIGNING_PASSPHRASE.",
        ),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of a key: a signature that `ssh-keygen -Y sign -n cloacina-package` made of the output of "
            "`cloacina inspect --fingerprint`.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The file or folder to write to; by default PACKAGE is replaced."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Check a package, and put a signature over its fingerprint into it; signatures of other keys stay."""
    try:
        with interruption_unwinds():
            signed, public = _sign(package, key, signature, output)
    except Interrupted as interruption:
        print("interrupted: the package is whole, either signed or as it was", file=sys.stderr)
        return interruption.exit_code
    _show(signed, public, as_json=as_json)
    return ExitCode.OK


def _sign(package: Path, key: Path | None, signature: Path | None, output: Path | None) -> tuple[Package, PublicKey]:
    if key is not None and signature is None:
        return _sign_with(package, key, output)
    if signature is not None and key is None:
        return _attach(package, signature, output)
    raise CommandError(
        f"sign takes either --key FILE, a private key, or --signature FILE, what ssh-keygen signed; "
        f"got {'neither' if key is None else 'both'}."
    )


def _sign_with(package: Path, file: Path, output: Path | None) -> tuple[Package, PublicKey]:
    from cloacina.packaging.signing import load_private_key, sign_package  # noqa: PLC0415 - only packages need it

    key = load_private_key(file, passphrase_of(file))
    with _waiting():
        return sign_package(package, key, output=output), key.public


def _attach(package: Path, file: Path, output: Path | None) -> tuple[Package, PublicKey]:
    from cloacina.packaging.signing import attach_signature  # noqa: PLC0415 - as above
    from cloacina.packaging.signing.sshsig import LARGEST, parse_signature  # noqa: PLC0415

    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST + 1).decode("utf-8", "replace")
    except OSError as error:
        raise InvalidSignature(f"The signature {file} cannot be read: {error.strerror}.") from None
    with _waiting():
        return attach_signature(package, text, output=output), parse_signature(text.encode()).key


def _waiting() -> Status:
    """Return what shows at a terminal that the command is at work: packing 50 MB again takes ten seconds."""
    from rich.console import Console  # noqa: PLC0415 - 50 ms that wrong input need not wait for

    return Console(stderr=True).status("Checking the package and writing it with its signature")


def _show(package: Package, key: PublicKey, *, as_json: bool) -> None:
    about = package.manifest.package
    if as_json:
        document = {
            "file": str(package.path),
            "package": {"name": about.name, "version": about.version},
            "fingerprint": package.fingerprint,
            "signature": {
                "file": f"signatures/{key.file_name}",
                "key_type": key.kind,
                "key_fingerprint": key.fingerprint,
            },
            "signatures": len(package.signatures),
        }
        print(json.dumps(document, indent=2))
        return
    print(f"Signed {plain(str(package.path))}: {about.name} {about.version}")
    print(f"  fingerprint  {package.fingerprint}")
    print(f"  key          {key.kind} {key.fingerprint}")
    if (others := len(package.signatures) - 1) > 0:
        print(f"  besides      {'1 signature of another key' if others == 1 else f'{others} signatures of other keys'}")
