"""What is signed here, ssh-keygen accepts, and the other way round; and both refuse the same things."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings, strategies

from cloacina.errors import InvalidAllowedSigners
from cloacina.packaging.signing import (
    NAMESPACE,
    SignatureReport,
    SigningKey,
    load_private_key,
    report_signatures,
    sign_fingerprint,
)
from cloacina.packaging.signing.sshsig import render_signature, signed_data
from cloacina.packaging.signing.wire import wire_number, wire_string

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

FINGERPRINT = "0123456789abcdef" * 4
MESSAGE = f"{FINGERPRINT}\n"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADA = "ada@example.com"
KINDS = {
    "ed25519": [],
    "rsa": ["-b", "2048"],
    "ecdsa": ["-b", "256"],
    "ecdsa-384": ["-b", "384"],
    "ecdsa-521": ["-b", "521"],
}


def ssh_keygen(
    *arguments: str | Path, text: str = "", zone: str = "UTC", expect: int | None = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["ssh-keygen", *arguments],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"TZ": zone},
    )
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a key of each kind, and one with a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in KINDS.items():
        kind = name.partition("-")[0]
        ssh_keygen("-q", "-t", kind, *options, "-N", "", "-C", ADA, "-f", folder / name)
    ssh_keygen("-q", "-t", "ed25519", "-N", "correct horse", "-f", folder / "protected")
    return folder


@pytest.fixture(scope="module")
def key(keys: Path) -> SigningKey:
    return load_private_key(keys / "ed25519")


def allow(folder: Path, key: Path, options: str = "", principals: str = ADA) -> Path:
    file = folder / "allowed_signers"
    public = key.with_name(key.name + ".pub").read_text()
    file.write_text(f"{principals} {options} {public}")
    return file


def ssh_accepts(
    signers: Path, signature: str, *, message: str = MESSAGE, signer: str = ADA, now: datetime = NOW, zone: str = "UTC"
) -> bool:
    file = signers.parent / "signature"
    file.write_text(signature)
    verified = ssh_keygen(
        *("-Y", "verify", "-f", signers, "-I", signer, "-n", NAMESPACE, "-s", file),
        *("-O", f"verify-time={now:%Y%m%d%H%M%S}Z"),
        text=message,
        zone=zone,
        expect=None,
    )
    return verified.returncode == 0


def judge(
    signers: Path | None, signature: str, *, fingerprint: str = FINGERPRINT, signer: str = ADA, now: datetime = NOW
) -> SignatureReport:
    (report,) = report_signatures(
        fingerprint, [("x.sshsig", signature.encode())], allowed_signers=signers, signer=signer, now=now
    )
    return report


def sign_with_ssh(key: Path, *options: str, namespace: str = NAMESPACE, message: str = MESSAGE) -> str:
    return ssh_keygen("-Y", "sign", *options, "-f", key, "-n", namespace, text=message).stdout


def test_ssh_keygen_accepts_what_is_signed_here(keys: Path, key: SigningKey, tmp_path: Path) -> None:
    signature = sign_fingerprint(FINGERPRINT, key)
    assert ssh_accepts(allow(tmp_path, keys / "ed25519"), signature)
    (tmp_path / "signature").write_text(signature)
    ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", tmp_path / "signature", text=MESSAGE)


def test_both_write_the_same_bytes(keys: Path, key: SigningKey) -> None:
    assert sign_fingerprint(FINGERPRINT, key) == sign_with_ssh(keys / "ed25519")


def test_a_key_with_a_passphrase_signs(keys: Path, tmp_path: Path) -> None:
    protected = load_private_key(keys / "protected", lambda: "correct horse")
    assert ssh_accepts(allow(tmp_path, keys / "protected"), sign_fingerprint(FINGERPRINT, protected))


@pytest.mark.parametrize("digest", ["sha512", "sha256"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_ssh_keygen_signs_is_accepted_here(keys: Path, tmp_path: Path, kind: str, digest: str) -> None:
    signature = sign_with_ssh(keys / kind, "-O", f"hashalg={digest}")
    signers = allow(tmp_path, keys / kind)
    assert ssh_accepts(signers, signature)
    report = judge(signers, signature)
    assert (report.status, report.signer) == ("trusted", ADA)
    assert report.key_fingerprint == ssh_keygen("-l", "-f", keys / f"{kind}.pub").stdout.split()[1]


def test_both_refuse_a_changed_fingerprint(keys: Path, key: SigningKey, tmp_path: Path) -> None:
    signers, signature = allow(tmp_path, keys / "ed25519"), sign_fingerprint(FINGERPRINT, key)
    changed = FINGERPRINT.replace("f", "e")
    assert not ssh_accepts(signers, signature, message=f"{changed}\n")
    assert judge(signers, signature, fingerprint=changed).status == "invalid"


def test_both_refuse_another_namespace(keys: Path, tmp_path: Path) -> None:
    signers, signature = allow(tmp_path, keys / "ed25519"), sign_with_ssh(keys / "ed25519", namespace="file")
    assert not ssh_accepts(signers, signature)
    report = judge(signers, signature)
    assert (report.status, "in the namespace 'file'" in report.message) == ("invalid", True)


def test_both_refuse_a_key_that_is_not_allowed(keys: Path, key: SigningKey, tmp_path: Path) -> None:
    signers, signature = allow(tmp_path, keys / "protected"), sign_fingerprint(FINGERPRINT, key)
    assert not ssh_accepts(signers, signature)
    assert judge(signers, signature).status == "unknown"


def test_both_refuse_another_signer(keys: Path, key: SigningKey, tmp_path: Path) -> None:
    signers, signature = allow(tmp_path, keys / "ed25519"), sign_fingerprint(FINGERPRINT, key)
    assert not ssh_accepts(signers, signature, signer="grace@example.com")
    assert judge(signers, signature, signer="grace@example.com").status == "unknown"


@pytest.mark.parametrize("options", ['valid-before="20260601115959Z"', 'valid-after="20260601120001Z"'])
def test_both_refuse_a_key_outside_of_its_time(keys: Path, key: SigningKey, tmp_path: Path, options: str) -> None:
    signers, signature = allow(tmp_path, keys / "ed25519", options), sign_fingerprint(FINGERPRINT, key)
    assert not ssh_accepts(signers, signature)
    assert judge(signers, signature).status == "expired"


def test_both_find_the_same_principals(keys: Path, key: SigningKey, tmp_path: Path) -> None:
    signers = allow(tmp_path, keys / "ed25519", principals=f"{ADA},*@example.org")
    file = tmp_path / "signature"
    file.write_text(sign_fingerprint(FINGERPRINT, key))
    found = ssh_keygen("-Y", "find-principals", "-f", signers, "-s", file).stdout.splitlines()
    (report,) = report_signatures(FINGERPRINT, [("x", file.read_bytes())], allowed_signers=signers)
    assert report.signer == ",".join(found) == f"{ADA},*@example.org"


def test_a_certificate_is_refused_by_name(keys: Path, tmp_path: Path) -> None:
    for suffix in ("", ".pub"):
        shutil.copy(keys / f"ed25519{suffix}", tmp_path / f"user{suffix}")
    ssh_keygen("-q", "-s", keys / "ecdsa", "-I", "id", "-n", ADA, tmp_path / "user.pub")
    (tmp_path / "user-cert").write_bytes((tmp_path / "user").read_bytes())
    (tmp_path / "user-cert").chmod(0o600)
    report = judge(None, sign_with_ssh(tmp_path / "user-cert.pub"))
    assert report.status == "invalid"
    assert "it is a certificate (ssh-ed25519-cert-v01@openssh.com)" in report.message


@pytest.mark.parametrize("flags", [0b001, 0b101], ids=["touched", "touched and PIN"])
def test_both_accept_a_security_token(tmp_path: Path, flags: int) -> None:
    kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
    secret = Ed25519PrivateKey.generate()
    blob = b"".join(map(wire_string, (kind, secret.public_key().public_bytes_raw(), application)))
    # What the token signs is not the message, but its hash between what it knows itself: PROTOCOL.u2f of OpenSSH.
    tail = bytes([flags]) + wire_number(7)
    hashes = [sha256(data).digest() for data in (application, signed_data(MESSAGE.encode()))]
    made = secret.sign(hashes[0] + tail + hashes[1])
    signature = render_signature(blob, wire_string(kind) + wire_string(made) + tail)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"{ADA} {kind.decode()} {b64encode(blob).decode()}\n")
    assert ssh_accepts(signers, signature)
    assert judge(signers, signature).status == "trusted"


@pytest.mark.parametrize("hour", range(8, 18))
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin"])
def test_both_take_a_local_time_for_the_same(
    keys: Path, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, hour: int
) -> None:
    signature = sign_fingerprint(FINGERPRINT, key)
    signers = allow(tmp_path, keys / "ed25519", f'valid-before="20260601{hour:02}00"')
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        report = judge(signers, signature)
    time.tzset()
    assert (report.status == "trusted") is ssh_accepts(signers, signature, zone=zone)


# Times around NOW, and pieces that are right, wrong, or read in a way of their own.
TIMES = [
    "20260601", "20260602Z", "20260531UTC", "202606011200", "202606011200Z", "20260601120000Z", "20260601115959Z",
    "20260601120001Z", "20260601080000", "20261301", "2026", "20260601120000 Z", "19700101Z", "",
]  # fmt: skip
NAMESPACES = [
    NAMESPACE, "*", "cloacina-?ackage", "file", f"file,{NAMESPACE}", f"*,!{NAMESPACE}", "!file,*", "", 'a\\"b,*',
    "Cloacina-Package", f" {NAMESPACE}", f"file, {NAMESPACE}",
]  # fmt: skip
PIECES = [
    *(f'{name}="{text}"' for name in ("valid-after", "valid-before", "VALID-Before") for text in TIMES),
    *(f'namespaces="{text}"' for text in NAMESPACES),
    "cert-authority", "verify-required", "namespaces", f"namespaces={NAMESPACE}", "", 'x="y"',
]  # fmt: skip
PRINCIPALS = [
    ADA, "*", "*@example.com", "?da@example.com", "!ada@*,*", "*,!ada@example.com", "grace@example.com", f'"{ADA}"',
    "Ada@example.com", f"grace@example.com,{ADA}", ",", f",{ADA}", "[a]da@example.com", "ada*",
]  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    principals=strategies.sampled_from(PRINCIPALS),
    options=strategies.lists(strategies.sampled_from(PIECES), max_size=3).map(",".join),
    separator=strategies.sampled_from([" ", "\t", "  "]),
    ending=strategies.sampled_from(["\n", "\r\n", "", " a comment\n"]),
)
def test_both_read_a_line_in_the_same_way(
    keys: Path, key: SigningKey, tmp_path: Path, principals: str, options: str, separator: str, ending: str
) -> None:
    signature = sign_fingerprint(FINGERPRINT, key)
    fields = [principals, *([options] if options else []), *(keys / "ed25519.pub").read_text().split()[:2]]
    signers = tmp_path / "allowed_signers"
    signers.write_bytes((separator.join(fields) + ending).encode())
    is_accepted = ssh_accepts(signers, signature)
    try:
        report = judge(signers, signature)
    except InvalidAllowedSigners:
        # Read more strictly than ssh-keygen does in one way only, which the next test names.
        assert not is_accepted or ",," in options or options.startswith(",")
    else:
        assert (report.status == "trusted") is is_accepted


@pytest.mark.parametrize(
    ("line", "is_accepted"),
    [
        ('{ada} ,namespaces="*" {key}\n', True),
        ('{ada} valid-before="20270230" {key}\n', True),
        ("nonsense\n{ada} {key}\n", True),
    ],
    ids=["empty option", "30 February", "wrong line of somebody else"],
)
def test_what_ssh_keygen_passes_over_is_refused_here(
    keys: Path, key: SigningKey, tmp_path: Path, line: str, is_accepted: bool
) -> None:
    public = " ".join((keys / "ed25519.pub").read_text().split()[:2])
    signers = tmp_path / "allowed_signers"
    signers.write_text(line.format(ada=ADA, key=public))
    assert ssh_accepts(signers, sign_fingerprint(FINGERPRINT, key)) is is_accepted
    with pytest.raises(InvalidAllowedSigners):
        judge(signers, sign_fingerprint(FINGERPRINT, key))
