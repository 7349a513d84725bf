"""`--context` takes a JSON object or a file with one, and says clearly what is wrong with anything else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from cloacina.cli.context_argument import read_context
from cloacina.errors import InvalidContextArgument

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
    ],
)
def test_what_is_not_an_object_is_refused(argument: str, expected: str) -> None:
    with pytest.raises(InvalidContextArgument, match=expected):
        read_context(argument)


def test_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "latin.json"
    file.write_bytes('{"stadt": "Köln"}'.encode("latin-1"))
    with pytest.raises(InvalidContextArgument, match=r"latin\.json' of --context is not UTF-8"):
        read_context(f"@{file}")
