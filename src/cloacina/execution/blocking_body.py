"""The body of a `def` task, in a thread of the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import TaskCancelled, ThreadUnavailable
from cloacina.execution.blocking_handle import EngineBlockingTaskHandle
from cloacina.execution.handle import EngineTaskHandle
from cloacina.execution.inside import begin
from cloacina.handle import call_with_task_handle

if TYPE_CHECKING:
    import contextvars

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.outcome import Outcome


class BlockingBody:
    """The body of a `def` task, in a thread.

    Args:
        attempt: What it belongs to.
        variables: The context variables it runs with.
    """

    __slots__ = ("_attempt", "_error", "_outcome", "_variables")

    def __init__(self, attempt: Attempt, variables: contextvars.Context) -> None:
        self._attempt = attempt
        self._variables = variables
        self._error: BaseException | None = None
        self._outcome: Outcome | None = None

    def start(self) -> None:
        """Hand the body to a thread; without one, the attempt fails in one of the next turns of the loop."""
        resources = self._attempt.resources
        try:
            resources.threads.run(self._call, self._ended)
        except Exception as refusal:  # noqa: BLE001 - whatever it is, it concerns this body alone
            cause = refusal.__cause__ or refusal
            message = (
                f"task {self._attempt.task.definition.id!r} needs a thread, and none could be started beside the "
                f"{resources.threads.busy} that run tasks: {cause}; raise the limit of the process, or lower "
                "max_concurrent_tasks or max_blocking_waits"
            )
            self._error = ThreadUnavailable(message)
            self._error.__cause__ = cause
            resources.loop.call_soon(self._ended)

    def _call(self) -> None:
        error: BaseException | None = None
        try:
            self._variables.run(self._run)
        except BaseException as raised:  # noqa: BLE001 - SystemExit and the like fail the task, not the runner
            error = raised
        try:
            self._outcome = self._variables.run(self._attempt.body_returns, error)
        except BaseException as failure:  # noqa: BLE001 - the engine's own, for the loop's thread
            self._error = failure
        finally:
            # This frame and the exception refer to each other, and what the body's frames hold is to be freed with it.
            del error

    def _run(self) -> None:
        attempt = self._attempt
        definition = attempt.task.definition
        begin(attempt)
        if attempt.is_stopped:
            raise TaskCancelled
        if definition.requires_handle:
            handle = EngineTaskHandle(attempt, attempt.resources.places)
            blocking_handle = EngineBlockingTaskHandle(handle)
            attempt._scope = blocking_handle.calls  # noqa: SLF001 - two halves of one thing
            call_with_task_handle(blocking_handle, definition.run_blocking, attempt._context)  # noqa: SLF001 - as above
        else:
            definition.run_blocking(attempt._context)  # noqa: SLF001 - as above

    def _ended(self) -> None:
        error, self._error = self._error, None
        self._attempt._body_ended(error, self._outcome)  # noqa: SLF001 - as above
