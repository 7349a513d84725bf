"""The statements that every process needs. Written by `rendering` from the tables: change them there."""

from __future__ import annotations

from typing import Final

REVISION: Final = "SELECT cloacina_revision.version_num FROM cloacina_revision"
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
