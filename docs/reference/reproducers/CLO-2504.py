from cloacina.packaging.signing import SignaturePolicy, check_signatures

fingerprint = "0123456789abcdef" * 4
check_signatures(fingerprint, [], policy=SignaturePolicy.REQUIRE)
