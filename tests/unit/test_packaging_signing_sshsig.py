"""SSH signatures are written as ssh-keygen writes them, and only what is exactly right is read."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import cache
from itertools import count

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, strategies

from cloacina.errors import SigningUnavailable
from cloacina.packaging.signing.public_key import UnsupportedKey, is_signed_by, parse_public_key
from cloacina.packaging.signing.sshsig import (
    LARGEST,
    check_signature,
    message_of,
    normalize_signature,
    parse_signature,
    render_signature,
    signed_data,
)
from cloacina.packaging.signing.wire import WireError, WireReader, wire_number, wire_string

# A public key, and what signs with its private half.
Signer = tuple[bytes, Callable[[bytes], bytes]]

FINGERPRINT = "0123456789abcdef" * 4
MESSAGE = message_of(FINGERPRINT)
# The private key is bytes(range(32)); ssh-keygen of OpenSSH 9.2 signed the fingerprint and a line end with it.
GOLDEN = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgA6EHv/POEL4dcN0Y50vAmWfk1j
CbpQ1fHdyGZBJVMbgAAAAQY2xvYWNpbmEtcGFja2FnZQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAEAt5981DlkBZXX4KE76W4BTMir4QrxoalH+4XtXP2kkgozT5b
V9tPHNgPrSm8VSf2AiKiLuM6eMGHysx0cByfwK
-----END SSH SIGNATURE-----
"""
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = wire_string(b"ssh-ed25519") + wire_string(SECRET.public_key().public_bytes_raw())


def strings(*values: bytes) -> bytes:
    return b"".join(map(wire_string, values))


def sign(data: bytes) -> bytes:
    return strings(b"ssh-ed25519", SECRET.sign(data))


def armor(blob: bytes) -> bytes:
    return b"-----BEGIN SSH SIGNATURE-----\n" + b64encode(blob) + b"\n-----END SSH SIGNATURE-----\n"


def blob(
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    key: bytes = KEY,
    namespace: bytes = b"cloacina-package",
    reserved: bytes = b"",
    digest: bytes = b"sha512",
    signature: bytes | None = None,
    trailing: bytes = b"",
) -> bytes:
    if signature is None:
        signature = sign(signed_data(MESSAGE))
    return magic + wire_number(version) + strings(key, namespace, reserved, digest, signature) + trailing


def check(data: bytes, message: bytes = MESSAGE) -> None:
    check_signature(parse_signature(data), message)


def test_a_signature_is_the_bytes_that_ssh_keygen_writes() -> None:
    assert render_signature(KEY, sign(signed_data(MESSAGE))) == GOLDEN


def test_the_signature_of_ssh_keygen_is_accepted() -> None:
    signature = parse_signature(GOLDEN.encode())
    check_signature(signature, MESSAGE)
    assert signature.key.kind == "ssh-ed25519"
    assert signature.key.fingerprint == "SHA256:" + b64encode(hashlib.sha256(KEY).digest()).decode().rstrip("=")
    assert signature.key.file_name == hashlib.sha256(KEY).hexdigest()[:16] + ".sshsig"


def test_windows_line_ends_are_read_and_not_kept() -> None:
    assert normalize_signature(parse_signature(GOLDEN.replace("\n", "\r\n").encode())) == GOLDEN


def test_sha256_is_accepted() -> None:
    check(armor(blob(digest=b"sha256", signature=sign(signed_data(MESSAGE, digest="sha256")))))


