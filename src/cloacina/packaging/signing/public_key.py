"""Public keys as SSH writes them, and whether a signature is theirs.

Source: RFC 4253 section 6.6 (RSA), RFC 5656 (ECDSA), RFC 8332 (RSA with SHA-2), RFC 8709 (Ed25519), and OpenSSH's
PROTOCOL.u2f (keys that live in a security token).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cloacina.packaging.signing.availability import require_cryptography
from cloacina.packaging.signing.wire import WireError, WireReader, wire_number

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

ED25519 = "ssh-ed25519"
RSA = "ssh-rsa"
ED25519_SK = "sk-ssh-ed25519@openssh.com"
ECDSA_SK = "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES = {"ecdsa-sha2-nistp256": 256, "ecdsa-sha2-nistp384": 384, "ecdsa-sha2-nistp521": 521, ECDSA_SK: 256}
"""The types of ECDSA keys, and the bits of their curves."""

_ED25519_KEY_BYTES = 32
_ED25519_SIGNATURE_BYTES = 64
_UNCOMPRESSED = 4
# RSA below 2048 bits is within reach of those who would try; above 16384 OpenSSH itself refuses, and checking is slow.
_RSA_BITS = range(2_048, 16_385)
_TOUCHED = 0x01

_KINDS = (ED25519, *CURVES, ED25519_SK, RSA)


class UnsupportedKey(WireError):
    """Raised when a key is well formed as far as can be told, and of a type or size that is not taken."""


@dataclass(frozen=True, slots=True)
class Ed25519Numbers:
    """An Ed25519 key."""

    key: bytes


@dataclass(frozen=True, slots=True)
class EllipticNumbers:
    """A key on one of NIST's curves: the bits of the curve, and the point, uncompressed."""

    bits: int
    point: bytes


@dataclass(frozen=True, slots=True)
class RSANumbers:
    """An RSA key."""

    exponent: int
    modulus: int


Numbers: TypeAlias = Ed25519Numbers | EllipticNumbers | RSANumbers


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    Attributes:
        kind: The type as SSH names it, such as `ssh-ed25519`.
        blob: The key as SSH writes it, which two equal keys have in common.
        numbers: What is computed with.
        application: For a key in a security token, what it was made for; else None.
    """

    kind: str
    blob: bytes
    numbers: Numbers
    application: bytes | None = None

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` shows it: `SHA256:` and 43 characters."""
        return "SHA256:" + b64encode(hashlib.sha256(self.blob).digest()).decode("ascii").rstrip("=")

    @property
    def file_name(self) -> str:
        """The name of the file in a package that holds this key's signature."""
        return f"{hashlib.sha256(self.blob).hexdigest()[:16]}.sshsig"


def parse_public_key(blob: bytes) -> PublicKey:
    """Return the key of a blob.

    Args:
        blob: What a line such as `ssh-ed25519 AAAA…` holds in base64.

    Raises:
        WireError: The blob is damaged.
        UnsupportedKey: It is a certificate, or a key of another type, or an RSA key that is too short or too long.
    """
    reader = WireReader(blob)
    kind = reader.text()
    if "-cert-v0" in kind:
        raise UnsupportedKey(f"it is a certificate ({kind}), which is not supported; expected a plain key")
    if kind not in _KINDS:
        raise UnsupportedKey(f"its type {kind!r} is not supported; expected one of {', '.join(_KINDS)}")
    numbers = _read_numbers(kind, reader)
    application = reader.string() if kind in {ED25519_SK, ECDSA_SK} else None
    reader.end()
    return PublicKey(kind, blob, numbers, application)


