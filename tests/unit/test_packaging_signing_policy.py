"""What a policy asks of a package's signatures, and what is said of each signature."""

from __future__ import annotations

import sys
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloacina.errors import (
    ExpiredSigner,
    InvalidAllowedSigners,
    InvalidOption,
    InvalidSignature,
    PackageNotSigned,
    SignatureError,
    SigningUnavailable,
    UnknownSigner,
)
from cloacina.packaging.signing import (
    ALLOWED_SIGNERS_VARIABLE,
    POLICY_VARIABLE,
    SignaturePolicy,
    SignatureReport,
    SignatureSettings,
    SigningKey,
    check_signatures,
    report_signatures,
    sign_fingerprint,
)
from cloacina.packaging.signing.public_key import parse_public_key
from cloacina.packaging.signing.wire import wire_string

FINGERPRINT = "0123456789abcdef" * 4
NOW = datetime(2026, 6, 1, tzinfo=UTC)
OFF, WARN, REQUIRE = SignaturePolicy


def make_key(seed: int) -> SigningKey:
    secret = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    blob = wire_string(b"ssh-ed25519") + wire_string(secret.public_key().public_bytes_raw())
    return SigningKey(parse_public_key(blob), secret)


ADA, GRACE = make_key(1), make_key(2)


def signature(key: SigningKey = ADA, fingerprint: str = FINGERPRINT) -> tuple[str, bytes]:
    return f"signatures/{key.public.file_name}", sign_fingerprint(fingerprint, key).encode()


def line(principals: str, key: SigningKey = ADA, options: str = "") -> str:
    return f"{principals} {options} ssh-ed25519 {b64encode(key.public.blob).decode()}\n"


@pytest.fixture
def signers(tmp_path: Path) -> Path:
    return tmp_path / "allowed_signers"


def judge(
    signers: Path | None, *signatures: tuple[str, bytes], policy: SignaturePolicy = REQUIRE, signer: str | None = None
) -> tuple[SignatureReport, ...]:
    return check_signatures(FINGERPRINT, signatures, policy=policy, allowed_signers=signers, signer=signer, now=NOW)


def test_an_allowed_signer_is_trusted(signers: Path) -> None:
    signers.write_text("# ours\n" + line("ada@example.com"))
    (report,) = judge(signers, signature())
    assert report == SignatureReport(
        file=f"signatures/{ADA.public.file_name}",
        key_type="ssh-ed25519",
        key_fingerprint=ADA.public.fingerprint,
        signer="ada@example.com",
        status="trusted",
        message=f"{signers} names the key in line 2",
        error=None,
    )


@pytest.mark.parametrize(
    ("content", "signer", "error", "message"),
    [
        ("", None, UnknownSigner, "no line of it names the key"),
        (line("grace@example.com", GRACE), None, UnknownSigner, "no line of it names the key"),
        (line("ada@example.com"), "grace@example.com", UnknownSigner, "for ada@example.com, not for grace@example.com"),
        (line("*,!ada@*"), "ada@example.com", UnknownSigner, "not for ada@example.com"),
        (line("ada@example.com", options="cert-authority"), None, UnknownSigner, "as a certificate authority"),
        (
            line("ada@example.com", options='namespaces="git,file"'),
            None,
            UnknownSigner,
            'only for namespaces="git,file", not for cloacina-package',
        ),
        (
            line("ada@example.com", options='valid-before="20260101Z"'),
            None,
            ExpiredSigner,
            "it was valid until 2026-01-01 00:00:00 UTC",
        ),
        (
            line("ada@example.com", options='valid-after="20270101Z"'),
            None,
            ExpiredSigner,
            "it is valid from 2027-01-01 00:00:00 UTC on",
        ),
    ],
    ids=["empty", "other key", "other principal", "refused", "authority", "namespace", "expired", "not yet"],
)
def test_whom_nobody_vouches_for_is_refused_if_required_and_told_if_not(
    signers: Path, content: str, signer: str | None, error: type[SignatureError], message: str
) -> None:
    signers.write_text(content)
    with pytest.raises(error) as raised:
        judge(signers, signature(), signer=signer)
    assert message in raised.value.message
    assert raised.value.message.startswith("The package is signed by ")
    (report,) = judge(signers, signature(), signer=signer, policy=WARN)
    assert message in report.message
    assert report.status == ("expired" if error is ExpiredSigner else "unknown")
    assert isinstance(report.error, error)


@pytest.mark.parametrize("principals", ["ada@example.com", "*@example.com", "grace@example.com,ada@example.com"])
def test_the_signer_that_is_asked_for_is_the_one_that_is_named(signers: Path, principals: str) -> None:
    signers.write_text(line(principals))
    assert judge(signers, signature())[0].signer == principals
    assert judge(signers, signature(), signer="ada@example.com")[0].signer == "ada@example.com"


def test_one_line_that_holds_is_enough(signers: Path) -> None:
    expired, current = 'valid-before="20260101Z"', 'valid-after="20260101Z",namespaces="cloacina-*"'
    signers.write_text(line("old@example.com", options=expired) + line("ada@example.com", options=current))
    assert judge(signers, signature())[0].signer == "ada@example.com"


