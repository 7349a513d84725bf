"""Tasks that keep their slots while they wait for executions of their own runner: allowed as long as that can end.

When every slot is held by such a task, none is left for what they wait for. Nobody would go on, and nothing would say
so: the last one to begin is refused instead. It is a matter of slots, not of the code that waits, so no wait is refused
that somebody else's slot may end.
"""

from __future__ import annotations

import contextvars
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from cloacina.errors import WouldDeadlock
from cloacina.membrane import Log

if TYPE_CHECKING:
    from collections.abc import Generator

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.resources import Resources
    from cloacina.scheduling.execution_run import ExecutionRun

logger = Log("cloacina.scheduling")

_SECONDS_BETWEEN_LOOKS = 0.5

_MEND = (
    "Submit the execution and give the slot back while waiting: `await handle.defer_until(lambda: execution.is_over)`"
)


class NestedWait:
    """A task's wait for an execution of its own runner, with its slot.

    Attributes:
        attempt: Who waits.
        run: For what; None while that is being submitted.
        is_own_task: Whether the body does nothing else meanwhile: it awaits in its own task, or is a thread.
        is_refused: Whether the wait was ended, because it could not have ended by itself.
    """

    def __init__(self, attempt: Attempt, run: ExecutionRun | None, scope: anyio.CancelScope) -> None:
        self.attempt = attempt
        self.run = run
        self.is_own_task = attempt.is_run_by(attempt.resources.loop.current_task())
        self.is_refused = False
        self._scope = scope

    @property
    def keeps_slot(self) -> bool:
        """Whether nothing that the body does meanwhile gives the slot back."""
        return self.is_own_task or not self.attempt.task.definition.requires_handle

    @property
    def needs_slot(self) -> bool:
        """Whether what it waits for cannot end without a slot for one of its tasks."""
        return self.run is None or self.run.is_going_on

    def refuse(self) -> None:
        """End it."""
        self.is_refused = True
        self._scope.cancel()


class NestedWaits:
    """All such waits of a runner, the oldest first.

    Args:
        resources: The runner's.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._waits: dict[NestedWait, None] = {}
        self._is_watched = False
        self._watching = anyio.CancelScope()
        self._known: set[str] = set()

    @contextmanager
    def waiting(self, attempt: Attempt, run: ExecutionRun | None, *, is_bounded: bool = False) -> Generator[NestedWait]:
        """Enter the wait of a task for an execution, or refuse it.

        Args:
            attempt: Who waits.
            run: For what; None if that is still to be submitted, and then it is told to the wait.
            is_bounded: Whether it ends by itself after a while. Then it is never refused.

        Raises:
            WouldDeadlock: It could not end.
        """
        bodies = self._resources.bodies
        scope = anyio.CancelScope()
        wait = NestedWait(attempt, run, scope)
        with scope:
            if not is_bounded:
                self._begin(wait)
            if wait.is_own_task:
                bodies.rest()
            try:
                yield wait
            finally:
                if wait.is_own_task:
                    bodies.go_on()
                self._waits.pop(wait, None)
        if wait.is_refused:
            raise self._no_slot_left(wait)

    def close(self) -> None:
        """Watch no more."""
        self._watching.cancel()

    def _begin(self, wait: NestedWait) -> None:
        if wait.is_own_task and self._is_circle(wait):
            message = (
                f"task {wait.attempt.task.definition.id!r} would wait for an execution that waits for the end of the "
                "task's own: neither could ever end. Let only one of them wait for the other"
            )
            raise WouldDeadlock(message)
        self._waits[wait] = None
        if (holders := self._holders()) and all(any(each.keeps_slot for each in waits) for waits in holders.values()):
            del self._waits[wait]
            raise self._no_slot_left(wait)
        self._tell_once(wait)
        if not wait.keeps_slot and not self._is_watched:
            self._is_watched = True
            self._resources.loop.spawn(self._watch, contextvars.copy_context())

    def _holders(self) -> dict[Attempt, list[NestedWait]] | None:
        """Return who holds the slots and waits for what; None when something can go on without these slots."""
        holders: dict[Attempt, list[NestedWait]] = {}
        for wait in self._waits:
            if wait.attempt.token.is_held():
                if not wait.needs_slot:
                    return None
                holders.setdefault(wait.attempt, []).append(wait)
        return holders if len(holders) == self._resources.slots.capacity else None

    def _is_circle(self, wait: NestedWait) -> bool:
        own = wait.attempt.task.execution_id
        pending, seen = [wait.run], set[str]()
        while pending:
            run = pending.pop()
            if run is None or run.id in seen:
                continue
            if run.id == own:
                return True
            seen.add(run.id)
            pending += (
                each.run for each in self._waits if each.is_own_task and each.attempt.task.execution_id == run.id
            )
        return False

    async def _watch(self) -> None:
        """While a body does something beside its wait, which may give its slot back: refuse one when it does not."""
        stuck: list[NestedWait] | None = None
        with self._watching:
            while not all(wait.keeps_slot for wait in self._waits):
                await anyio.sleep(_SECONDS_BETWEEN_LOOKS)
                waits = list(self._waits) if self._holders() else None
                if waits is not None and waits == stuck:
                    waits[-1].refuse()
                stuck = waits
        self._is_watched = False

    def _no_slot_left(self, wait: NestedWait) -> WouldDeadlock:
        capacity = self._resources.slots.capacity
        slots = "the only slot is" if capacity == 1 else f"all {capacity} slots are"
        message = (
            f"task {wait.attempt.task.definition.id!r} would keep its slot while it waits for an execution of its own "
            f"runner, and {slots} held by tasks that wait like that: none is left to run what they wait for. {_MEND}, "
            "or let max_concurrent_tasks be greater than the number of such tasks"
        )
        return WouldDeadlock(message)

    def _tell_once(self, wait: NestedWait) -> None:
        task = wait.attempt.task
        if task.definition.id not in self._known:
            self._known.add(task.definition.id)
            logger.warning(
                "task %r keeps its slot while it waits for an execution of its own runner; with as many such tasks as "
                "slots, one of them fails. %s",
                task.definition.id,
                _MEND,
                extra={"execution_id": task.execution_id, "task_id": task.definition.id},
            )
