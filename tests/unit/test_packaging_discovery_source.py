"""A source file is UTF-8 text that Python can parse; what is not is refused at its place, as editors show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloacina.errors import InvalidSource, UndiscoverableTask
from cloacina.packaging.discovery import discover
from cloacina.packaging.discovery.source import LARGEST_SOURCE

TASK = b"from cloacina import task\n@task\ndef a(context): ...\n"


def refused(root: Path, data: bytes) -> str:
    (root / "flow.py").write_bytes(data)
    with pytest.raises(InvalidSource) as raised:
        discover(root, "flow")
    return raised.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = 1\ny = '\xe9'\n", "flow.py:2:6: byte 0xe9 is not UTF-8. Save the file as UTF-8"),
        ("ü = 'ä'\n# ".encode() + b"\xff", "flow.py:2:3: byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"\xef\xbb\xbfx\xff", "flow.py:1:2: byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"x = 1\r\n\r\n  \xff", "flow.py:3:3: byte 0xff is not UTF-8. Save the file as UTF-8"),
        (b"x = '\0'\n", "flow.py:1:6: there is a NUL byte, so this is no text. Save the file as UTF-8"),
        ("x = 1".encode("utf-16"), "flow.py:1:4: there is a NUL byte, so this is no text. Save the file as UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_refused_at_their_place(data: bytes, message: str, tmp_path: Path) -> None:
    assert refused(tmp_path, data) == message


@pytest.mark.parametrize(
    "head",
    [b"# -*- coding: latin-1 -*-\n", b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n", b"# coding: utf-16\n"],
)
def test_other_declared_encodings_are_refused(head: bytes, tmp_path: Path) -> None:
    message = refused(tmp_path, head + TASK)

    assert message.startswith("flow.py:1:1: the file declares the encoding ")
    assert message.endswith("expected UTF-8. Save it as UTF-8 and remove the declaration")


@pytest.mark.parametrize("head", [b"# coding: no-such-thing\n", b"\xef\xbb\xbf# coding: latin-1\n"])
def test_encodings_that_cannot_be_are_refused(head: bytes, tmp_path: Path) -> None:
    assert refused(tmp_path, head + TASK).startswith("flow.py:1:1: the encoding is not known: ")


@pytest.mark.parametrize(
    "head",
    [
        b"# -*- coding: utf-8 -*-\n",
        b"\xef\xbb\xbf# coding: utf-8\n",
        b"x = 1\n# coding: latin-1 would have to stand above\n",
        b"\n\n# coding: latin-1\n",
        b"# encoding is decoding\n",
        b"\xef\xbb\xbf",
    ],
)
def test_utf_8_is_read_whatever_it_says(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_bytes(head + TASK)

    assert [task.id for task in discover(tmp_path, "flow").tasks] == ["a"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_places_are_the_same_with_all_line_ends(newline: bytes, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_bytes(b"'''\n\x0c\n'''\n".replace(b"\n", newline) + TASK.replace(b"\n", newline))

    (task,) = discover(tmp_path, "flow").tasks

    assert (task.line, task.column) == (6, 1)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("@task(description='größe', id=str())", 31),
        ("@task(description='\U0001f600', id=str())", 27),
        ("@task(\tid=str())", 11),
        ("@task(description='日本', id=str())", 28),
    ],
)
def test_columns_count_characters_and_not_bytes(line: str, column: int, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(f"from cloacina import task\n{line}\ndef a(context): ...\n", encoding="utf-8")

    with pytest.raises(UndiscoverableTask, match=rf"^flow\.py:2:{column}: "):
        discover(tmp_path, "flow")


def test_long_and_broken_expressions_are_cut_in_messages(tmp_path: Path) -> None:
    source = "from cloacina import task\n@task(id=str(\n    1))\ndef a(context): ...\n"
    source += f"@task(id=str('{'x' * 99}'))\ndef b(context): ...\n"
    (tmp_path / "flow.py").write_text(source, encoding="utf-8")

    with pytest.raises(UndiscoverableTask) as raised:
        discover(tmp_path, "flow")

    assert "`str( …`" in raised.value.message
    assert f"`str('{'x' * 45} …`" in raised.value.message


@pytest.mark.parametrize(
    ("source", "place"),
    [("def f(:\n", "1:7"), ("x = 1\n  y = 2\n", "2:"), ("ü = (\n", "1:5"), ("x = 'abc\n", "1:5"), ("if x:\n", "")],
)
def test_syntax_errors_are_named_with_their_place(source: str, place: str, tmp_path: Path) -> None:
    message = refused(tmp_path, source.encode())

    assert message.startswith(f"flow.py:{place}")
    assert "cannot parse this: " in message


@pytest.mark.parametrize("source", ["(" * 5000 + ")" * 5000, "-" * 100_000 + "1", "x" + " + x" * 100_000, "[" * 90_000])
def test_sources_that_are_nested_without_end_are_refused(source: str, tmp_path: Path) -> None:
    message = refused(tmp_path, f"x = {source}\n".encode())

    assert message.startswith("flow.py:")


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    assert "larger than 4 MiB" in refused(tmp_path, TASK + b"#" * LARGEST_SOURCE)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flow.py").symlink_to(tmp_path / "missing.py")

    with pytest.raises(InvalidSource, match=r"^flow\.py:1:1: the file cannot be read: No such file or directory"):
        discover(tmp_path, "flow")


def test_warnings_of_the_parser_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_bytes(TASK + b"x = '\\d' is 1\n")  # warnings are errors in these tests

    assert discover(tmp_path, "flow").tasks
