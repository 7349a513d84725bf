"""JSON that two programs could read differently is refused, in one short line that nothing in it can spoil."""

from __future__ import annotations

import pytest

from cloacina.errors import InvalidManifest
from cloacina.packaging.manifest.models import parse_manifest, read_document
from cloacina.packaging.manifest.strict_json import MAXIMUM_BYTES, MAXIMUM_DEPTH


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON: Expecting value at line 1, column 1"),
        (b"{", "is not JSON"),
        (b"{}{}", "is not JSON: Extra data at line 1, column 3"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 1,}', "is not JSON"),
        (b'{"a": "\n"}', "is not JSON: Invalid control character"),
        (b"[]", "holds an array; expected a JSON object"),
        (b'"manifest"', 'holds "manifest"; expected a JSON object'),
        (b"null", "holds null"),
        (b"2", "holds 2"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8: byte 0"),
        (b'{"a": "\xc3"}', "is not UTF-8: byte 7"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b'{"a": 1, "b": 2, "a": 3}', 'has the key "a" twice'),
        (b'{"tasks": [{"\\u0061": 1, "a": 3}]}', 'has the key "a" twice'),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": [-Infinity]}', "holds -Infinity"),
        (b'{"a": 1e400}', "holds the number 1e400"),
        (b'{"a": 9007199254740992}', "holds the integer 9007199254740992"),
        (b'{"a": -9007199254740992}', "holds the integer -9007199254740992"),
        (b'{"a": %s}' % (b"9" * 100_000), "holds the integer 9999"),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair"),
        (b'{"\\udc00": 1}', "half of a surrogate pair"),
        (b"[" * 100_000, "levels deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "levels deep"),
        (b'{"a":' * (MAXIMUM_DEPTH + 1) + b"1" + b"}" * (MAXIMUM_DEPTH + 1), "levels deep"),
        (b" " * MAXIMUM_BYTES + b"{}", "and may have 16,777,216"),
    ],
    ids=lambda value: f"{value[:24]!r}, {len(value)} bytes" if isinstance(value, bytes) else "",
)
def test_json_that_readers_understand_differently_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(data)
    assert said in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_limits_are_just_out_of_reach_of_a_valid_document() -> None:
    nested = b'{"a":' * MAXIMUM_DEPTH + b"1" + b"}" * MAXIMUM_DEPTH
    assert read_document(nested)
    assert read_document(b'{"a": [9007199254740991, -9007199254740991, 1e308, -0.0, "\\ud83d\\ude00"]}')
