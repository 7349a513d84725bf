"""A failure shows the user's own frames of a traceback, and none of the engine's."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import Context, Runner, TaskHandle, Workflow, task
from cloacina.cli.failure import describe_failure, trim_traceback
from cloacina.store.records import ErrorRecord

if TYPE_CHECKING:
    from collections.abc import Callable


@task
def blocking(context: Context) -> None:
    context["x"] = 1 / 0


@task
async def deferring(context: Context, handle: TaskHandle) -> None:
    def condition() -> bool:
        raise ConnectionError("nobody answers")

    await handle.defer_until(condition, poll_interval_ms=1)


def error_of(function: Callable[..., Any]) -> ErrorRecord:
    with Runner("sqlite://") as runner:
        result = runner.execute(Workflow("failing", tasks=[function]))
    assert result.error is not None
    return result.error


def test_failure_names_task_attempt_and_exception_with_the_users_frames() -> None:
    shown = describe_failure(error_of(blocking))
    first, _, frames = shown.partition("\n\n")
    assert first.startswith(
        "error: task 'blocking' failed in attempt 1: ZeroDivisionError: division by zero [CLO-1301]"
    )
    assert "\n" not in first
    assert 'context["x"] = 1 / 0' in frames
    assert frames.splitlines()[0] == "Traceback (most recent call last):"
    assert frames.count('  File "') == 1
    assert frames.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_failing_condition_shows_the_condition_and_the_wait_but_nothing_between() -> None:
    error = error_of(deferring)
    shown = describe_failure(error)
    assert "[CLO-1203]" in shown.splitlines()[0]
    assert shown.splitlines()[0].count("CLO-1203") == 1
    assert 'raise ConnectionError("nobody answers")' in shown
    assert "await handle.defer_until(condition, poll_interval_ms=1)" in shown
    assert "cloacina/execution" in error.traceback
    assert "cloacina/execution" not in shown


def test_frames_of_libraries_that_the_user_called_stay() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("{")
    text = "".join(traceback.format_exception(caught.value))
    assert trim_traceback(text) == text.strip()


def test_traceback_without_a_frame_of_the_user_is_left_out() -> None:
    import cloacina

    frame = f'  File "{cloacina.__file__}", line 3, in run\n    boom()'
    text = f"Traceback (most recent call last):\n{frame}\nValueError: no\n"
    assert trim_traceback(text) == ""
    assert trim_traceback("") == ""


@pytest.mark.parametrize(("task_id", "attempt"), [(None, None), ("a", 2)])
def test_failure_without_a_traceback_is_one_line(task_id: str | None, attempt: int | None) -> None:
    error = ErrorRecord(task_id, attempt, "cloacina.ContextConflict", "a and b\nwrote 'x'", "", "CLO-1004")
    shown = describe_failure(error)
    assert shown.startswith("error: ")
    assert "a and b wrote 'x' [CLO-1004] https://" in shown
    assert "\n" not in shown
