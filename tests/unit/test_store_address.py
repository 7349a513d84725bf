"""Which addresses name a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloacina.errors import UnsupportedDatabase
from cloacina.store.address import Address


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_address_without_a_file_is_in_memory(url: str) -> None:
    assert Address.parse(url).path is None


def test_three_slashes_and_a_path_are_relative_and_four_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    forms = ("sqlite:///a.db", f"sqlite:///{tmp_path}/a.db", Path("a.db"), "a.db", f"{tmp_path}/a.db")
    addresses = [Address.parse(form) for form in forms]

    assert {address.path for address in addresses} == {tmp_path / "a.db"}


def test_address_keeps_its_folder_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = Address.parse("sqlite:///a.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert address.path == tmp_path / "a.db"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://host/name", "Only SQLite is supported by this version"),
        ("sqlite+aiosqlite:///a.db", "Only SQLite is supported by this version"),
        ("sqlite://a.db", "three slashes"),
        ("sqlite:///a.db?mode=ro", "options after '?'"),
        ("sqlite:///", "names no file"),
        ("sqlite:a.db", "is not the address of a database"),
        ("", "is not the address of a database"),
        ("postgresql://host:port/name", "is not the address of a database"),
    ],
)
def test_other_addresses_are_refused_and_the_right_forms_shown(url: str, told: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        Address.parse(url)

    assert told in raised.value.message
    assert "sqlite:///file.db" in raised.value.message


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@host/name", "postgresql://me:hunter2@host:port/name"])
def test_password_is_not_in_the_message(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as raised:
        Address.parse(url)

    assert "hunter2" not in str(raised.value)
