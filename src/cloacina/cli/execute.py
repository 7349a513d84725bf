"""Run one execution to its end: with progress, with Ctrl+C, and with a result to print."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from rich.console import Console

from cloacina.cli.clients import DEFAULT_DATABASE, address_of
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.failure import describe_failure
from cloacina.cli.interruption import Interruption
from cloacina.cli.progress_lines import LineProgress
from cloacina.cli.progress_state import ExecutionProgress
from cloacina.cli.progress_table import TableProgress
from cloacina.client import Client
from cloacina.errors import ExecutionCancelled, UnknownExecution
from cloacina.runner import Runner
from cloacina.store.address import Address
from cloacina.store.records import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

    from cloacina.cli.progress_state import StateChange
    from cloacina.configuration import OnExit
    from cloacina.runner import BlockingExecution
    from cloacina.store.records import ExecutionRecord, ExecutionResult, TaskRecord
    from cloacina.workflow import Workflow

_SECONDS_BETWEEN_CLAIMS = 1.0  # of an execution that another runner has
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


class Setting(NamedTuple):
    """What the command line says about how an execution is run.

    Attributes:
        target: The file and the workflow, as they were given.
        database: What `--database` gives.
        slots: The number of slots.
        grace: For how many seconds tasks may go on after Ctrl+C.
        as_json: Whether the result is a JSON document of the whole execution, and progress goes to stderr.
    """

    target: str
    database: str
    slots: int
    grace: float
    as_json: bool


def execute(
    workflow: Workflow, begin: Callable[[Runner], BlockingExecution], setting: Setting
) -> tuple[ExitCode, dict[str, Any] | None]:
    """Run an execution in a runner of its own, and show its progress.

    Args:
        workflow: What is run.
        begin: Submits it, or takes it up.
        setting: How.

    Returns:
        The exit code, and the JSON object that belongs on standard output: that document, or the context of a
        completed execution, or None.

    Raises:
        CloacinaError: Nothing was run, or the database failed.
    """
    database = address_of(setting.database)
    stream = sys.stderr if setting.as_json else sys.stdout
    console = Console(file=stream, highlight=False)
    progress = ExecutionProgress({task.id: not task.dependencies for task in workflow.tasks.values()})
    view: ProgressView
    # What is in memory nobody can go on with.
    on_exit: OnExit = "cancel" if Address.parse(database).path is None else "leave"
    runner = Runner(database, max_concurrent_tasks=setting.slots, on_exit=on_exit, grace=setting.grace, take_up=False)
    with _without_logged_failures(), Interruption() as interruption, runner:
        following = _Following(runner, begin, progress, interruption)
        if stream.isatty() and not console.is_dumb_terminal:
            view = TableProgress(workflow.name, progress, setting.slots, console)
        else:
            view = LineProgress(progress, stream)
            count = "1 task" if len(workflow.tasks) == 1 else f"{len(workflow.tasks)} tasks"
            where = f"execution {following.execution.id} in {database}"
            view.note(f"{workflow.name}: {count}, slots: {setting.slots}, {where}")
        with view:
            result = following.to_the_end(view)
            if result is None:
                what = "cancelling" if on_exit == "cancel" else f"leaving, within {setting.grace:g} s"
                view.note(f"{what}; press Ctrl+C again to leave at once")
    if result is None:
        # It may have ended in the time that it was given.
        result = following.result_after_leaving()
    if result is None:
        return _left(workflow, following.execution.id, setting, interruption)
    print(f"{result.status} in {_seconds(progress):.3f} s", file=stream, flush=True)
    if result.error is not None:
        print(describe_failure(result.error), file=sys.stderr)
    code = _EXIT_CODES[result.status]
    if code is ExitCode.CANCELLED:
        code = interruption.exit_code or code
        print(f"error: {ExecutionCancelled(f'execution {result.id} was cancelled before it ended')}", file=sys.stderr)
    if setting.as_json:
        return code, _document(workflow, result, result.tasks)
    return code, result.context if result.status is ExecutionStatus.COMPLETED else None


def _left(
    workflow: Workflow, execution_id: str, setting: Setting, interruption: Interruption
) -> tuple[ExitCode, dict[str, Any] | None]:
    """Tell how to go on with an execution that was left."""
    with Client(address_of(setting.database)) as client:
        found = client.execution(execution_id)
        tasks = {task.task_id: task for task in client.tasks(execution_id)}
    database = "" if setting.database == DEFAULT_DATABASE else f" --database {shlex.quote(setting.database)}"
    print(f"interrupted: execution {execution_id} stays as it is stored", file=sys.stderr)
    print(f"  go on with it: cloacina resume {shlex.quote(setting.target)} {execution_id}{database}", file=sys.stderr)
    print(f"  end it:        cloacina cancel {execution_id}{database}", file=sys.stderr)
    code = interruption.exit_code or ExitCode.INTERRUPTED
    return code, _document(workflow, found, tasks) if setting.as_json else None


class _Following:
    """Looks at an execution until it ends, or somebody wants to leave it.

    Args:
        runner: Runs it, unless another runner has it.
        begin: Submits it, or takes it up.
        progress: Brought up to date.
        interruption: Tells who wants to leave.

    Attributes:
        execution: The execution.
    """

    def __init__(
        self,
        runner: Runner,
        begin: Callable[[Runner], BlockingExecution],
        progress: ExecutionProgress,
        interruption: Interruption,
    ) -> None:
        self._runner = runner
        self._begin = begin
        self._progress = progress
        self._interruption = interruption
        self.execution = begin(runner)
        self._is_here = self._found_here()

    def _found_here(self) -> bool:
        try:
            _ = self.execution.is_over
        except UnknownExecution:
            return False
        return True

    def to_the_end(self, view: ProgressView) -> ExecutionResult | None:
        """Show progress; return the result, or None when it is to be left."""
        result: ExecutionResult | None = None
        is_told = self._is_here
        interval, look_again_at = 0.0, 0.0
        while True:
            with suppress(TimeoutError):
                result = self.execution.wait(timeout=interval)
            begin = time.monotonic()
            view.update(self._progress.apply(self._runner.events(self.execution.id, after=self._progress.last_event)))
            if result is not None:
                if not is_told:
                    view.note(f"execution {result.id} has ended")
                return result
            if self._interruption.exit_code is not None:
                return None
            if not self._is_here and begin >= look_again_at:
                look_again_at = begin + _SECONDS_BETWEEN_CLAIMS
                self.execution = self._begin(self._runner)
                self._is_here = self._found_here()
                if not is_told:
                    view.note("another runner has it; this one goes on with it when that one leaves it")
                    is_told = True
            # Looking must not become the work: never more than a fifth of the time.
            interval = max(_INTERVAL, 4 * (time.monotonic() - begin))

    def result_after_leaving(self) -> ExecutionResult | None:
        """Return the result if it has ended while the runner was left."""
        return self.execution.wait() if self._is_here and self.execution.is_over else None


def _seconds(progress: ExecutionProgress) -> float:
    """Return how long the execution took: from its first event to the last change of a task."""
    moments = [task.since for task in progress.tasks.values() if task.since]
    if progress.started_at is None or not moments:
        return 0.0
    return (max(moments) - progress.started_at).total_seconds()


def _document(
    workflow: Workflow, result: ExecutionResult | ExecutionRecord, tasks_by_id: Mapping[str, TaskRecord]
) -> dict[str, Any]:
    """Return the whole execution as a JSON object: its result, or where it stands."""
    tasks = {
        task_id: {
            "status": task.status,
            "attempt": task.attempt,
            "started_at": task.started_at and task.started_at.isoformat(),
            "finished_at": task.finished_at and task.finished_at.isoformat(),
            "error": task.error and dataclasses.asdict(task.error),
        }
        for task_id, task in tasks_by_id.items()
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