def test_the_hash_that_is_named_is_the_one_that_counts() -> None:
    with pytest.raises(WireError, match="not one over this fingerprint"):
        check(armor(blob(digest=b"sha256")))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"magic": b"SSHSIX"}, "does not begin with SSHSIG"),
        ({"version": 0}, "version is 0; expected 1"),
        ({"version": 2}, "version is 2; expected 1"),
        ({"namespace": b"file"}, "in the namespace 'file'; expected 'cloacina-package'"),
        ({"namespace": b""}, "in the namespace ''"),
        ({"namespace": b"cloacina-package\0"}, "not plain ASCII"),
        ({"reserved": b"x"}, "reserved field is not empty"),
        ({"digest": b"sha1"}, "hash is 'sha1'; expected sha512 or sha256"),
        ({"trailing": b"\0"}, "1 bytes follow its end"),
        ({"signature": strings(b"ssh-ed25519", b"\1" * 63)}, "64 bytes, this one 63"),
        ({"signature": strings(b"ssh-ed25519", b"\1" * 64)}, "not one over this fingerprint"),
        ({"signature": strings(b"ssh-ed25519", b"\1" * 64) + b"\0"}, "1 bytes follow"),
        ({"signature": strings(b"rsa-sha2-512", b"\1" * 64)}, "a key of type ssh-ed25519 signs with ssh-ed25519"),
        ({"signature": b""}, "breaks off"),
        ({"key": b""}, "breaks off"),
        ({"key": KEY + b"\0"}, "1 bytes follow"),
        ({"key": strings(b"ssh-ed25519", b"\1" * 31)}, "32 bytes, this one 31"),
        ({"key": strings(b"ssh-dss", b"\1")}, "type 'ssh-dss' is not supported"),
        ({"key": strings(b"ssh-ed25519-cert-v01@openssh.com", b"\1")}, "a certificate"),
        ({"key": strings(b"ssh-rsa", b"\3", b"\0" + b"\xff" * 128)}, "RSA key of 1024 bits; expected 2048 to 16384"),
        ({"key": strings(b"ssh-rsa", b"\3", b"\0" + b"\xff" * 2049)}, "RSA key of 16392 bits"),
        ({"key": strings(b"ssh-rsa", b"\3", b"\xff" * 256)}, "not above zero"),
        ({"key": strings(b"ssh-rsa", b"\0\0\3", b"\0" + b"\xff" * 256)}, "leading zeros"),
        ({"key": strings(b"ecdsa-sha2-nistp256", b"nistp384", b"\4" + b"\1" * 64)}, "is on the curve nistp256"),
        ({"key": strings(b"ecdsa-sha2-nistp256", b"nistp256", b"\2" + b"\1" * 32)}, "no uncompressed point"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_field_that_is_not_right_is_refused(fields: dict[str, bytes], message: str) -> None:
    with pytest.raises(WireError, match=message):
        check(armor(blob(**fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected base64 between"),
        ("\n" + GOLDEN, "expected base64 between"),
        (GOLDEN + "more", "expected base64 between"),
        (GOLDEN + GOLDEN, "expected base64 between"),
        (GOLDEN.replace("SSH SIGNATURE", "PGP SIGNATURE"), "expected base64 between"),
        (GOLDEN.replace("U1NI", "U1N!"), "expected base64 between"),
        (GOLDEN.replace("U1NI", "=1NI"), "base64 is damaged"),
        (GOLDEN.replace("fwK\n", "fw\n"), "base64 is damaged"),
        (GOLDEN.replace("U1NIU0lH", ""), "does not begin with SSHSIG"),
        (GOLDEN.replace("\n", "\n" * LARGEST), "no signature needs"),
    ],
    ids=range(10),
)
def test_a_text_that_is_not_right_is_refused(text: str, message: str) -> None:
    with pytest.raises(WireError, match=message):
        check(text.encode())


def test_another_fingerprint_is_refused() -> None:
    with pytest.raises(WireError, match="not one over this fingerprint"):
        check(GOLDEN.encode(), message_of(FINGERPRINT.replace("0", "1")))


def test_the_fingerprint_without_its_line_end_is_another_message() -> None:
    with pytest.raises(WireError, match="not one over this fingerprint"):
        check(GOLDEN.encode(), FINGERPRINT.encode())


@given(strategies.integers(0, len(blob()) * 8 - 1))
def test_no_bit_of_a_signature_can_be_changed(bit: int) -> None:
    changed = bytearray(blob())
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        check(armor(bytes(changed)))


@given(strategies.integers(0, len(blob()) - 1))
def test_no_signature_breaks_off_anywhere(size: int) -> None:
    with pytest.raises(WireError):
        check(armor(blob()[:size]))


@given(strategies.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_is_raised(noise: bytes) -> None:
    for data in (noise, armor(noise), armor(b"SSHSIG" + wire_number(1) + noise), armor(blob(key=noise))):
        with pytest.raises(WireError):
            check(data)
    with pytest.raises(WireError):
        check(armor(blob(signature=noise)))


@given(strategies.lists(strategies.binary(max_size=40), max_size=5))
def test_strings_are_read_as_they_were_written(values: list[bytes]) -> None:
    reader = WireReader(strings(*values))
    assert [reader.string() for _ in values] == values
    reader.end()


@cache
def rsa_secret() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


def rsa_signer(algorithm: bytes) -> Signer:
    secret = rsa_secret()
    numbers = secret.public_key().public_numbers()
    digest = hashes.SHA512() if algorithm == b"rsa-sha2-512" else hashes.SHA256()
    key = strings(b"ssh-rsa", integer(numbers.e), integer(numbers.n))

    def sign_data(data: bytes) -> bytes:
        return strings(algorithm, secret.sign(data, padding.PKCS1v15(), digest))

    return key, sign_data


def elliptic_signer(bits: int, *, is_token: bool = False) -> Signer:
    curve, digest = {
        256: (ec.SECP256R1(), hashes.SHA256()),
        384: (ec.SECP384R1(), hashes.SHA384()),
        521: (ec.SECP521R1(), hashes.SHA512()),
    }[bits]
    secret = ec.generate_private_key(curve)
    kind = b"sk-ecdsa-sha2-nistp256@openssh.com" if is_token else b"ecdsa-sha2-nistp%d" % bits
    point = secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = strings(kind, b"nistp%d" % bits, point)

    def sign_data(data: bytes) -> bytes:
        value = decode_dss_signature(secret.sign(data, ec.ECDSA(digest)))
        return strings(kind, strings(*map(integer, value)))

    return key, sign_data


def ed25519_token() -> Signer:
    kind = b"sk-ssh-ed25519@openssh.com"
    return strings(kind, SECRET.public_key().public_bytes_raw()), lambda data: strings(kind, SECRET.sign(data))


def integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def touched(signer: Signer, *, flags: int = 1, said: int | None = None) -> Signer:
    """Make of a signer the security token that would hold its key."""
    key, sign_data = signer
    tail = bytes([flags]) + wire_number(7)

    def sign_as_token(data: bytes) -> bytes:
        signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(data).digest()
        return sign_data(signed) + (tail if said is None else bytes([said]) + wire_number(7))

    return key + wire_string(b"ssh:"), sign_as_token


@pytest.mark.parametrize(
    "make_signer",
    [
        lambda: rsa_signer(b"rsa-sha2-512"),
        lambda: rsa_signer(b"rsa-sha2-256"),
        lambda: elliptic_signer(256),
        lambda: elliptic_signer(384),
        lambda: elliptic_signer(521),
        lambda: touched(ed25519_token()),
        lambda: touched(elliptic_signer(256, is_token=True)),
    ],
    ids=["rsa-512", "rsa-256", "nistp256", "nistp384", "nistp521", "sk-ed25519", "sk-ecdsa"],
)
def test_the_signatures_of_other_keys_are_checked(make_signer: Callable[[], Signer]) -> None:
    key, sign_data = make_signer()
    signature = parse_signature(render_signature(key, sign_data(signed_data(MESSAGE))).encode())
    check_signature(signature, MESSAGE)
    with pytest.raises(WireError, match="not one over this fingerprint"):
        check_signature(signature, MESSAGE + b" ")


@pytest.mark.parametrize(
    ("make_signer", "message"),
    [
        (lambda: rsa_signer(b"ssh-rsa"), "its algorithm is 'ssh-rsa'; .* rsa-sha2-512 or rsa-sha2-256"),
        (lambda: touched(ed25519_token(), flags=0), "was not touched"),
        (lambda: touched(ed25519_token(), flags=0, said=1), "not one over this fingerprint"),
    ],
    ids=["SHA-1", "untouched", "said to be touched"],
)
def test_weak_signatures_of_other_keys_are_refused(make_signer: Callable[[], Signer], message: str) -> None:
    key, sign_data = make_signer()
    with pytest.raises(WireError, match=message):
        check(render_signature(key, sign_data(signed_data(MESSAGE))).encode())


def test_an_rsa_signature_longer_than_its_key_is_refused() -> None:
    key, sign_data = rsa_signer(b"rsa-sha2-512")
    reader = WireReader(sign_data(b"data"))
    longer = strings(reader.string(), b"\0" + reader.string())
    with pytest.raises(WireError, match="256 bytes, this one 257"):
        is_signed_by(parse_public_key(key), longer, b"data")


def test_an_rsa_signature_may_lack_its_leading_zeros() -> None:
    key, _ = rsa_signer(b"rsa-sha2-512")
    signed = (
        (data, rsa_secret().sign(data, padding.PKCS1v15(), hashes.SHA512())) for data in map(wire_number, count())
    )
    data, value = next((data, value) for data, value in signed if value[0] == 0)
    assert is_signed_by(parse_public_key(key), strings(b"rsa-sha2-512", value[1:]), data)


def test_a_point_off_the_curve_is_refused() -> None:
    key = parse_public_key(strings(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + b"\1" * 64))
    with pytest.raises(WireError, match="no point of the curve"):
        is_signed_by(key, strings(b"ecdsa-sha2-nistp256", strings(b"\1", b"\1")), b"data")


def test_an_unsupported_key_is_told_from_a_damaged_one() -> None:
    with pytest.raises(UnsupportedKey):
        parse_public_key(strings(b"ssh-dss", b"\1"))
    with pytest.raises(WireError) as damaged:
        parse_public_key(KEY[:-1])
    assert not isinstance(damaged.value, UnsupportedKey)


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    signature = parse_signature(GOLDEN.encode())
    with pytest.raises(SigningUnavailable, match=r"pip install 'cloacina\[signing\]'"):
        check_signature(signature, MESSAGE)


def test_the_columns_are_those_of_ssh_keygen() -> None:
    key, sign_data = rsa_signer(b"rsa-sha2-512")
    lines = render_signature(key, sign_data(b"data")).splitlines()
    assert {len(line) for line in lines[1:-2]} == {70}
    assert 0 < len(lines[-2]) <= 70
    assert b64decode("".join(lines[1:-1])).startswith(b"SSHSIG")
