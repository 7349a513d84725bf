from pathlib import Path

from cloacina.packaging.signing import SignaturePolicy, check_signatures

FINGERPRINT = "0123456789abcdef" * 4
SIGNATURE = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgvr250pWxM5dKvS2LincQn85+uw
UvQFJbFgvFObLrfhwAAAAQY2xvYWNpbmEtcGFja2FnZQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAECYaGFeYqKFQm/3Ad2KkrBmD+KFVrxDrxi0CzdkQqR2UejZlU
1cUP8mB6zbZkyCtG5uTAZobXUI80oyJ0FWxp4E
-----END SSH SIGNATURE-----
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL69udKVsTOXSr0ti4p3EJ/OfrsFL0BSWxYLxTmy634c"

Path("allowed_signers").write_text(f'ada@example.com valid-before="20260101Z" {KEY}\n')
check_signatures(
    FINGERPRINT,
    [("signatures/ada.sshsig", SIGNATURE)],
    policy=SignaturePolicy.REQUIRE,
    allowed_signers=Path("allowed_signers"),
)
