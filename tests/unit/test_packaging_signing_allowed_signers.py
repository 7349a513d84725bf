"""The file of allowed signers: what its lines mean, and that each wrong line is named."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies

from cloacina.errors import InvalidAllowedSigners
from cloacina.packaging.signing import AllowedSigner, parse_allowed_signers, read_allowed_signers
from cloacina.packaging.signing.patterns import matches, matches_list
from cloacina.packaging.signing.wire import wire_string

BLOB = wire_string(b"ssh-ed25519") + wire_string(b"\1" * 32)
KEY = f"ssh-ed25519 {b64encode(BLOB).decode()}"


def parse(line: str) -> AllowedSigner:
    (signer,) = parse_allowed_signers(line)
    return signer


@pytest.mark.parametrize(
    "line",
    [
        f"you@example.com {KEY}",
        f"you@example.com {KEY} a comment",
        f"  you@example.com\t \t{KEY}  ",
        f"you@example.com {KEY}\r",
        f'"you@example.com" {KEY}',
    ],
)
def test_a_line_names_a_key_and_whose_it_is(line: str) -> None:
    assert parse(line) == AllowedSigner(1, "you@example.com", BLOB)


def test_comments_and_blank_lines_are_passed_over_and_counted() -> None:
    text = f"# a comment\n\n   \n  # another\na@example.com {KEY}\n\t\nb@example.com {KEY}"
    assert [(line.line, line.principals) for line in parse_allowed_signers(text)] == [
        (5, "a@example.com"),
        (7, "b@example.com"),
    ]


@pytest.mark.parametrize("separator", ["\v", "\f", "\x1c", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_line(separator: str) -> None:
    comment = f"# a comment{separator}intruder@example.com {KEY}"
    assert parse_allowed_signers(comment) == ()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("cert-authority", {"is_authority": True}),
        ("Cert-Authority", {"is_authority": True}),
        ('namespaces="cloacina-package"', {"namespaces": "cloacina-package"}),
        ('namespaces="git, file"', {"namespaces": "git, file"}),
        (r'namespaces="a\"b"', {"namespaces": 'a"b'}),
        (r'namespaces="a\b"', {"namespaces": r"a\b"}),
        ('NAMESPACES=""', {"namespaces": ""}),
        ('valid-after="20260102Z"', {"valid_after": 1767312000}),
        ('valid-before="202601020304Z"', {"valid_before": 1767323040}),
        ('valid-before="20260102030405z"', {"valid_before": 1767323045}),
        ('valid-before="20260102UTC"', {"valid_before": 1767312000}),
        (
            'valid-after="20260102Z",namespaces="x",valid-before="20260103Z"',
            {"valid_after": 1767312000, "namespaces": "x", "valid_before": 1767398400},
        ),
    ],
)
def test_options_say_when_and_for_what_a_key_is_allowed(options: str, expected: dict[str, object]) -> None:
    assert parse(f"you@example.com {options} {KEY}") == AllowedSigner(1, "you@example.com", BLOB, **expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("you@example.com", "there is no key"),
        ("you@example.com ssh-ed25519", "there is no key"),
        ("you@example.com cert-authority", "there is no key"),
        (KEY, "there are no principals in front of its key"),
        (f'"you@example.com {KEY}', "the quotes around its principals are not closed"),
        (f'you"@example.com {KEY}', "there is a quote within its principals"),
        (f"you@example.com\0 {KEY}", "it holds a control character"),
        (f"you@example.com verify-required {KEY}", "its option 'verify-required' is unknown; known are cert-auth"),
        (
            f"you@example.com valid-before=20260101 {KEY}",
            'its option valid-before takes a value in quotes: valid-before="…"',
        ),
        (f"you@example.com namespaces {KEY}", 'its option namespaces takes a value in quotes: namespaces="…"'),
        (f'you@example.com cert-authority="" {KEY}', "its option cert-authority takes no value"),
        (f'you@example.com namespaces="a {KEY}', "the quotes of one of its options are not closed"),
        (f'you@example.com namespaces="a\\" {KEY}', "the quotes of one of its options are not closed"),
        (f'you@example.com namespaces="a"b {KEY}', "its options cannot be read at 'b'"),
        (f'you@example.com namespaces="a", {KEY}', "its options cannot be read at ','"),
        (f'you@example.com namespaces="a",,cert-authority {KEY}', "its options cannot be read at ',cert"),
        (f'you@example.com namespaces="a",namespaces="b" {KEY}', "its option namespaces is given twice"),
        (
            f'you@example.com valid-after="20260102Z",valid-before="20260102Z" {KEY}',
            "valid-before is not later than valid-after",
        ),
        ("you@example.com ssh-ed25519 AAAA!", "its key is not base64"),
        ("you@example.com ssh-ed25519 AAAA", "its key is damaged: it breaks off"),
        (f"you@example.com ssh-ed25519 {KEY.split()[1][:-4]}", "its key is damaged: it breaks off"),
        (f"you@example.com ssh-rsa {KEY.split()[1]}", "its key is not of the type ssh-rsa"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(InvalidAllowedSigners) as raised:
        parse_allowed_signers(f"# ours\n{line}\n", "team")
    assert raised.value.message.startswith(f"team:2: {message}")
    assert raised.value.message.endswith("such as: you@example.com ssh-ed25519 AAAA…")


@pytest.mark.parametrize(
    "time_text",
    ["2026", "2026010", "20261301", "20260230", "202601012400", "20260101000060", "19700101Z", "19691231Z", " 2026010",
     "20260101 ", "+2026010", "٢٠٢٦٠١٠١", "", "20260101ZZ", "2026-01-01"],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(time_text: str) -> None:
    with pytest.raises(InvalidAllowedSigners, match=r"valid-before is .* which is no time from 1970 on"):
        parse(f'you@example.com valid-before="{time_text}" {KEY}')


def test_a_key_that_no_package_is_signed_with_does_no_harm() -> None:
    blob = wire_string(b"ssh-dss") + wire_string(b"\1")
    assert parse(f"you@example.com ssh-dss {b64encode(blob).decode()}").key_blob == blob


def test_a_time_without_a_z_is_local_and_never_daylight_saving_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        january = parse(f'you@example.com valid-before="20260101" {KEY}').valid_before
        july = parse(f'you@example.com valid-before="20260701" {KEY}').valid_before
    time.tzset()
    assert january == datetime(2026, 1, 1, 5, tzinfo=UTC).timestamp()
    assert july == datetime(2026, 7, 1, 5, tzinfo=UTC).timestamp()


def test_both_ends_of_the_time_belong_to_it() -> None:
    signer = parse(f'you@example.com valid-after="20260102Z",valid-before="20260103Z" {KEY}')
    after, before = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert signer.why_not_at(after) is signer.why_not_at(before) is None
    assert signer.why_not_at(before + second / 2) is None
    assert signer.why_not_at(after - second) == "it is valid from 2026-01-02 00:00:00 UTC on"
    assert signer.why_not_at(before + second) == "it was valid until 2026-01-03 00:00:00 UTC"


@pytest.mark.parametrize(
    ("name", "patterns", "expected"),
    [
        ("a@example.com", "a@example.com", True),
        ("a@example.com", "A@example.com", False),
        ("a@example.com", "b@example.com,a@example.com", True),
        ("a@example.com", "*@example.com", True),
        ("a@example.com", "?@example.com", True),
        ("ab@example.com", "?@example.com", False),
        ("a@example.com", "*,!a@example.com", False),
        ("a@example.com", "!a@*,*", False),
        ("b@example.com", "!a@*,*", True),
        ("b@example.com", "!a@*", False),
        ("a@example.com", "", False),
        ("", "*", True),
        ("a@example.com", "[a]@example.com", False),
        ("a@example.com", "a@example.com ", False),
    ],
)
def test_patterns_are_those_of_openssh(name: str, patterns: str, expected: bool) -> None:
    assert matches_list(name, patterns) is expected


@given(strategies.text("ab*?", max_size=8), strategies.text("ab", max_size=8))
def test_a_pattern_means_what_the_regular_expression_means(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(character, character) for character in pattern)
    assert matches(name, pattern) is (re.fullmatch(expression, name) is not None)


def test_a_pattern_of_many_stars_is_matched_without_trying_every_way() -> None:
    assert not matches("a" * 2_000, "*a" * 500 + "b")


@given(strategies.text(max_size=60))
def test_noise_is_refused_or_read_and_nothing_else_is_raised(noise: str) -> None:
    for line in (noise, f"a {noise} {KEY}", f'a namespaces="{noise}" {KEY}', f"a ssh-ed25519 {noise}"):
        with suppress(InvalidAllowedSigners):
            parse_allowed_signers(line)


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "allowed_signers"
    file.write_text(f"you@example.com {KEY}\n")
    assert [line.principals for line in read_allowed_signers(file)] == ["you@example.com"]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidAllowedSigners, match=r"There is no file of allowed signers .*missing; write one"):
        read_allowed_signers(tmp_path / "missing")
    with pytest.raises(InvalidAllowedSigners, match="cannot be read: Is a directory"):
        read_allowed_signers(tmp_path)
    file = tmp_path / "latin-1"
    file.write_bytes(b"# ours\nM\xfcller ssh-ed25519 AAAA\n")
    with pytest.raises(InvalidAllowedSigners, match="latin-1:2: the line is not UTF-8 text"):
        read_allowed_signers(file)
    file.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(InvalidAllowedSigners, match="has more than 4194304 bytes"):
        read_allowed_signers(file)
