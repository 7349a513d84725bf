from cloacina.packaging.signing import check_signatures

# Ada has signed a package whose fingerprint is 0123456789abcdef…
SIGNATURE = b"""\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgvr250pWxM5dKvS2LincQn85+uw
UvQFJbFgvFObLrfhwAAAAQY2xvYWNpbmEtcGFja2FnZQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAECYaGFeYqKFQm/3Ad2KkrBmD+KFVrxDrxi0CzdkQqR2UejZlU
1cUP8mB6zbZkyCtG5uTAZobXUI80oyJ0FWxp4E
-----END SSH SIGNATURE-----
"""

# This package has another one.
check_signatures("f" * 64, [("signatures/ada.sshsig", SIGNATURE)])