def test_one_trusted_signature_is_enough(signers: Path) -> None:
    signers.write_text(line("grace@example.com", GRACE))
    assert [report.status for report in judge(signers, signature(), signature(GRACE))] == ["unknown", "trusted"]


def test_of_several_the_one_nearest_to_trust_is_named(signers: Path) -> None:
    signers.write_text(line("grace@example.com", GRACE, 'valid-before="20260101Z"'))
    with pytest.raises(ExpiredSigner, match=r"grace@example\.com"):
        judge(signers, signature(), signature(GRACE))


def test_a_package_without_a_signature_is_refused_only_if_one_is_required(signers: Path) -> None:
    signers.write_text(line("ada@example.com"))
    assert judge(signers, policy=WARN) == judge(signers, policy=OFF) == ()
    with pytest.raises(PackageNotSigned, match="has no signature, and the policy is `require`"):
        judge(signers)
    with pytest.raises(PackageNotSigned):
        judge(None)


def test_to_require_without_saying_whom_to_trust_is_refused() -> None:
    with pytest.raises(InvalidAllowedSigners, match=f"--allowed-signers FILE, or set {ALLOWED_SIGNERS_VARIABLE}"):
        judge(None, signature())


def test_without_a_file_of_allowed_signers_a_warning_says_that_nothing_vouches() -> None:
    (report,) = judge(None, signature(), policy=WARN)
    assert report.status == "unknown"
    assert report.message == "signed by a key that nothing vouches for: there is no file of allowed signers"


@pytest.mark.parametrize("policy", [WARN, REQUIRE])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (signature(fingerprint="f" * 64), "it is not one over this fingerprint"),
        (("signatures/x.sshsig", b"hello"), "expected base64 between"),
    ],
    ids=["other package", "damaged"],
)
def test_a_signature_that_is_not_valid_is_refused_whatever_else_is_there(
    signers: Path, policy: SignaturePolicy, wrong: tuple[str, bytes], message: str
) -> None:
    signers.write_text(line("ada@example.com"))
    with pytest.raises(InvalidSignature) as raised:
        judge(signers, signature(), wrong, policy=policy)
    assert message in raised.value.message
    assert wrong[0] in raised.value.message


def test_off_looks_at_nothing(signers: Path) -> None:
    assert judge(signers, ("signatures/x.sshsig", b"hello"), policy=OFF) == ()


def test_a_file_of_allowed_signers_that_is_missing_or_wrong_is_refused_under_every_policy_that_looks(
    signers: Path,
) -> None:
    for policy in (WARN, REQUIRE):
        with pytest.raises(InvalidAllowedSigners, match="There is no file of allowed signers"):
            judge(signers, signature(), policy=policy)
    signers.write_text("nonsense\n")
    with pytest.raises(InvalidAllowedSigners, match="allowed_signers:1: there is no key"):
        judge(signers, signature(), policy=WARN)


def test_a_report_is_made_of_every_signature(signers: Path) -> None:
    signers.write_text(line("ada@example.com"))
    damaged = ("signatures/x.sshsig", b"hello")
    reports = report_signatures(FINGERPRINT, [signature(), damaged], allowed_signers=signers, now=NOW)
    assert [(report.file, report.status) for report in reports] == [
        (signature()[0], "trusted"),
        (damaged[0], "invalid"),
    ]
    assert reports[1].key_type is reports[1].key_fingerprint is None


def test_without_the_library_a_signature_is_unchecked_and_not_trusted(
    signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers.write_text(line("ada@example.com"))
    made = signature()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    (report,) = judge(signers, made, policy=WARN)
    assert (report.status, report.signer, report.key_fingerprint) == ("unchecked", None, ADA.public.fingerprint)
    with pytest.raises(SigningUnavailable):
        judge(signers, made)
    with pytest.raises(InvalidSignature):
        judge(signers, ("signatures/x.sshsig", b"hello"), policy=WARN)


def test_keys_are_judged_by_the_clock_unless_a_time_is_given(signers: Path) -> None:
    signers.write_text(line("ada@example.com", options='valid-before="20200101Z"'))
    with pytest.raises(ExpiredSigner):
        check_signatures(FINGERPRINT, [signature()], policy=REQUIRE, allowed_signers=signers)
    then = datetime(2019, 1, 1, tzinfo=UTC)
    check_signatures(FINGERPRINT, [signature()], policy=REQUIRE, allowed_signers=signers, now=then)


def test_settings_are_arguments_then_variables_then_defaults() -> None:
    environment = {POLICY_VARIABLE: "require", ALLOWED_SIGNERS_VARIABLE: "team"}
    assert SignatureSettings.read(environment={}) == SignatureSettings(WARN, None)
    assert SignatureSettings.read(environment={POLICY_VARIABLE: ""}) == SignatureSettings(WARN, None)
    assert SignatureSettings.read(environment=environment) == SignatureSettings(REQUIRE, Path("team"))
    assert SignatureSettings.read(OFF, Path("ours"), environment) == SignatureSettings(OFF, Path("ours"))
    with pytest.raises(InvalidOption, match="CLOACINA_SIGNATURE_POLICY is one of off, warn, require; got 'maybe'"):
        SignatureSettings.read(environment={POLICY_VARIABLE: "maybe"})
