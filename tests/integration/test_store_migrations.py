"""The schema that is created and the schema that is migrated are one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from cloacina.store import Database, queries, schema
from cloacina.store.address import Address
from cloacina.store.connect import create_sqlite_engine
from cloacina.store.migrations import upgrade as migrations
from cloacina.store.schema import NEWEST_REVISION, REVISIONS
from cloacina.store.tables import VERSION_TABLE, metadata

_WITHOUT_NUMBER = (
    "SELECT execution_id, task_execution_id, task_id, type, at, attempt, slot, detail FROM execution_events ORDER BY {}"
)


@pytest.fixture
def created() -> Iterator[Engine]:
    database = Database.open("sqlite://")
    yield database.engine
    database.close()


@pytest.fixture
def migrated() -> Iterator[Engine]:
    engine = create_sqlite_engine(Address(None), "fast")
    with engine.begin() as connection:
        migrations.upgrade(connection)
    yield engine
    engine.dispose()


def schema_of(engine: Engine) -> dict[str, object]:
    """Return tables and indexes; of a table what it holds and not its text, whose order tells how it was made."""
    with engine.connect() as connection:
        # SQLite's own table of sequences stays when the last table that needed it has gone.
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE name != 'sqlite_sequence'"
        ).all()
        found: dict[str, object] = {}
        for kind, name, sql in rows:
            if kind == "table":
                columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({name})").all()
                constraints = sorted(
                    " ".join(text.split())
                    for text in re.findall(r"CONSTRAINT [^(]+\([^)]+\)(?: REFERENCES \w+ \(\w+\))?", sql)
                )
                options = sql.endswith("WITHOUT ROWID"), "AUTOINCREMENT" in sql
                found[name] = sorted(column[1:] for column in columns), constraints, options
            else:
                found[name] = " ".join((sql or "").split())
        return found


def test_created_schema_is_the_migrated_one(created: Engine, migrated: Engine) -> None:
    assert schema_of(created) == schema_of(migrated)


def test_both_are_stamped_with_the_newest_revision(created: Engine, migrated: Engine) -> None:
    for engine in (created, migrated):
        with engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars().all()
        assert found == [NEWEST_REVISION]


def test_migrated_schema_is_that_of_the_tables(migrated: Engine) -> None:
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_revisions_known_without_alembic_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(migrations.alembic_config())

    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(REVISIONS))


def test_constraints_and_indexes_have_names_of_ours(created: Engine) -> None:
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

    def upgrade(connection: Connection) -> None:
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
    old = create_sqlite_engine(Address(path), "fast")
    with old.begin() as connection:
        migrations.upgrade(connection, "0001")
        connection.exec_driver_sql(
            "INSERT INTO workflow_executions (id, workflow, workflow_version, status, created_at, context)"
            " VALUES ('e', 'w', 'v', 'Running', 1.0, '{}')"
        )
        # Not in the order of time, and with a gap: the ids alone say what came first.
        for number, at in ((1, 5.0), (2, 3.0), (7, 4.0)):
            connection.exec_driver_sql(
                "INSERT INTO execution_events (id, execution_id, task_execution_id, task_id, type, at, attempt, slot,"
                " detail) VALUES (?, 'e', 't', 'load', 'task_deferred', ?, 2, 3, '{\"wait\": 4}')",
                (number, at),
            )
        before = connection.exec_driver_sql(_WITHOUT_NUMBER.format("id")).all()
    old.dispose()

    database = Database.open(path)
    try:
        with database.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO execution_events (execution_id, number, type, at) VALUES ('e', 4, 'task_resumed', 2.0)"
            )
            assert connection.exec_driver_sql(_WITHOUT_NUMBER.format("number")).all()[:-1] == before
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        found = database.read(queries.events, "e", 1)
    finally:
        database.close()

    assert [(event.number, event.type) for event in found] == [
        (2, "task_deferred"),
        (3, "task_deferred"),
        (4, "task_resumed"),
    ]


def test_migration_that_fails_changes_nothing(created: Engine) -> None:
    before = schema_of(created)

    def migrate_half() -> None:
        with created.begin() as connection:
            connection.exec_driver_sql("DROP TABLE waits")
            connection.exec_driver_sql("CREATE TABLE half (id TEXT)")
            connection.exec_driver_sql("DROP TABLE nowhere")

    with pytest.raises(OperationalError):
        migrate_half()

    assert schema_of(created) == before
