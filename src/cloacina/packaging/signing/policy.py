"""Whether the signatures of a package are enough: who made them, who vouches for that, and what the policy asks for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

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
from cloacina.packaging.signing.allowed_signers import AllowedSigner, read_allowed_signers
from cloacina.packaging.signing.sshsig import check_signature, message_of, parse_signature
from cloacina.packaging.signing.wire import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloacina.packaging.signing.public_key import PublicKey

POLICY_VARIABLE = "CLOACINA_SIGNATURE_POLICY"
ALLOWED_SIGNERS_VARIABLE = "CLOACINA_ALLOWED_SIGNERS"

SignatureStatus: TypeAlias = Literal["trusted", "unknown", "expired", "invalid", "unchecked"]


class SignaturePolicy(StrEnum):
    """What is asked of a package's signatures."""

    OFF = "off"
    """Signatures are not looked at."""

    WARN = "warn"
    """A signature that is not valid is refused; that there is none, or that nobody vouches for it, is only said."""

    REQUIRE = "require"
    """At least one signature of an allowed signer, and none that is not valid."""


@dataclass(frozen=True, slots=True)
class SignatureSettings:
    """The policy in force, and the file that says whom to trust.

    Attributes:
        policy: What is asked for (`CLOACINA_SIGNATURE_POLICY`; by default `warn`).
        allowed_signers: The file of allowed signers (`CLOACINA_ALLOWED_SIGNERS`); None if there is none.
    """

    policy: SignaturePolicy
    allowed_signers: Path | None

    @classmethod
    def read(
        cls,
        policy: SignaturePolicy | None = None,
        allowed_signers: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> SignatureSettings:
        """Return each argument that is not None, or what its variable says, or its default.

        Raises:
            InvalidOption: The variable of the policy holds none.
        """
        if policy is None:
            text = environment.get(POLICY_VARIABLE) or SignaturePolicy.WARN
            try:
                policy = SignaturePolicy(text)
            except ValueError:
                known = ", ".join(SignaturePolicy)
                raise InvalidOption(f"{POLICY_VARIABLE} is one of {known}; got {text!r}") from None
        if allowed_signers is None and (path := environment.get(ALLOWED_SIGNERS_VARIABLE)):
            allowed_signers = Path(path)
        return cls(policy, allowed_signers)


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What is known of one signature.

    Attributes:
        file: Its file in the package.
        key_type: The type of its key, such as `ssh-ed25519`; None where the signature cannot be read.
        key_fingerprint: `SHA256:…`, as `ssh-keygen -l` shows it; None where the signature cannot be read.
        signer: The principal that the file of allowed signers gives for the key, where there is one.
        status: `trusted`; `unknown`, valid but nobody vouches for the key; `expired`, valid but outside of the time in
            which the key is allowed; `invalid`; or `unchecked`, because the library for it is not installed.
        message: Why, in a few words.
        error: What `require` raises for it; None if it is trusted.
    """

    file: str
    key_type: str | None
    key_fingerprint: str | None
    signer: str | None
    status: SignatureStatus
    message: str
    error: SignatureError | None


def check_signatures(
    fingerprint: str,
    signatures: Iterable[tuple[str, bytes]],
    *,
    policy: SignaturePolicy = SignaturePolicy.WARN,
    allowed_signers: Path | None = None,
    signer: str | None = None,
    now: datetime | None = None,
) -> tuple[SignatureReport, ...]:
    """Make sure that the signatures of a package are what a policy asks for.

    Args:
        fingerprint: The package's fingerprint, 64 hexadecimal digits.
        signatures: The names and the content of the package's signature files.
        policy: What is asked for.
        allowed_signers: The file that says whose keys are trusted.
        signer: The principal that must have signed; by default any in the file.
        now: The time at which keys must be valid; by default the current time.

    Returns:
        What is known of each signature; nothing if the policy is `off`.

    Raises:
        InvalidSignature: A signature is damaged, or is not one over the fingerprint.
        PackageNotSigned: The policy is `require`, and there is no signature.
        UnknownSigner: The policy is `require`, and no signature is by an allowed signer.
        ExpiredSigner: The same, and a key would be allowed at another time.
        InvalidAllowedSigners: The file of allowed signers is missing or wrong.
        SigningUnavailable: The policy is `require`, and the library that checks signatures is not installed.
    """
    if policy is SignaturePolicy.OFF:
        return ()
    reports = report_signatures(fingerprint, signatures, allowed_signers=allowed_signers, signer=signer, now=now)
    if error := refusal(reports, policy, allowed_signers=allowed_signers):
        raise error
    return reports


def report_signatures(
    fingerprint: str,
    signatures: Iterable[tuple[str, bytes]],
    *,
    allowed_signers: Path | None = None,
    signer: str | None = None,
    now: datetime | None = None,
) -> tuple[SignatureReport, ...]:
    """Return what is known of each signature, whatever it is; the arguments are those of `check_signatures`.

    Raises:
        InvalidAllowedSigners: The file of allowed signers is missing or wrong.
    """
    trust = _Trust.read(allowed_signers, signer, now)
    return tuple(_report(fingerprint, file, data, trust) for file, data in signatures)


def refusal(
    reports: tuple[SignatureReport, ...], policy: SignaturePolicy, *, allowed_signers: Path | None = None
) -> SignatureError | None:
    """Return why signatures are not what a policy asks for, or None if they are.

    Args:
        reports: What is known of them, from `report_signatures`.
        policy: What is asked for.
        allowed_signers: The file that the reports are based on.
    """
    if policy is SignaturePolicy.OFF:
        return None
    invalid = next((report.error for report in reports if report.status == "invalid"), None)
    if invalid is not None or policy is SignaturePolicy.WARN:
        return invalid
    if not reports:
        return PackageNotSigned(
            "The package has no signature, and the policy is `require`; ask for a signed one, "
            "or sign it with `cloacina sign` once you trust it."
        )
    if any(report.status == "trusted" for report in reports):
        return None
    if allowed_signers is None:
        return InvalidAllowedSigners(
            "The policy is `require`, and there is no file of allowed signers that says whose signatures count; "
            f"pass --allowed-signers FILE, or set {ALLOWED_SIGNERS_VARIABLE}."
        )
    # The nearest to being trusted says most.
    nearest = sorted(reports, key=lambda report: ("unchecked", "expired", "unknown").index(report.status))
    return nearest[0].error


@dataclass(frozen=True, slots=True)
class _Trust:
    """Whom to trust, and when."""

    source: str | None
    signers: tuple[AllowedSigner, ...]
    signer: str | None
    now: datetime

    @classmethod
    def read(cls, path: Path | None, signer: str | None, now: datetime | None) -> _Trust:
        signers = () if path is None else read_allowed_signers(path)
        return cls(None if path is None else str(path), signers, signer, now or datetime.now(UTC))


def _report(fingerprint: str, file: str, data: bytes, trust: _Trust) -> SignatureReport:
    try:
        signature = parse_signature(data)
    except WireError as error:
        return _invalid(file, None, str(error))
    key = signature.key
    try:
        check_signature(signature, message_of(fingerprint))
    except WireError as error:
        return _invalid(file, key, str(error))
    except SigningUnavailable as error:
        message = "it was not checked, as the library for it is not installed: pip install 'cloacina[signing]'"
        return SignatureReport(file, key.kind, key.fingerprint, None, "unchecked", message, error)
    return _judge(file, key, trust)


def _invalid(file: str, key: PublicKey | None, why: str) -> SignatureReport:
    by = "" if key is None else f" by {key.kind} {key.fingerprint}"
    error = InvalidSignature(
        f"The signature {file}{by} is not valid: {why}. Don't use the package; get it again from who signed it."
    )
    kind, key_fingerprint = (None, None) if key is None else (key.kind, key.fingerprint)
    return SignatureReport(file, kind, key_fingerprint, None, "invalid", why, error)


def _judge(file: str, key: PublicKey, trust: _Trust) -> SignatureReport:
    """Say whether somebody vouches for the key of a valid signature."""
    if trust.source is None:
        return _unknown(file, key, "signed by a key that nothing vouches for: there is no file of allowed signers")
    lines = [line for line in trust.signers if line.key_blob == key.blob]
    reasons: list[str] = []
    expired: tuple[AllowedSigner, str] | None = None
    for line in lines:
        if why := _why_not(line, trust):
            reasons.append(f"line {line.line} names the key, but {why}")
        elif why := line.why_not_at(trust.now):
            expired = expired or (line, why)
        else:
            name = trust.signer or line.principals
            message = f"{trust.source} names the key in line {line.line}"
            return SignatureReport(file, key.kind, key.fingerprint, name, "trusted", message, None)
    if expired is not None:
        return _expired(file, key, trust, *expired)
    why = "; ".join(reasons) or "no line of it names the key"
    return _unknown(file, key, f"signed by a key that {trust.source} does not vouch for: {why}")


def _why_not(line: AllowedSigner, trust: _Trust) -> str | None:
    if line.is_authority:
        return "as a certificate authority, and certificates are not used"
    if trust.signer is not None and not line.is_named(trust.signer):
        return f"for {line.principals}, not for {trust.signer}"
    if not line.may_sign_packages():
        return f'only for namespaces="{line.namespaces}", not for cloacina-package'
    return None


def _unknown(file: str, key: PublicKey, message: str) -> SignatureReport:
    error = UnknownSigner(
        f"The package is {message}. The key is {key.kind} {key.fingerprint}; once you have made sure whose it is, "
        "add its line to the file of allowed signers."
    )
    return SignatureReport(file, key.kind, key.fingerprint, None, "unknown", message, error)


def _expired(file: str, key: PublicKey, trust: _Trust, line: AllowedSigner, why: str) -> SignatureReport:
    name = trust.signer or line.principals
    message = f"{trust.source} names the key in line {line.line}, but {why}"
    error = ExpiredSigner(
        f"The package is signed by {name}, whose key is not valid now: {message}. "
        "Have the package signed with a current key, or correct the line."
    )
    return SignatureReport(file, key.kind, key.fingerprint, name, "expired", message, error)
