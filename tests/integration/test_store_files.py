"""Opening files: what is created, and what is refused without being touched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloacina.errors import InvalidOption, StoreError, StoreTooNew, StoreUnavailable
from cloacina.store import Database, Writer, changes, queries, schema
from cloacina.store.changes import Change
from cloacina.store.schema import NEWEST_REVISION
from unprivileged import public_folder, run_unprivileged


def open_and_close(url: str | Path) -> None:
    Database.open(url).close()


def fail(*failure: object) -> None:
    raise RuntimeError(failure)


def execution(name: str) -> Change:
    return changes.new_execution(name, "w", "v", "{}", 1.0)


@pytest.fixture
def liberal_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.usefixtures("liberal_umask")
def test_new_file_and_its_companions_belong_to_their_owner_alone(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "new.db")
    writer = Writer(database, lambda call: call(), fail, fail)
    writer.write([[execution("a")]])
    writer.run(lambda _: None).result(20)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    writer.close()
    database.close()

    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.usefixtures("liberal_umask")
def test_file_behind_a_dangling_link_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "target.db")

    open_and_close(tmp_path / "link.db")

    assert (tmp_path / "target.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_mode_of_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    path.touch()
    path.chmod(0o640)

    open_and_close(path)

    assert path.stat().st_mode & 0o777 == 0o640


def test_name_of_a_file_may_hold_what_a_url_would_escape(tmp_path: Path) -> None:
    path = tmp_path / "daily report?mode=ro#1 %41 ü.db"

    open_and_close(path)
    open_and_close(path)

    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_database_is_opened_again_with_what_it_holds(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "store.db")
    writer = Writer(database, lambda call: call(), fail, fail)
    writer.write([[execution("a")]])
    writer.close()
    database.close()

    again = Database.open(f"sqlite:///{tmp_path}/store.db")
    found = again.read(queries.executions)
    again.close()

    assert [record.id for record in found] == ["a"]


def test_second_opening_in_one_process_does_not_drop_the_locks_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first = Database.open(path)
    with first.connect() as connection:
        connection.alchemy.exec_driver_sql("SELECT 1 FROM workflow_executions").all()
        open_and_close(path)  # closing any descriptor of a file drops a process's locks on it
        child = subprocess.run(
            [sys.executable, "-c", MOVE_OUT_OF_WAL, str(path)], capture_output=True, text=True, check=False
        )
    first.close()

    assert "database is locked" in child.stderr


MOVE_OUT_OF_WAL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
print(connection.execute("PRAGMA journal_mode = DELETE").fetchone())
"""


def test_durability_is_one_of_two(tmp_path: Path) -> None:
    durability: Any = "paranoid"
    with pytest.raises(InvalidOption, match="'paranoid'; expected one of 'full', 'fast'"):
        Database.open(tmp_path / "store.db", durability)


def test_missing_folder_is_named_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"there is no folder {tmp_path}/reports; create it"):
        Database.open(tmp_path / "reports" / "a.db")

    assert list(tmp_path.iterdir()) == []


def test_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=f"{tmp_path}: it is not a file"):
        Database.open(tmp_path)


def test_name_that_the_system_refuses_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="name too long"):
        Database.open(tmp_path / ("x" * 300))


def test_other_kind_of_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    content = "name,count\n" + "row,1\n" * 1000
    path.write_text(content)

    with pytest.raises(StoreUnavailable, match=rf"{path} could not be opened: file is not a database"):
        Database.open(path)

    assert path.read_text() == content
    assert [found.name for found in tmp_path.iterdir()] == ["export.csv"]


def test_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE moz_places (url)")
    connection.close()
    content = path.read_bytes()

    with pytest.raises(StoreUnavailable, match=r"holds the tables of another program \('moz_places'\)"):
        Database.open(path)

    assert path.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def stamp(path: Path, revision: str | None) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM cloacina_revision")
    if revision is not None:
        connection.execute("INSERT INTO cloacina_revision VALUES (?)", (revision,))
    connection.commit()
    connection.close()


def test_database_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_and_close(path)
    stamp(path, "0999")
    content = path.read_bytes()

    with pytest.raises(StoreTooNew) as raised:
        Database.open(path)

    assert "'0999'" in raised.value.message
    assert NEWEST_REVISION in raised.value.message
    assert str(path) in raised.value.message
    assert path.read_bytes() == content


def test_database_without_a_revision_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_and_close(path)
    stamp(path, None)

    with pytest.raises(StoreUnavailable, match="'cloacina_revision' is empty"):
        Database.open(path)


def test_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_and_close(path)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))

    with pytest.raises(StoreUnavailable, match="malformed"):
        Database.open(path)


OPEN = (
    """
import sys
from pathlib import Path
from cloacina.errors import StoreUnavailable
from cloacina.store import Database
Path("/").as_uri()  # imports what it needs when it is called, on Python 3.13
""",
    """
try:
    Database.open(Path(sys.argv[1]))
except StoreUnavailable as error:
    print(error)
""",
)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize("what", ["file", "folder", "new file", "unreadable file"])
def test_what_cannot_be_written_is_refused_with_its_name(what: str) -> None:
    with public_folder() as folder:
        path = folder / "store.db"
        if what != "new file":
            open_and_close(path)
            path.chmod({"file": 0o444, "folder": 0o666, "unreadable file": 0o000}[what])
        folder.chmod(0o777 if what == "file" else 0o555)

        printed = run_unprivileged(*OPEN, path)

    assert f"{path}" in printed
    assert StoreUnavailable.code in printed


def test_locked_database_is_refused_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloacina.store.connect._BUSY_TIMEOUT", 0.01)
    monkeypatch.setattr("cloacina.store.database._OPENING_PATIENCE", 0.05)
    path = tmp_path / "store.db"
    open_and_close(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="database is locked"):
        Database.open(path)
    other.close()

    open_and_close(path)


def test_file_that_was_removed_is_not_created_again_by_a_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = Database.open(path)
    database.close()
    path.unlink()

    with pytest.raises(StoreUnavailable, match=f"{path} could not be read"):
        database.read(queries.executions)

    assert not path.exists()


@pytest.mark.parametrize("url", ["nowhere/a.db", "postgresql://h/n", "sqlite:////dev/null/a.db"])
def test_every_refusal_is_an_error_of_the_store(url: str) -> None:
    with pytest.raises(StoreError):
        Database.open(url)


def test_opening_a_database_does_not_import_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cloacina.store import Database\n"
        "for _ in range(2): Database.open(Path(sys.argv[1])).close()\n"
        "print([name for name in sys.modules if name.startswith('alembic')])"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store.db")], capture_output=True, text=True, check=True
    )

    assert child.stdout.strip() == "[]"


def test_refused_database_leaves_no_connection_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    open_and_close(path)
    monkeypatch.setattr(schema, "REVISIONS", ("0000",))

    with pytest.raises(StoreTooNew):
        Database.open(path)

    # A connection that is open keeps the write-ahead log and its index.
    assert [found.name for found in tmp_path.iterdir()] == ["store.db"]
