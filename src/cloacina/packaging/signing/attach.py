"""Put a signature into a package. Its fingerprint stays as it is: signatures are not part of what they sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import InvalidSignature
from cloacina.packaging.signing.keys import sign_fingerprint
from cloacina.packaging.signing.sshsig import check_signature, message_of, normalize_signature, parse_signature
from cloacina.packaging.signing.wire import WireError

if TYPE_CHECKING:
    from pathlib import Path

    from cloacina.packaging.archive import Package
    from cloacina.packaging.signing.keys import SigningKey
    from cloacina.packaging.signing.public_key import PublicKey


def sign_package(path: Path, key: SigningKey, *, output: Path | None = None) -> Package:
    """Sign a package, after making sure that its content is what its fingerprint says.

    Args:
        path: The package.
        key: The key, from `load_private_key`. Its earlier signature, if there is one, is replaced; others stay.
        output: The file, or the folder, to write the signed package to; by default it takes the package's place.

    Returns:
        The signed package.

    Raises:
        ArchiveError: The package cannot be read, or was changed.
        OutputNotWritable: The signed package cannot be written.
    """
    from cloacina.packaging.archive import read_package  # noqa: PLC0415 - judging signatures needs no archive

    package = read_package(path)
    return _write(package, key.public, sign_fingerprint(package.fingerprint, key), output)


def attach_signature(path: Path, armored: str, *, output: Path | None = None) -> Package:
    """Put a signature that was made elsewhere into a package.

    Args:
        path: The package.
        armored: What `ssh-keygen -Y sign -n cloacina-package` wrote for the package's fingerprint and a line end, which
            is what `cloacina inspect --fingerprint` prints.
        output: The file, or the folder, to write the signed package to; by default it takes the package's place.

    Returns:
        The signed package.

    Raises:
        ArchiveError: The package cannot be read, or was changed.
        InvalidSignature: The signature is damaged, or not one over this package's fingerprint.
        OutputNotWritable: The signed package cannot be written.
        SigningUnavailable: The library that checks signatures is not installed.
    """
    from cloacina.packaging.archive import read_package  # noqa: PLC0415 - as above

    package = read_package(path)
    try:
        signature = parse_signature(armored.encode())
        check_signature(signature, message_of(package.fingerprint))
    except WireError as error:
        raise InvalidSignature(
            f"The signature cannot be put into {path.name}: {error}. What has to be signed is the line that "
            f"`cloacina inspect --fingerprint {path.name}` prints, with `ssh-keygen -Y sign -n cloacina-package`."
        ) from None
    return _write(package, signature.key, normalize_signature(signature), output)


def signatures_of(package: Package) -> tuple[tuple[str, bytes], ...]:
    """Return the names and the content of a package's signature files, as `check_signatures` takes them."""
    return tuple((member.path, b"".join(member.chunks())) for member in package.signatures)


def _write(package: Package, key: PublicKey, armored: str, output: Path | None) -> Package:
    from cloacina.packaging.archive import Member, read_package, rewrite_archive  # noqa: PLC0415 - as above

    target = package.path if output is None else output
    if target.is_dir():
        target /= package.path.name
    rewrite_archive(package, target, add=[Member(f"signatures/{key.file_name}", armored.encode("ascii"))])
    return read_package(target)
