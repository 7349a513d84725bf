"""Private keys: Ed25519 in OpenSSH's format, with a passphrase or without.

Source of the format: PROTOCOL.key of OpenSSH. Everything but the secret part is read here, so that each wrong file has
a message of its own, and a passphrase is asked for only when the key is one that can be used.
"""

from __future__ import annotations

import binascii
import os
import re
import stat
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloacina.errors import InvalidSigningKey, SigningUnavailable
from cloacina.packaging.signing.availability import require_bcrypt, require_cryptography
from cloacina.packaging.signing.public_key import ED25519, Ed25519Numbers, PublicKey, parse_public_key
from cloacina.packaging.signing.sshsig import message_of, render_signature, signed_data
from cloacina.packaging.signing.wire import WireError, WireReader, wire_string

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE_VARIABLE = "CLOACINA_SIGNING_PASSPHRASE"  # noqa: S105 - a name, not a secret
"""The environment variable that holds the passphrase where nobody can be asked for it."""

_LARGEST = 64 * 1024
_MAGIC = b"openssh-key-v1\0"
_BEGIN, _END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"
_ARMOR = re.compile(rf"\s*{_BEGIN}([A-Za-z0-9+/=\s]+){_END}\s*")
_PUBLIC = re.compile(r"\s*(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA|\s*---- BEGIN SSH2 PUBLIC KEY|\s*-----BEGIN PUBLIC KEY")
_OTHER_PRIVATE = re.compile(r"\s*-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----")
_OPEN_TO_OTHERS = 0o077
_MAKE_ONE = "make a key with `ssh-keygen -t ed25519`"
_SIGN_ELSEWHERE = (
    "sign with `ssh-keygen -Y sign -n cloacina-package`, and attach what it writes: cloacina sign --signature FILE"
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key to sign packages with; `load_private_key` returns one.

    Attributes:
        public: Its public half, which the file of allowed signers names.
    """

    public: PublicKey
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, data: bytes) -> bytes:
        """Return the signature over bytes as SSH writes it: the algorithm, and its output."""
        return wire_string(ED25519.encode("ascii")) + wire_string(self._private.sign(data))


def sign_fingerprint(fingerprint: str, key: SigningKey) -> str:
    """Return the signature of a package, as `ssh-keygen -Y sign -n cloacina-package` writes it.

    Args:
        fingerprint: The package's fingerprint, 64 hexadecimal digits; what is signed is this and a line end.
        key: The key, from `load_private_key`.

    Returns:
        The text of an `.sshsig` file, which `ssh-keygen -Y verify` takes.
    """
    return render_signature(key.public.blob, key.sign(signed_data(message_of(fingerprint))))


def load_private_key(path: Path, passphrase: Callable[[], str] | None = None) -> SigningKey:
    """Read a private key.

    Args:
        path: The file that `ssh-keygen -t ed25519` wrote, the one without `.pub`.
        passphrase: Asked for the passphrase, only if the key has one. Without it, the environment variable
            `CLOACINA_SIGNING_PASSPHRASE` is used.

    Raises:
        InvalidSigningKey: The file is missing, open to others or no such key, or the passphrase is wrong or missing.
        SigningUnavailable: The library that is needed is not installed.
    """
    require_cryptography("to sign a package")
    data, status = _read(path)
    public, is_encrypted = _read_header(path, data)
    _refuse_open_file(path, status)
    if not is_encrypted:
        return _decode(path, data, public, None)
    require_bcrypt()
    text = (passphrase or _passphrase_of_environment)()
    if not text:
        raise InvalidSigningKey(
            f"The key {path} is protected by a passphrase, and none was given; enter it at a terminal, "
            f"or set {PASSPHRASE_VARIABLE}."
        )
    return _decode(path, data, public, text)


def _passphrase_of_environment() -> str:
    return os.environ.get(PASSPHRASE_VARIABLE, "")


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        with path.open("rb") as file:
            data, status = file.read(_LARGEST + 1), os.fstat(file.fileno())
    except FileNotFoundError:
        raise InvalidSigningKey(
            f"There is no private key {path}; name the file that `ssh-keygen -t ed25519` wrote, the one without .pub."
        ) from None
    except OSError as error:
        raise InvalidSigningKey(f"The private key {path} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise InvalidSigningKey(f"{path} has more than {_LARGEST} bytes, which no private key has; {_MAKE_ONE}.")
    return data, status


def _refuse_open_file(path: Path, status: os.stat_result) -> None:
    # The rule of ssh-keygen: a file of another owner is that owner's affair, such as a secret mounted into a container.
    if os.name != "posix" or status.st_uid != os.getuid() or not status.st_mode & _OPEN_TO_OTHERS:
        return
    mode = stat.S_IMODE(status.st_mode)
    raise InvalidSigningKey(
        f"The private key {path} can be used by others (its mode is {mode:04o}, expected 0600); "
        f"run `chmod 600 {path}`, and make a new key if somebody may have copied it."
    )


def _read_header(path: Path, data: bytes) -> tuple[PublicKey, bool]:
    """Return the public half that stands before the secret, and whether a passphrase protects the secret."""
    text = data.decode("utf-8", "replace")
    match = _ARMOR.fullmatch(text)
    if match is None:
        raise InvalidSigningKey(_why_not_a_key(path, text))
    try:
        reader = WireReader(b64decode("".join(match[1].split()), validate=True))
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise WireError("its data does not begin as a key's does")
        cipher, _, _ = reader.text(), reader.text(), reader.string()
        if (count := reader.number()) != 1:
            raise WireError(f"it holds {count} keys; expected one")
        blob = reader.string()
        kind = WireReader(blob).text()
        if kind != ED25519:
            raise InvalidSigningKey(
                f"The private key {path} is of type {kind}; expected {ED25519}. {_MAKE_ONE.capitalize()}, "
                f"or {_SIGN_ELSEWHERE}."
            )
        return parse_public_key(blob), cipher != "none"
    except (WireError, binascii.Error) as error:
        what = error if isinstance(error, WireError) else "its base64 is damaged"
        raise InvalidSigningKey(f"The private key {path} is damaged: {what}. Restore it, or {_MAKE_ONE}.") from None


def _why_not_a_key(path: Path, text: str) -> str:
    if _PUBLIC.match(text):
        hint = f" {path.with_suffix('')} should be it." if path.suffix == ".pub" else ""
        return f"{path} is a public key; expected the private one, which lies beside it without .pub.{hint}"
    if other := _OTHER_PRIVATE.match(text):
        if other[1] == "OPENSSH PRIVATE KEY":
            return f"The private key {path} is damaged: it is not base64 between its first and last line."
        return (
            f"{path} is a private key in PEM format ({other[1]}); expected an OpenSSH key of type Ed25519. "
            f"{_MAKE_ONE.capitalize()}, or {_SIGN_ELSEWHERE}."
        )
    if text.startswith("PuTTY-User-Key-File"):
        return f"{path} is a key of PuTTY; expected an OpenSSH key, which PuTTYgen exports (Conversions)."
    return f"{path} is no private key; expected a file that begins with {_BEGIN}. {_MAKE_ONE.capitalize()}."


def _decode(path: Path, data: bytes, public: PublicKey, passphrase: str | None) -> SigningKey:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm  # noqa: PLC0415 - see availability.py
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key  # noqa: PLC0415

    try:
        key = load_ssh_private_key(data, None if passphrase is None else passphrase.encode())
    except (ValueError, InvalidTag):
        if passphrase is None:
            raise InvalidSigningKey(f"The private key {path} is damaged. Restore it, or {_MAKE_ONE}.") from None
        # With a wrong passphrase the secret decrypts to noise, so the two cannot be told apart.
        raise InvalidSigningKey(f"The passphrase is not that of {path}, or the file is damaged; try again.") from None
    except UnsupportedAlgorithm as error:
        raise SigningUnavailable(
            f"The private key {path} is encrypted with a cipher that cannot be read here ({error}); "
            f"change it with `ssh-keygen -p -Z aes256-ctr -f {path}`."
        ) from None
    if not isinstance(key, Ed25519PrivateKey) or Ed25519Numbers(key.public_key().public_bytes_raw()) != public.numbers:
        raise InvalidSigningKey(f"The private key {path} is damaged: its two halves don't belong together.")
    return SigningKey(public, key)
