"""What follows the cancellation of a task by a user: a call of its `on_cancel` function, with a slot."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Final

from cloacina.cancellation import Cancellation
from cloacina.context import Context, decode
from cloacina.errors import TaskTimeout
from cloacina.execution.budget import Budget
from cloacina.execution.slots import SlotToken
from cloacina.scheduling.failure import error_record

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Mapping

    from anyio import CancelScope

    from cloacina.execution.resources import Resources
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.on_cancel import OnCancel
    from cloacina.store.records import ErrorRecord

CLEAN_UP_SECONDS: Final = 60.0
"""How long a clean-up may take whose task has no timeout."""


def is_to_be_cleaned_up(task: TaskExecution) -> bool:
    """Return whether a task has begun, has not ended, and has something to clean up when it is cancelled."""
    return task.definition.on_cancel is not None and task.started_at is not None and not task.status.is_final


class CleanUps:
    """All that is cleaned up behind one execution.

    Args:
        resources: What they run on.
        variables: The context variables of the one who submitted the execution.
        on_end: Called with a task behind which was cleaned up, and with the error of that.

    Attributes:
        running: What has not ended.
    """

    def __init__(
        self,
        resources: Resources,
        variables: contextvars.Context,
        on_end: Callable[[TaskExecution, ErrorRecord | None], None],
    ) -> None:
        self._resources = resources
        self._variables = variables
        self._on_end = on_end
        self.running: list[CleanUp] = []

    def start(self, task: TaskExecution, base: Mapping[str, str]) -> None:
        """Clean up behind a task.

        Args:
            task: The task.
            base: The context that it began with: JSON text by key.
        """
        if (on_cancel := task.definition.on_cancel) is not None and not task.status.is_final:
            clean_up = CleanUp(self._resources, task, on_cancel, base, self._variables, self._ended)
            self.running.append(clean_up)
            clean_up.start()

    def _ended(self, clean_up: CleanUp, error: BaseException | None) -> None:
        self.running.remove(clean_up)
        task = clean_up.task
        record = None if error is None else error_record(error, task.definition.id, task.attempt or None)
        self._on_end(task, record)


class CleanUp:
    """One call of an `on_cancel` function.

    Args:
        resources: What it runs on.
        task: The task that was cancelled.
        on_cancel: Its function.
        base: The context that the task began with: JSON text by key.
        variables: The context variables of the one who submitted the execution.
        on_end: Called once with this and what the function raised: when it has ended, or its time is up.

    Attributes:
        task: The task that was cancelled.
        token: Its right to run.
    """

    __slots__ = (
        "_base",
        "_budget",
        "_error",
        "_has_ended",
        "_is_timed_out",
        "_on_cancel",
        "_on_end",
        "_resources",
        "_running",
        "_scope",
        "_variables",
        "task",
        "token",
    )

    def __init__(
        self,
        resources: Resources,
        task: TaskExecution,
        on_cancel: OnCancel,
        base: Mapping[str, str],
        variables: contextvars.Context,
        on_end: Callable[[CleanUp, BaseException | None], None],
    ) -> None:
        self._resources = resources
        self.task = task
        self._on_cancel = on_cancel
        self._base = base
        self._variables = variables
        self._on_end = on_end
        self.token = SlotToken(resources.slots)
        timeout = task.definition.timeout
        self._budget = Budget(CLEAN_UP_SECONDS if timeout is None else timeout, resources.clock, resources.timers)
        self._scope: CancelScope | None = None
        self._running: object = None
        self._error: BaseException | None = None
        self._is_timed_out = False
        self._has_ended = False

    def start(self) -> None:
        """Queue for a slot, and call the function when it is granted."""
        self._resources.slots.claim(self.token, self)

    @property
    def is_async(self) -> bool:
        """Whether the function goes on with the event loop, and not in a thread."""
        return self._on_cancel.is_async

    @property
    def is_at_work(self) -> bool:
        """Whether the function is being called now."""
        return self.token.is_held() and not self._has_ended

    def leave(self) -> None:
        """End it for this runner: another one does it again."""
        if self._resources.slots.withdraw(self.token):
            self._end()
        elif self._scope is not None:
            self._scope.cancel()

    def slot_granted(self) -> None:
        """Call the function: the token holds a slot."""
        resources = self._resources
        resources.bodies.go_on()
        self._budget.start(self._time_is_up)
        variables = self._variables.copy()
        if self._on_cancel.is_async:
            self._running = resources.loop.start(self._run, variables)
            return
        try:
            resources.threads.run(partial(variables.run, self._call), self._is_over)
        except Exception as refusal:  # noqa: BLE001 - whatever it is, it concerns this call alone
            self._error = refusal
            resources.loop.call_soon(self._is_over)

    async def _run(self) -> None:
        try:
            with self._resources.loop.cancel_scope() as scope:
                self._scope = scope
                await self._on_cancel.function(*self._arguments())
        except BaseException as error:  # noqa: BLE001 - recorded; nobody awaits this task
            self._error = error
        try:
            self._is_over()
        except Exception as failure:  # noqa: BLE001 - lost on asyncio, and fatal on trio
            self._resources.loop.on_error(failure)

    def _call(self) -> None:
        try:
            result = self._on_cancel.function(*self._arguments())
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("it returned a coroutine, which nobody awaits: declare it with async def")
        except BaseException as error:  # noqa: BLE001 - as above
            self._error = error

    def _arguments(self) -> tuple[Context] | tuple[Context, Cancellation]:
        context = Context.from_encoded(self._base)
        if not self._on_cancel.takes_cancellation:
            return (context,)
        task = self.task
        told = None if task.heartbeat is None or task.heartbeat.details is None else decode(task.heartbeat.details)
        done = () if task.checkpoints is None else task.checkpoints.done()
        steps = {place: decode(text) for place, text in done}
        return context, Cancellation(task.execution_id, task.id, task.attempt, told, steps)

    def _time_is_up(self) -> None:
        self._is_timed_out = True
        if self._scope is not None:
            self._scope.cancel()
        if not self._on_cancel.is_async:
            # Its thread goes on, with its slot.
            self._end()

    def _is_over(self) -> None:
        """Give the slot back: the call has ended."""
        self._budget.stop()
        try:
            self._end()
        finally:
            self.token.release()
            self._resources.bodies.rest()

    def _end(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        error, self._error = self._error, None
        self._on_end(self, self._timeout() if self._is_timed_out else error)

    def _timeout(self) -> TaskTimeout:
        limit = self.task.definition.timeout
        what = f"its timeout of {limit:g} s" if limit is not None else f"{CLEAN_UP_SECONDS:g} s"
        return TaskTimeout(f"on_cancel of task {self.task.definition.id!r} took longer than {what}")
