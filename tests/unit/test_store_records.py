"""The records that the store returns."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from cloacina.errors import ExecutionCancelled, ExecutionFailed
from cloacina.store import ErrorRecord, ExecutionResult, ExecutionStatus, TaskStatus

ERROR = ErrorRecord("load", 2, "ValueError", "no row “ü”", "Traceback …\nValueError: no row", "CLO-1303")


def result(status: ExecutionStatus, error: ErrorRecord | None = None) -> ExecutionResult:
    now = datetime.now(UTC)
    return ExecutionResult("the-execution", status, {"rows": 3}, error, now, now, now, {})


def test_error_survives_its_json_text() -> None:
    assert ErrorRecord.from_json(ERROR.to_json()) == ERROR


def test_records_are_frozen_and_can_be_pickled() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ERROR.message = "another"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(ERROR)) == ERROR


def test_result_of_a_completed_execution_is_returned() -> None:
    completed = result(ExecutionStatus.COMPLETED)

    assert completed.raise_for_status() is completed


def test_result_of_a_failed_execution_raises_and_names_task_attempt_and_exception() -> None:
    failed = result(ExecutionStatus.FAILED, ERROR)

    with pytest.raises(ExecutionFailed) as raised:
        failed.raise_for_status()

    assert raised.value.result is failed
    assert raised.value.message == (
        "Execution the-execution failed: task 'load' raised in attempt 2: ValueError: no row “ü”"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ErrorRecord(None, None, "cloacina.ContextConflict", "two writers", "", "CLO-1004"), "two writers"),
        (ErrorRecord("load", 1, "KeyboardInterrupt", "", "", None), "attempt 1: KeyboardInterrupt"),
        (None, "no error was recorded"),
    ],
)
def test_result_of_a_failed_execution_tells_what_is_known(error: ErrorRecord | None, told: str) -> None:
    with pytest.raises(ExecutionFailed) as raised:
        result(ExecutionStatus.FAILED, error).raise_for_status()

    assert told in raised.value.message
    assert "None" not in raised.value.message


def test_result_of_a_cancelled_execution_raises() -> None:
    cancelled = result(ExecutionStatus.CANCELLED)

    with pytest.raises(ExecutionCancelled) as raised:
        cancelled.raise_for_status()

    assert raised.value.result is cancelled


def test_final_statuses_are_those_after_which_nothing_happens() -> None:
    assert [status.value for status in ExecutionStatus if not status.is_final] == ["Pending", "Running"]
    assert [status.value for status in TaskStatus if not status.is_final] == ["Pending", "Ready", "Running"]
