"""Private keys: OpenSSH's format and Ed25519 only, a clear message for all else, and nothing secret is shown."""

from __future__ import annotations

import os
import re
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cloacina.errors import InvalidSigningKey, SigningUnavailable
from cloacina.packaging.signing import PASSPHRASE_VARIABLE, check_signatures, load_private_key, sign_fingerprint

PASSPHRASE = "correct horse"
FINGERPRINT = "0123456789abcdef" * 4
SECRET = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BEGIN, END = "-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----"


def openssh(
    secret: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey = SECRET, passphrase: str | None = None
) -> str:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        kdf = PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1)
        encryption = kdf.build(passphrase.encode())
    return secret.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption).decode()


def changed(text: str, before: bytes, after: bytes) -> str:
    """Change the data between the first and the last line of a key."""
    data = b64decode("".join(text.splitlines()[1:-1]))
    assert before in data
    return f"{BEGIN}\n{b64encode(data.replace(before, after)).decode()}\n{END}\n"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.touch(0o600)
    return file


def refused(file: Path, text: str, passphrase: str | None = None) -> str:
    file.write_text(text)
    with pytest.raises(InvalidSigningKey) as raised:
        load_private_key(file, None if passphrase is None else lambda: passphrase)
    return raised.value.message


def never() -> str:
    raise AssertionError("asked for a passphrase")


def test_a_key_without_a_passphrase_is_read_without_asking(key_file: Path) -> None:
    key_file.write_text(openssh())
    key = load_private_key(key_file, never)
    assert key.public.kind == "ssh-ed25519"
    (report,) = check_signatures(FINGERPRINT, [("signatures/a.sshsig", sign_fingerprint(FINGERPRINT, key).encode())])
    assert report.key_fingerprint == key.public.fingerprint


def test_a_key_with_windows_line_ends_is_read(key_file: Path) -> None:
    key_file.write_bytes(openssh().replace("\n", "\r\n").encode())
    assert load_private_key(key_file).public.kind == "ssh-ed25519"


def test_a_passphrase_is_asked_for(key_file: Path) -> None:
    key_file.write_text(openssh(passphrase=PASSPHRASE))
    key = load_private_key(key_file, lambda: PASSPHRASE)
    assert sign_fingerprint(FINGERPRINT, key)


def test_a_passphrase_is_taken_from_the_environment(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.write_text(openssh(passphrase=PASSPHRASE))
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert load_private_key(key_file).public.kind == "ssh-ed25519"


def test_a_wrong_passphrase_is_refused_and_not_shown(key_file: Path) -> None:
    message = refused(key_file, openssh(passphrase=PASSPHRASE), "battery staple")
    assert message == f"The passphrase is not that of {key_file}, or the file is damaged; try again."


@pytest.mark.parametrize("given", [None, ""])
def test_a_missing_passphrase_is_said(key_file: Path, given: str | None) -> None:
    message = refused(key_file, openssh(passphrase=PASSPHRASE), given)
    assert "protected by a passphrase, and none was given" in message
    assert PASSPHRASE_VARIABLE in message


def test_nothing_secret_is_shown_of_a_key(key_file: Path) -> None:
    key_file.write_text(openssh())
    key = load_private_key(key_file)
    assert "private" not in repr(key).lower()
    assert repr(bytes(range(32)))[2:-1] not in repr(key)
    assert bytes(range(32)).hex() not in repr(key)


def test_the_public_key_is_recognised_and_the_private_one_named(key_file: Path) -> None:
    public = SECRET.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    message = refused(key_file.with_suffix(".pub"), public + " you@example.com\n")
    assert "is a public key; expected the private one" in message
    assert f"{key_file} should be it" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is no private key; expected a file that begins with", id="empty"),
        pytest.param("hello\n", "is no private key; expected a file that begins with", id="text"),
        pytest.param("PuTTY-User-Key-File-3: ssh-ed25519\n", "is a key of PuTTY", id="PuTTY"),
        pytest.param("-----BEGIN RSA PRIVATE KEY-----\nAA\n", r"in PEM format \(RSA PRIVATE KEY\)", id="RSA in PEM"),
        pytest.param("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n", r"\(ENCRYPTED PRIVATE KEY\)", id="PKCS8"),
        pytest.param("-----BEGIN PUBLIC KEY-----\nAA\n", "is a public key", id="public PEM"),
        pytest.param(f"{BEGIN}\n!\n{END}\n", "is damaged: it is not base64", id="no base64"),
        pytest.param(f"{BEGIN}\nA\n{END}\n", "its base64 is damaged", id="bad base64"),
        pytest.param(f"{BEGIN}\nAAAA\n{END}\n", "breaks off", id="too short"),
        pytest.param("x" * 70_000, "has more than 65536 bytes", id="too long"),
        pytest.param(openssh() * 2, "is damaged: it is not base64", id="two keys in one file"),
    ],
)
def test_a_file_that_is_no_such_key_is_refused(key_file: Path, text: str, message: str) -> None:
    assert re.search(message, refused(key_file, text))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"openssh-key-v1\0", b"openssh-key-v2\0", "does not begin as a key's does"),
        (b"\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1", b"\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\2", "it holds 2 keys"),
        (SECRET.public_key().public_bytes_raw(), b"\1" * 32, "two halves don't belong together"),
        (bytes(range(32)), b"\1" * 32, "two halves don't belong together"),
    ],
    ids=["version", "count", "public half", "private half"],
)
def test_a_damaged_key_is_refused(key_file: Path, before: bytes, after: bytes, message: str) -> None:
    assert message in refused(key_file, changed(openssh(), before, after))


def test_every_key_that_breaks_off_is_refused(key_file: Path) -> None:
    data = b64decode("".join(openssh().splitlines()[1:-1]))
    for size in range(len(data)):
        assert "damaged" in refused(key_file, f"{BEGIN}\n{b64encode(data[:size]).decode() or 'AAAA'}\n{END}\n")


def test_a_key_of_another_type_is_named_before_its_passphrase_is_asked_for(key_file: Path) -> None:
    key_file.write_text(openssh(ec.generate_private_key(ec.SECP256R1()), PASSPHRASE))
    with pytest.raises(InvalidSigningKey, match="is of type ecdsa-sha2-nistp256; expected ssh-ed25519") as raised:
        load_private_key(key_file, never)
    assert "cloacina sign --signature FILE" in raised.value.message


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSigningKey, match="There is no private key"):
        load_private_key(tmp_path / "missing")
    with pytest.raises(InvalidSigningKey, match="cannot be read: Is a directory"):
        load_private_key(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_use_is_refused(key_file: Path, mode: int) -> None:
    key_file.write_text(openssh())
    key_file.chmod(mode)
    with pytest.raises(InvalidSigningKey, match=rf"its mode is 0{mode:o}, expected 0600.*chmod 600"):
        load_private_key(key_file)


def test_the_mode_of_another_owner_s_key_is_theirs(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.write_text(openssh())
    key_file.chmod(0o640)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert load_private_key(key_file).public.kind == "ssh-ed25519"


@pytest.mark.parametrize("library", ["cryptography", "bcrypt"])
def test_without_a_library_the_message_says_what_to_install(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    key_file.write_text(openssh(passphrase=PASSPHRASE))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SigningUnavailable, match=rf"{library} is needed .* pip install 'cloacina\[signing\]'"):
        load_private_key(key_file, never)


def test_a_key_without_a_passphrase_needs_no_bcrypt(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.write_text(openssh())
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    assert load_private_key(key_file).public.kind == "ssh-ed25519"
