"""The schema that is created and the schema that is migrated are one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cloacina.store import Database, queries, schema
from cloacina.store.address import Address
from cloacina.store.connect import connect
from cloacina.store.connection import Connection
from cloacina.store.migrations import upgrade as migrations
from cloacina.store.schema import NEWEST_REVISION, REVISIONS, VERSION_TABLE
from cloacina.store.tables import metadata

_WITHOUT_NUMBER = (
    "SELECT execution_id, task_execution_id, task_id, type, at, attempt, slot, detail FROM execution_events ORDER BY {}"
)


def connected(path: Path | None = None) -> Connection:
    return Connection(connect(Address(path), "fast"), Connection.disconnect)


@pytest.fixture
def created() -> Iterator[Connection]:
    database = Database.open("sqlite://")
    yield database.connect()
    database.close()


@pytest.fixture
def migrated() -> Iterator[Connection]:
    with connected() as connection:
        with connection.transaction():
            migrations.upgrade(connection.alchemy)
        yield connection


def schema_of(connection: Connection) -> dict[str, object]:
    """Return tables and indexes; of a table what it holds and not its text, whose order tells how it was made."""
    # SQLite's own table of sequences stays when the last table that needed it has gone.
    rows = connection.run("SELECT type, name, sql FROM sqlite_master WHERE name != 'sqlite_sequence'").fetchall()
    found: dict[str, object] = {}
    for kind, name, sql in rows:
        if kind == "table":
            columns = connection.run(f"PRAGMA table_xinfo({name})").fetchall()
            constraints = sorted(
                " ".join(text.split())
                for text in re.findall(r"CONSTRAINT [^(]+\([^)]+\)(?: REFERENCES \w+ \(\w+\))?", sql)
            )
            options = sql.rstrip().endswith("WITHOUT ROWID"), "AUTOINCREMENT" in sql
            found[name] = sorted(column[1:] for column in columns), constraints, options
        else:
            found[name] = " ".join((sql or "").split())
    return found


def test_created_schema_is_the_migrated_one(created: Connection, migrated: Connection) -> None:
    assert schema_of(created) == schema_of(migrated)


def test_both_are_stamped_with_the_newest_revision(created: Connection, migrated: Connection) -> None:
    for connection in (created, migrated):
        assert connection.run(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(NEWEST_REVISION,)]


def test_migrated_schema_is_that_of_the_tables(migrated: Connection) -> None:
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    assert compare_metadata(MigrationContext.configure(migrated.alchemy, opts=options), metadata) == []


def test_revisions_known_without_alembic_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(migrations.alembic_config())

    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(REVISIONS))


def test_constraints_and_indexes_have_names_of_ours(created: Connection) -> None:
    for table in metadata.sorted_tables:
        assert all(str(constraint.name).startswith(("pk_", "fk_", "uq_")) for constraint in table.constraints)
        assert all(str(index.name).startswith(f"ix_{table.name}_") for index in table.indexes)


def test_older_schema_is_migrated_in_one_transaction_when_it_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "store.db"
    Database.open(path).close()
    monkeypatch.setattr(schema, "REVISIONS", (*REVISIONS, "later"))
    monkeypatch.setattr(schema, "NEWEST_REVISION", "later")
    seen: list[tuple[bool, str]] = []

    def upgrade(connection: sqlalchemy.Connection) -> None:
        stored = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one()
        driver: Any = connection.connection.driver_connection
        seen.append((driver.in_transaction, stored))
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = 'later'")

    monkeypatch.setattr(migrations, "upgrade", upgrade)
    Database.open(path).close()
    Database.open(path).close()

    assert seen == [(True, NEWEST_REVISION)]


def test_events_of_a_database_of_the_first_revision_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    with connected(path) as connection, connection.transaction():
        migrations.upgrade(connection.alchemy, "0001")
        connection.run(
            "INSERT INTO workflow_executions (id, workflow, workflow_version, status, created_at, context)"
            " VALUES ('e', 'w', 'v', 'Running', 1.0, '{}')"
        )
        # Not in the order of time, and with a gap: the ids alone say what came first.
        for number, at in ((1, 5.0), (2, 3.0), (7, 4.0)):
            connection.run(
                "INSERT INTO execution_events (id, execution_id, task_execution_id, task_id, type, at, attempt, slot,"
                " detail) VALUES (?, 'e', 't', 'load', 'task_deferred', ?, 2, 3, '{\"wait\": 4}')",
                (number, at),
            )
        before = connection.run(_WITHOUT_NUMBER.format("id")).fetchall()

    database = Database.open(path)
    try:
        with database.connect() as connection:
            connection.run(
                "INSERT INTO execution_events (execution_id, number, type, at) VALUES ('e', 4, 'task_resumed', 2.0)"
            )
            assert connection.run(_WITHOUT_NUMBER.format("number")).fetchall()[:-1] == before
            assert connection.run("PRAGMA foreign_key_check").fetchall() == []
        found = database.read(queries.events, "e", 1)
    finally:
        database.close()

    assert [(event.number, event.type) for event in found] == [
        (2, "task_deferred"),
        (3, "task_deferred"),
        (4, "task_resumed"),
    ]


def test_migration_that_fails_changes_nothing(created: Connection) -> None:
    before = schema_of(created)

    def migrate_half() -> None:
        with created.transaction():
            created.execute(text("DROP TABLE waits"))
            created.run("CREATE TABLE half (id TEXT)")
            created.execute(text("DROP TABLE nowhere"))

    with pytest.raises(OperationalError):
        migrate_half()

    assert schema_of(created) == before
