"""JSON on the command line is text or a file, and what is wrong with anything else is said clearly."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from cloacina.cli.json_argument import read_context, read_json
from cloacina.errors import InvalidJSONArgument

if TYPE_CHECKING:
    from pathlib import Path


def test_no_argument_is_an_empty_context() -> None:
    assert read_context(None) == {}


def test_json_text_is_read() -> None:
    assert read_context('{"größe": [1, null, "é"]}') == {"größe": [1, None, "é"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_file_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "context.json"
    file.write_text('{"stadt": "Köln"}', encoding=encoding)
    assert read_context(f"@{file}") == {"stadt": "Köln"}


def test_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    assert read_context("@-") == {"a": 1}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("{'a': 1}", "not valid JSON .* line 1, column 2"),
        ('{"a": 1', "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "holds a list; expected a JSON object"),
        ('"text"', "holds a string"),
        ("3", "holds a number"),
        ("true", "holds true or false"),
        ("null", "holds null"),
        ('{"a": NaN}', "holds NaN, which is not JSON"),
        ('{"a": -Infinity}', "holds -Infinity, which is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("@missing.json", "'missing.json' of --context cannot be read: No such file"),
        ("@\0", "cannot be read: embedded null"),
        ('{"a": 1, "b": {"c": [{"d": 1, "d": 2}]}}', "--context holds the key 'd' twice in one object"),
        (f'{{"a": {"1" * 5000}}}', "a number of more digits than Python reads; write it as a string"),
        ('{"a": "K\udcf6ln"}', "--context is not UTF-8 text .byte 0xf6 in line 1"),
    ],
)
def test_what_is_not_an_object_is_refused(argument: str, expected: str) -> None:
    with pytest.raises(InvalidJSONArgument, match=expected):
        read_context(argument)


@pytest.mark.parametrize("source", ["file", "stdin"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": 1,\n"stadt": "Köln"}'.encode("latin-1"), "byte 0xf6 in line 2"),
        ('{"stadt": "Köln"}'.encode("utf-16"), "it begins as UTF-16 does"),
    ],
    ids=["latin-1", "utf-16"],
)
def test_bytes_of_another_encoding_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, content: bytes, found: str
) -> None:
    file = tmp_path / "latin.json"
    file.write_bytes(content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    name = "standard input" if source == "stdin" else r"latin\.json' of --context"
    with pytest.raises(InvalidJSONArgument, match=f"{name} is not UTF-8 text .{found}.*; store it as UTF-8"):
        read_context("@-" if source == "stdin" else f"@{file}")


@pytest.mark.parametrize("locale", ["ascii", "latin-1", "utf-16"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_standard_input_is_utf_8_whatever_the_locale_is(
    monkeypatch: pytest.MonkeyPatch, locale: str, encoding: str
) -> None:
    content = '{"stadt": "Köln ✓"}'.encode(encoding)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding=locale))
    assert read_context("@-") == {"stadt": "Köln ✓"}


def test_argument_is_utf_8_where_the_locale_cannot_decode_it() -> None:
    assert read_context('{"stadt": "Köln"}'.encode().decode("ascii", "surrogateescape")) == {"stadt": "Köln"}


def test_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InvalidJSONArgument, match="standard input is closed; give --context itself"):
        read_context("@-")


@pytest.mark.parametrize(("argument", "expected"), [("3", 3), ('"tea"', "tea"), ("null", None), ("[true]", [True])])
def test_other_arguments_may_be_any_json(argument: str, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_json(argument, "VALUE") == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(argument))
    assert read_json("@-", "VALUE") == expected


def test_word_without_its_quotes_is_refused() -> None:
    with pytest.raises(InvalidJSONArgument, match=r"VALUE is not valid JSON .* '\"a text\"'"):
        read_json("tea", "VALUE")