def _read_numbers(kind: str, reader: WireReader) -> Numbers:
    if kind in {ED25519, ED25519_SK}:
        key = reader.string()
        if len(key) != _ED25519_KEY_BYTES:
            raise WireError(f"an Ed25519 key has {_ED25519_KEY_BYTES} bytes, this one {len(key)}")
        return Ed25519Numbers(key)
    if kind in CURVES:
        curve, point, bits = reader.text(), reader.string(), CURVES[kind]
        if curve != f"nistp{bits}":
            raise WireError(f"a key of type {kind} is on the curve nistp{bits}, this one on {curve!r}")
        if len(point) != 1 + 2 * ((bits + 7) // 8) or point[0] != _UNCOMPRESSED:
            raise WireError(f"it has no uncompressed point of the curve nistp{bits}")
        return EllipticNumbers(bits, point)
    exponent, modulus = reader.positive_integer(), reader.positive_integer()
    if modulus.bit_length() not in _RSA_BITS:
        raise UnsupportedKey(
            f"it is an RSA key of {modulus.bit_length()} bits; expected {_RSA_BITS.start} to {_RSA_BITS.stop - 1}"
        )
    return RSANumbers(exponent, modulus)


def is_signed_by(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether a signature over a message was made with a key.

    Args:
        key: The public key.
        signature: The signature as SSH writes it: the algorithm, and what that algorithm puts out.
        message: What was signed.

    Raises:
        WireError: The signature is damaged, or of an algorithm that does not belong to the key.
        SigningUnavailable: The library that computes it is not installed.
    """
    require_cryptography("to check a signature")
    reader = WireReader(signature)
    algorithm, value = reader.text(), reader.string()
    if key.application is not None:
        flags, counter = reader.take(1), reader.number()
        if not flags[0] & _TOUCHED:
            raise WireError("the security token that made it was not touched")
        digests = hashlib.sha256(key.application).digest(), hashlib.sha256(message).digest()
        message = digests[0] + flags + wire_number(counter) + digests[1]
    reader.end()
    expected = ("rsa-sha2-512", "rsa-sha2-256") if key.kind == RSA else (key.kind,)
    if algorithm not in expected:
        raise WireError(f"its algorithm is {algorithm!r}; a key of type {key.kind} signs with {' or '.join(expected)}")
    return _is_valid(key.numbers, algorithm, value, message)


def _is_valid(numbers: Numbers, algorithm: str, value: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature as Mismatch  # noqa: PLC0415 - an extra, see availability.py

    try:
        if isinstance(numbers, Ed25519Numbers):
            _check_ed25519(numbers, value, message)
        elif isinstance(numbers, EllipticNumbers):
            _check_elliptic(numbers, value, message)
        else:
            _check_rsa(numbers, algorithm, value, message)
    except Mismatch:
        return False
    return True


def _check_ed25519(numbers: Ed25519Numbers, value: bytes, message: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    if len(value) != _ED25519_SIGNATURE_BYTES:
        raise WireError(f"an Ed25519 signature has {_ED25519_SIGNATURE_BYTES} bytes, this one {len(value)}")
    Ed25519PublicKey.from_public_bytes(numbers.key).verify(value, message)


def _check_elliptic(numbers: EllipticNumbers, value: bytes, message: bytes) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415

    parameters: dict[int, tuple[ec.EllipticCurve, HashAlgorithm]] = {
        256: (ec.SECP256R1(), hashes.SHA256()),
        384: (ec.SECP384R1(), hashes.SHA384()),
        521: (ec.SECP521R1(), hashes.SHA512()),
    }
    curve, digest = parameters[numbers.bits]
    reader = WireReader(value)
    encoded = utils.encode_dss_signature(reader.positive_integer(), reader.positive_integer())
    reader.end()
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, numbers.point)
    except ValueError:
        raise WireError(f"its key is no point of the curve nistp{numbers.bits}") from None
    key.verify(encoded, message, ec.ECDSA(digest))


def _check_rsa(numbers: RSANumbers, algorithm: str, value: bytes, message: bytes) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    size = (numbers.modulus.bit_length() + 7) // 8
    if len(value) > size:
        raise WireError(f"an RSA signature of this key has {size} bytes, this one {len(value)}")
    try:
        key = rsa.RSAPublicNumbers(numbers.exponent, numbers.modulus).public_key()
    except ValueError:
        raise WireError("its key is no RSA key") from None
    digest = hashes.SHA512() if algorithm == "rsa-sha2-512" else hashes.SHA256()
    # Some agents leave leading zeros out.
    key.verify(value.rjust(size, b"\0"), message, padding.PKCS1v15(), digest)
