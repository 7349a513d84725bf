"""Signatures of packages: SSH signatures over the fingerprint, and a file that says whose keys are trusted.

`ssh-keygen` checks what is signed here, and what it signs is accepted here. Reading and judging needs the standard
library only; making and computing a signature needs the extra `cloacina[signing]`.
"""

from __future__ import annotations

from cloacina.packaging.signing.allowed_signers import AllowedSigner, parse_allowed_signers, read_allowed_signers
from cloacina.packaging.signing.attach import attach_signature, sign_package, signatures_of
from cloacina.packaging.signing.keys import PASSPHRASE_VARIABLE, SigningKey, load_private_key, sign_fingerprint
from cloacina.packaging.signing.policy import (
    ALLOWED_SIGNERS_VARIABLE,
    POLICY_VARIABLE,
    SignaturePolicy,
    SignatureReport,
    SignatureSettings,
    SignatureStatus,
    check_signatures,
    refusal,
    report_signatures,
)
from cloacina.packaging.signing.public_key import PublicKey
from cloacina.packaging.signing.sshsig import NAMESPACE

__all__ = [
    "ALLOWED_SIGNERS_VARIABLE",
    "NAMESPACE",
    "PASSPHRASE_VARIABLE",
    "POLICY_VARIABLE",
    "AllowedSigner",
    "PublicKey",
    "SignaturePolicy",
    "SignatureReport",
    "SignatureSettings",
    "SignatureStatus",
    "SigningKey",
    "attach_signature",
    "check_signatures",
    "load_private_key",
    "parse_allowed_signers",
    "read_allowed_signers",
    "refusal",
    "report_signatures",
    "sign_fingerprint",
    "sign_package",
    "signatures_of",
]
