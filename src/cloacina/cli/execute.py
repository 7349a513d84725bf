"""Run one workflow to its end: with progress, with Ctrl+C, and with a result to print."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from rich.console import Console

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.failure import describe_failure
from cloacina.cli.interruption import Interruption
from cloacina.cli.progress_lines import LineProgress
from cloacina.cli.progress_state import ExecutionProgress
from cloacina.cli.progress_table import TableProgress
from cloacina.errors import ExecutionCancelled
from cloacina.runner import Runner
from cloacina.store.records import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path
    from types import TracebackType

    from cloacina.cli.progress_state import StateChange
    from cloacina.runner import BlockingExecution
    from cloacina.store.records import ExecutionResult
    from cloacina.workflow import Workflow

_INTERVAL = 0.05  # seconds between two looks at the events; a change is shown that much late at most
_EXIT_CODES = {
    ExecutionStatus.COMPLETED: ExitCode.OK,
    ExecutionStatus.FAILED: ExitCode.FAILED,
    ExecutionStatus.CANCELLED: ExitCode.CANCELLED,
}


class ProgressView(Protocol):
    """A way to show progress; entered while the execution runs."""

    def __enter__(self) -> Self:
        """Begin to show it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Leave the last picture standing."""
        ...

    def update(self, changes: list[StateChange]) -> None:
        """Show what has changed."""
        ...

    def note(self, text: str) -> None:
        """Tell something that is not about one task."""
        ...


@contextmanager
def _without_logged_failures() -> Generator[None]:
    """Log no failed task: failures are shown, with their traceback at the end. What else is logged stays."""
    scheduling = logging.getLogger("cloacina.scheduling")
    level = scheduling.level
    scheduling.setLevel(logging.ERROR)
    try:
        yield
    finally:
        scheduling.setLevel(level)


def execute(
    workflow: Workflow, context: Mapping[str, Any], *, database: str | Path, slots: int, as_json: bool
) -> tuple[ExitCode, dict[str, Any] | None]:
    """Run a workflow in a runner of its own, and show its progress.

    Args:
        workflow: What to run.
        context: The initial context.
        database: The address of the database, or its path.
        slots: The number of slots.
        as_json: Whether the result is a JSON document of the whole execution, and progress goes to stderr.

    Returns:
        The exit code, and the JSON object that belongs on standard output: that document, or the context of a
        completed execution, or None.

    Raises:
        CloacinaError: Nothing was run, or the database failed.
    """
    stream = sys.stderr if as_json else sys.stdout
    console = Console(file=stream, highlight=False)
    progress = ExecutionProgress({task.id: not task.dependencies for task in workflow.tasks.values()})
    view: ProgressView
    runner = Runner(database, max_concurrent_tasks=slots)
    with _without_logged_failures(), Interruption() as interruption, runner:
        execution = runner.submit(workflow, context)
        if stream.isatty() and not console.is_dumb_terminal:
            view = TableProgress(workflow.name, progress, slots, console)
        else:
            view = LineProgress(progress, stream)
            count = "1 task" if len(workflow.tasks) == 1 else f"{len(workflow.tasks)} tasks"
            view.note(f"{workflow.name}: {count}, slots: {slots}, execution {execution.id} in {database}")
        with view:
            result = _follow(runner, execution, progress, view, interruption)
    print(f"{result.status} in {_seconds(progress):.3f} s", file=stream, flush=True)
    if result.error is not None:
        print(describe_failure(result.error), file=sys.stderr)
    code = _EXIT_CODES[result.status]
    if code is ExitCode.CANCELLED:
        code = interruption.exit_code or code
        print(f"error: {ExecutionCancelled(f'execution {result.id} was cancelled before it ended')}", file=sys.stderr)
    if as_json:
        return code, _document(workflow, result)
    return code, result.context if result.status is ExecutionStatus.COMPLETED else None


def _follow(
    runner: Runner,
    execution: BlockingExecution,
    progress: ExecutionProgress,
    view: ProgressView,
    interruption: Interruption,
) -> ExecutionResult:
    result: ExecutionResult | None = None
    is_cancelling = False
    interval = 0.0
    while True:
        with suppress(TimeoutError):
            result = execution.wait(timeout=interval)
        begin = time.monotonic()
        view.update(progress.apply(runner.events(execution.id, after=progress.last_event)))
        if result is not None:
            return result
        # Looking must not become the work: never more than a fifth of the time.
        interval = max(_INTERVAL, 4 * (time.monotonic() - begin))
        if interruption.exit_code is not None and not is_cancelling:
            is_cancelling = True
            view.note("cancelling; press Ctrl+C again to leave at once")
            execution.cancel()


def _seconds(progress: ExecutionProgress) -> float:
    """Return how long the execution took: from its first event to the last change of a task."""
    moments = [task.since for task in progress.tasks.values() if task.since]
    if progress.started_at is None or not moments:
        return 0.0
    return (max(moments) - progress.started_at).total_seconds()


def _document(workflow: Workflow, result: ExecutionResult) -> dict[str, Any]:
    """Return the whole result as a JSON object."""
    tasks = {
        task_id: {
            "status": task.status,
            "attempt": task.attempt,
            "started_at": task.started_at and task.started_at.isoformat(),
            "finished_at": task.finished_at and task.finished_at.isoformat(),
            "error": task.error and dataclasses.asdict(task.error),
        }
        for task_id, task in result.tasks.items()
    }
    return {
        "id": result.id,
        "workflow": workflow.name,
        "workflow_version": workflow.version,
        "status": result.status,
        "context": result.context,
        "error": result.error and dataclasses.asdict(result.error),
        "tasks": tasks,
    }
