"""SSH signatures: their text, their fields, and what exactly is signed.

Source: PROTOCOL.sshsig of OpenSSH. Where it leaves a choice, what `ssh-keygen -Y sign` writes is written, and no more
than that is read: one version, no reserved data, SHA-256 or SHA-512, nothing behind the end.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import textwrap
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cloacina.packaging.signing.public_key import PublicKey, is_signed_by, parse_public_key
from cloacina.packaging.signing.wire import WireError, WireReader, wire_number, wire_string

NAMESPACE = "cloacina-package"
"""What the signatures of packages are for; a signature that was made for anything else is none of a package."""

HASHES = ("sha512", "sha256")
"""The hashes of the message that may be used; the first is the one that is written."""

LARGEST = 16 * 1024
"""Bytes of the largest text that is looked at: three times what the longest RSA key needs."""

_MAGIC = b"SSHSIG"
_VERSION = 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_COLUMNS = 70
_ARMOR = re.compile(rf"{_BEGIN}\r?\n([A-Za-z0-9+/=\r\n]+)\n{_END}\s*")


@dataclass(frozen=True, slots=True)
class SSHSignature:
    """The fields of a signature.

    Attributes:
        key: The public key that it claims to be made with.
        namespace: What it was made for.
        digest: The hash of the message, one of `HASHES`.
        signature: The algorithm and its output, as SSH writes them.
    """

    key: PublicKey
    namespace: str
    digest: str
    signature: bytes


def message_of(fingerprint: str) -> bytes:
    """Return the message that is signed for a package: its fingerprint, as a line.

    `cloacina inspect --fingerprint` prints the same bytes, so that `ssh-keygen` can be given them.
    """
    return fingerprint.encode("ascii") + b"\n"


def signed_data(message: bytes, namespace: str = NAMESPACE, digest: str = HASHES[0]) -> bytes:
    """Return what the key's own algorithm signs for a message."""
    reserved = b""
    parts = (namespace.encode("ascii"), reserved, digest.encode("ascii"), hashlib.new(digest, message).digest())
    return _MAGIC + b"".join(map(wire_string, parts))


def render_signature(key_blob: bytes, signature: bytes) -> str:
    """Return the text of a signature over a package, as `ssh-keygen -Y sign` writes it.

    Args:
        key_blob: The public key as SSH writes it.
        signature: The algorithm and its output over `signed_data`, as SSH writes them.
    """
    return _armor(key_blob, NAMESPACE, HASHES[0], signature)


def normalize_signature(signature: SSHSignature) -> str:
    """Return the text of a signature that was read, with the line ends and the width that all packages have."""
    return _armor(signature.key.blob, signature.namespace, signature.digest, signature.signature)


def _armor(key_blob: bytes, namespace: str, digest: str, signature: bytes) -> str:
    parts = (key_blob, namespace.encode("ascii"), b"", digest.encode("ascii"), signature)
    blob = _MAGIC + wire_number(_VERSION) + b"".join(map(wire_string, parts))
    return "\n".join([_BEGIN, *textwrap.wrap(b64encode(blob).decode("ascii"), _COLUMNS), _END, ""])


def parse_signature(data: bytes) -> SSHSignature:
    """Return the fields of a signature.

    Args:
        data: The text of the signature, which may have Windows' line ends.

    Raises:
        WireError: The text is none of a signature, or its fields are not what this module's docstring says.
        UnsupportedKey: The key is of a type, or a size, that is not supported.
    """
    if len(data) > LARGEST:
        raise WireError(f"it has more than {LARGEST} bytes, which no signature needs")
    match = _ARMOR.fullmatch(data.decode("utf-8", "replace"))
    if match is None:
        raise WireError(f"expected base64 between {_BEGIN} and {_END}, and nothing around them")
    try:
        blob = b64decode("".join(match[1].split()), validate=True)
    except binascii.Error:
        raise WireError("its base64 is damaged") from None
    reader = WireReader(blob)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise WireError(f"its data does not begin with {_MAGIC.decode()}")
    if (version := reader.number()) != _VERSION:
        raise WireError(f"its version is {version}; expected {_VERSION}")
    key_blob, namespace, reserved, digest = reader.string(), reader.text(), reader.string(), reader.text()
    signature = reader.string()
    reader.end()
    if reserved:
        raise WireError("its reserved field is not empty")
    if digest not in HASHES:
        raise WireError(f"its hash is {digest!r}; expected {' or '.join(HASHES)}")
    return SSHSignature(parse_public_key(key_blob), namespace, digest, signature)


def check_signature(signature: SSHSignature, message: bytes) -> None:
    """Make sure that a signature is one over a message in the namespace of packages.

    Raises:
        WireError: It was made in another namespace, over something else, or with another key than it names.
        SigningUnavailable: The library that computes it is not installed.
    """
    if signature.namespace != NAMESPACE:
        raise WireError(f"it was made in the namespace {signature.namespace!r}; expected {NAMESPACE!r}")
    if not is_signed_by(signature.key, signature.signature, signed_data(message, digest=signature.digest)):
        raise WireError("it is not one over this fingerprint")
