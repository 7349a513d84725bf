"""The statements that every process needs. Written by `rendering` from the tables: change them there."""

from __future__ import annotations

from typing import Final

REVISION: Final = "SELECT cloacina_revision.version_num FROM cloacina_revision"
NEW_REVISION: Final = "INSERT INTO cloacina_revision (version_num) VALUES (:version_num)"
NO_REVISION: Final = "UPDATE cloacina_revision SET version_num='' WHERE 0 = 1"
FIND_BY_ID: Final = (
    "SELECT workflow_executions.id, workflow_executions.status, workflow_executions.runner_id FROM "
    "workflow_executions WHERE workflow_executions.id = :id"
)
FIND_BY_KEY: Final = (
    "SELECT workflow_executions.id, workflow_executions.status, workflow_executions.runner_id FROM "
    "workflow_executions WHERE workflow_executions.workflow = :workflow AND "
    "workflow_executions.idempotency_key = :key"
)
NEWEST_ID: Final = (
    "SELECT max(newest.id) AS max_1 FROM (SELECT max(workflow_executions.id) AS id FROM "
    "workflow_executions UNION ALL SELECT max(waits.id) AS max_2 FROM waits) AS newest"
)
ADDRESSES: Final = (
    "SELECT runners.wake_address FROM runners WHERE runners.status IN ('live') AND runners.wake_address IS NOT NULL"
)
ADDRESS_OF: Final = "SELECT runners.wake_address FROM runners WHERE runners.id = :id"
RUNNER: Final = "SELECT runners.id, runners.status, runners.seen_at FROM runners WHERE runners.id = :id"
OTHER_RUNNERS: Final = (
    "SELECT runners.id, runners.seen_at FROM runners WHERE runners.status IN ('live', 'stopping') AND runners.id != :id"
)
NEW_RUNNER: Final = (
    "INSERT INTO runners (id, status, host, boot_id, pid_namespace, pid, started_at, seen_at, "
    "wake_address, max_concurrent_tasks, workflows, version) VALUES (:id, :status, :host, :boot_id, "
    ":pid_namespace, :pid, :started_at, :seen_at, :wake_address, :max_concurrent_tasks, :workflows, "
    ":version)"
)
TELL_RUNNER: Final = "UPDATE runners SET status=:status, seen_at=:seen_at WHERE runners.id = :runner_id"
TELL_WORKFLOWS: Final = "UPDATE runners SET workflows=:names WHERE runners.id = :runner_id"
FREE: Final = (
    "SELECT workflow_executions.id FROM workflow_executions WHERE workflow_executions.runner_id IS NULL "
    "AND workflow_executions.status IN ('Pending', 'Running') AND workflow_executions.workflow IN (SELECT"
    " anon_1.value FROM json_each(:workflows) AS anon_1) ORDER BY workflow_executions.id LIMIT :limit "
    "OFFSET 0"
)
FREE_ONE: Final = (
    "SELECT workflow_executions.id FROM workflow_executions WHERE workflow_executions.runner_id IS NULL "
    "AND workflow_executions.status IN ('Pending', 'Running') AND workflow_executions.workflow IN (SELECT"
    " anon_1.value FROM json_each(:workflows) AS anon_1) AND workflow_executions.id = :only"
)
RETRIES: Final = "SELECT signals.seq FROM signals WHERE signals.kind IN ('retry') AND signals.consumed_at IS NULL"
LEAVE_TASKS: Final = (
    "UPDATE task_executions SET sub_status=NULL WHERE task_executions.status IN ('Running') AND "
    "task_executions.sub_status IN ('Active') AND task_executions.execution_id IN (SELECT "
    "workflow_executions.id FROM workflow_executions WHERE workflow_executions.runner_id = :runner_id AND"
    " workflow_executions.status IN ('Pending', 'Running') AND workflow_executions.status != 'Completed' "
    "AND (workflow_executions.id NOT IN (SELECT anon_1.value FROM json_each(:kept) AS anon_1)))"
)
LEAVE: Final = (
    "UPDATE workflow_executions SET runner_id=NULL WHERE workflow_executions.runner_id = :runner_id AND "
    "workflow_executions.status IN ('Pending', 'Running') AND workflow_executions.status != 'Completed' "
    "AND (workflow_executions.id NOT IN (SELECT anon_1.value FROM json_each(:kept) AS anon_1))"
)
SIGNAL_WITH_KEY: Final = (
    "SELECT signals.seq FROM signals WHERE signals.execution_id = :execution_id AND signals.kind = :kind "
    'AND signals.name = :name AND signals."key" = :key'
)
UNREAD_OF_KIND: Final = (
    "SELECT signals.seq FROM signals WHERE signals.execution_id = :execution_id AND signals.kind = :kind "
    "AND signals.consumed_at IS NULL"
)
ANSWER: Final = (
    "SELECT signals.payload, signals.sender, signals.sent_at FROM signals WHERE signals.execution_id = "
    ":execution_id AND signals.kind IN ('answer') AND signals.name = :wait_id AND signals.refusal IS NULL"
)
NEWEST_SIGNAL: Final = "SELECT max(signals.seq) AS max_1 FROM signals"
SIGNALS_SINCE: Final = (
    "SELECT signals.seq, signals.id, signals.execution_id, signals.kind, signals.name, signals.payload, "
    "signals.sender FROM signals WHERE signals.seq > :number AND signals.consumed_at IS NULL ORDER BY "
    "signals.seq"
)
ASKED: Final = (
    "SELECT waits.id, waits.execution_id, waits.task_id, waits.kind, waits.phase, waits.deadline, "
    "waits.outcome, waits.question FROM waits WHERE waits.id = :id"
)
KINDS: Final[tuple[tuple[int, str, str | None], ...]] = (
    (
        8,
        (
            "INSERT INTO workflow_executions (id, workflow, workflow_version, status, created_at, context, "
            "runner_id, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        None,
    ),
    (
        5,
        ("INSERT INTO task_executions (id, execution_id, task_id, position, status) VALUES (?, ?, ?, ?, ?)"),
        None,
    ),
    (
        14,
        (
            "INSERT INTO waits (id, execution_id, task_execution_id, task_id, kind, name, ordinal, attempt, "
            "phase, started_at, deadline, due_at, question, poll_interval_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "?, ?, ?, ?, ?)"
        ),
        None,
    ),
    (
        8,
        (
            'INSERT INTO signals (id, execution_id, kind, name, payload, "key", sender, sent_at) VALUES (?, ?, ?,'
            " ?, ?, ?, ?, ?)"
        ),
        None,
    ),
    (
        7,
        (
            'INSERT INTO checkpoints (task_execution_id, name, "key", value, attempt, source_version, created_at)'
            ' VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task_execution_id, name, "key") DO UPDATE SET value = '
            "excluded.value, attempt = excluded.attempt, source_version = excluded.source_version, created_at = "
            "excluded.created_at"
        ),
        None,
    ),
    (
        6,
        (
            "UPDATE workflow_executions SET status=?, started_at=?, finished_at=?, final_context=?, error=? WHERE"
            " workflow_executions.id = ?"
        ),
        (
            "WITH state(status, started_at, finished_at, final_context, error, id) AS (VALUES (?, ?, ?, ?, ?, ?))"
            " UPDATE workflow_executions SET status=state.status, started_at=state.started_at, "
            "finished_at=state.finished_at, final_context=state.final_context, error=state.error FROM state WHERE"
            " workflow_executions.id = state.id"
        ),
    ),
    (
        2,
        ("UPDATE workflow_executions SET runner_id=? WHERE workflow_executions.id = ?"),
        (
            "WITH state(runner_id, id) AS (VALUES (?, ?)) UPDATE workflow_executions SET "
            "runner_id=state.runner_id FROM state WHERE workflow_executions.id = state.id"
        ),
    ),
    (
        11,
        (
            "UPDATE task_executions SET status=?, sub_status=?, attempt=?, started_at=?, finished_at=?, "
            "changes=?, error=?, due_at=?, recoveries=?, source_version=? WHERE task_executions.id = ?"
        ),
        (
            "WITH state(status, sub_status, attempt, started_at, finished_at, changes, error, due_at, recoveries,"
            " source_version, id) AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) UPDATE task_executions SET "
            "status=state.status, sub_status=state.sub_status, attempt=state.attempt, "
            "started_at=state.started_at, finished_at=state.finished_at, changes=state.changes, "
            "error=state.error, due_at=state.due_at, recoveries=state.recoveries, "
            "source_version=state.source_version FROM state WHERE task_executions.id = state.id"
        ),
    ),
    (
        3,
        ("UPDATE task_executions SET heartbeat_at=?, heartbeat=? WHERE task_executions.id = ?"),
        (
            "WITH state(heartbeat_at, heartbeat, id) AS (VALUES (?, ?, ?)) UPDATE task_executions SET "
            "heartbeat_at=state.heartbeat_at, heartbeat=state.heartbeat FROM state WHERE task_executions.id = "
            "state.id"
        ),
    ),
    (
        10,
        (
            "UPDATE waits SET phase=?, polls=?, next_poll_at=?, errors=?, last_error=?, outcome=?, value=?, "
            "signal_id=?, ended_at=? WHERE waits.id = ?"
        ),
        (
            "WITH state(phase, polls, next_poll_at, errors, last_error, outcome, value, signal_id, ended_at, id) "
            "AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) UPDATE waits SET phase=state.phase, polls=state.polls, "
            "next_poll_at=state.next_poll_at, errors=state.errors, last_error=state.last_error, "
            "outcome=state.outcome, value=state.value, signal_id=state.signal_id, ended_at=state.ended_at FROM "
            "state WHERE waits.id = state.id"
        ),
    ),
    (
        5,
        ("UPDATE waits SET phase=?, outcome=?, next_poll_at=?, ended_at=? WHERE waits.id = ?"),
        (
            "WITH state(phase, outcome, next_poll_at, ended_at, id) AS (VALUES (?, ?, ?, ?, ?)) UPDATE waits SET "
            "phase=state.phase, outcome=state.outcome, next_poll_at=state.next_poll_at, ended_at=state.ended_at "
            "FROM state WHERE waits.id = state.id"
        ),
    ),
    (
        4,
        ("UPDATE signals SET consumed_at=?, wait_id=?, refusal=? WHERE signals.id = ?"),
        (
            "WITH state(consumed_at, wait_id, refusal, id) AS (VALUES (?, ?, ?, ?)) UPDATE signals SET "
            "consumed_at=state.consumed_at, wait_id=state.wait_id, refusal=state.refusal FROM state WHERE "
            "signals.id = state.id"
        ),
    ),
    (
        9,
        (
            "INSERT INTO execution_events (execution_id, number, task_execution_id, task_id, type, at, attempt, "
            "slot, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        None,
    ),
)
SCHEMA: Final = (
    (
        "CREATE TABLE runners ( id TEXT NOT NULL, status TEXT NOT NULL, host TEXT NOT NULL, boot_id TEXT, "
        "pid_namespace INTEGER, pid INTEGER NOT NULL, started_at REAL NOT NULL, seen_at REAL NOT NULL, "
        "wake_address TEXT, max_concurrent_tasks INTEGER NOT NULL, workflows TEXT NOT NULL, version TEXT NOT "
        "NULL, CONSTRAINT pk_runners PRIMARY KEY (id) )"
    ),
    (
        "CREATE TABLE workflow_executions ( id TEXT NOT NULL, workflow TEXT NOT NULL, workflow_version TEXT "
        "NOT NULL, status TEXT NOT NULL, created_at REAL NOT NULL, started_at REAL, finished_at REAL, context"
        " TEXT NOT NULL, final_context TEXT, error TEXT, runner_id TEXT, idempotency_key TEXT, CONSTRAINT "
        "pk_workflow_executions PRIMARY KEY (id) )"
    ),
    (
        "CREATE TABLE execution_events ( execution_id TEXT NOT NULL, number INTEGER NOT NULL, "
        "task_execution_id TEXT, task_id TEXT, type TEXT NOT NULL, at REAL NOT NULL, attempt INTEGER, slot "
        "INTEGER, detail TEXT, CONSTRAINT pk_execution_events PRIMARY KEY (execution_id, number), CONSTRAINT "
        "fk_execution_events_execution_id FOREIGN KEY(execution_id) REFERENCES workflow_executions (id) ) "
        "WITHOUT ROWID"
    ),
    (
        "CREATE TABLE signals ( seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, "
        'execution_id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, payload TEXT, "key" TEXT, sender'
        " TEXT, sent_at REAL NOT NULL, consumed_at REAL, wait_id TEXT, refusal TEXT, CONSTRAINT uq_signals_id"
        " UNIQUE (id), CONSTRAINT fk_signals_execution_id FOREIGN KEY(execution_id) REFERENCES "
        "workflow_executions (id) )"
    ),
    (
        "CREATE TABLE task_executions ( id TEXT NOT NULL, execution_id TEXT NOT NULL, task_id TEXT NOT NULL, "
        "position INTEGER NOT NULL, status TEXT NOT NULL, sub_status TEXT, attempt INTEGER DEFAULT 0 NOT "
        "NULL, started_at REAL, finished_at REAL, changes TEXT, error TEXT, due_at REAL, recoveries INTEGER "
        "DEFAULT 0 NOT NULL, source_version TEXT, heartbeat_at REAL, heartbeat TEXT, CONSTRAINT "
        "pk_task_executions PRIMARY KEY (id), CONSTRAINT uq_task_executions_execution_id_task_id UNIQUE "
        "(execution_id, task_id), CONSTRAINT fk_task_executions_execution_id FOREIGN KEY(execution_id) "
        "REFERENCES workflow_executions (id) )"
    ),
    (
        'CREATE TABLE checkpoints ( task_execution_id TEXT NOT NULL, name TEXT NOT NULL, "key" TEXT NOT NULL,'
        " value TEXT, attempt INTEGER NOT NULL, source_version TEXT, created_at REAL NOT NULL, CONSTRAINT "
        'pk_checkpoints PRIMARY KEY (task_execution_id, name, "key"), CONSTRAINT '
        "fk_checkpoints_task_execution_id FOREIGN KEY(task_execution_id) REFERENCES task_executions (id) ) "
        "WITHOUT ROWID"
    ),
    (
        "CREATE TABLE waits ( id TEXT NOT NULL, execution_id TEXT NOT NULL, task_execution_id TEXT NOT NULL, "
        "task_id TEXT NOT NULL, kind TEXT DEFAULT 'condition' NOT NULL, name TEXT DEFAULT '' NOT NULL, "
        "ordinal INTEGER DEFAULT 1 NOT NULL, attempt INTEGER DEFAULT 1 NOT NULL, phase TEXT NOT NULL, "
        "started_at REAL NOT NULL, deadline REAL, due_at REAL, question TEXT, poll_interval_ms INTEGER, polls"
        " INTEGER DEFAULT 0 NOT NULL, next_poll_at REAL, errors INTEGER DEFAULT 0 NOT NULL, last_error TEXT, "
        "outcome TEXT, value TEXT, signal_id TEXT, ended_at REAL, CONSTRAINT pk_waits PRIMARY KEY (id), "
        "CONSTRAINT fk_waits_execution_id FOREIGN KEY(execution_id) REFERENCES workflow_executions (id), "
        "CONSTRAINT fk_waits_task_execution_id FOREIGN KEY(task_execution_id) REFERENCES task_executions (id)"
        " ) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE cloacina_revision ( version_num VARCHAR(32) NOT NULL, CONSTRAINT cloacina_revision_pkc "
        "PRIMARY KEY (version_num) )"
    ),
    ("CREATE INDEX ix_signals_execution_id ON signals (execution_id, seq)"),
    ('CREATE UNIQUE INDEX ix_signals_key ON signals (execution_id, kind, name, "key") WHERE "key" IS NOT NULL'),
    ("CREATE INDEX ix_waits_execution_id ON waits (execution_id, id)"),
    ("CREATE INDEX ix_waits_phase ON waits (phase, id) WHERE phase != 'ended'"),
    (
        "CREATE INDEX ix_workflow_executions_free ON workflow_executions (workflow, id) WHERE runner_id IS "
        "NULL AND status IN ('Pending', 'Running')"
    ),
    (
        "CREATE UNIQUE INDEX ix_workflow_executions_idempotency_key ON workflow_executions (workflow, "
        "idempotency_key) WHERE idempotency_key IS NOT NULL"
    ),
    ("CREATE INDEX ix_workflow_executions_status ON workflow_executions (status, id) WHERE status != 'Completed'"),
    ("CREATE INDEX ix_workflow_executions_workflow ON workflow_executions (workflow, id)"),
)
