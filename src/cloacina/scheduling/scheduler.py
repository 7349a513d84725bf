"""All executions that a runner is running."""

from __future__ import annotations

import contextvars
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anyio.lowlevel

from cloacina.errors import RunnerClosed
from cloacina.execution import turns
from cloacina.execution.turns import take_portion
from cloacina.membrane import Log
from cloacina.scheduling.execution_run import ExecutionRun
from cloacina.scheduling.merging import ContextMerger
from cloacina.scheduling.restoring import encoded
from cloacina.store import requests
from cloacina.store.changes import NEW_EXECUTION
from cloacina.store.records import SignalKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from cloacina.errors import StoreWriteFailed
    from cloacina.execution.event_loop import OneShot
    from cloacina.execution.resources import Resources
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.store.changes import Change, Unit
    from cloacina.store.claims import StoredExecution
    from cloacina.store.connection import Connection
    from cloacina.store.lookup import StoredSignal
    from cloacina.store.requests import Outcome
    from cloacina.workflow import Workflow

    Transact: TypeAlias = Callable[
        [Callable[[Connection], Outcome], Callable[[Future[Outcome]], None]], Future[Outcome]
    ]

logger = Log("cloacina.scheduling")

_NAMED_AT_MOST = 5


class Remains(NamedTuple):
    """What has not ended of executions when their runner has.

    Attributes:
        kept: Those that nobody else may begin: a body of them goes on.
        cancelled: Those that were cancelled, and whose tasks still clean up.
    """

    kept: Sequence[str]
    cancelled: Sequence[str]


NOTHING = Remains((), ())


class Scheduler:
    """Starts executions, and knows those that have not ended.

    Args:
        resources: What they run on.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._runs: dict[str, ExecutionRun] = {}
        # Those of them that were not submitted here.
        self._taken_up: set[str] = set()
        self._awaited: list[tuple[OneShot[None], Callable[[], bool]]] = []
        self._is_left = False
        self.failure: BaseException | None = None
        """What broke the runner down."""
        self.on_slot_freed: Callable[[TaskExecution, int], None] = _ignore
        """Called with a task and a slot that its thread has kept, when both its execution and the thread have ended."""
        self.on_change: Callable[[ExecutionRun], None] | None = None
        """Called with each execution that is taken up, and that has ended."""
        self.on_retry: Callable[[], None] = _nothing
        """Called when somebody asks to retry executions that have ended here, by what is stored."""
        self.is_closed = False
        """Whether nothing new is taken on, because the runner is left."""

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, execution_id: str) -> ExecutionRun | None:
        """Return an execution that has not ended."""
        return self._runs.get(execution_id)

    async def execute(self, workflow: Workflow, context: Mapping[str, str]) -> ExecutionRun:
        """Store an execution and start it; return when it has ended.

        Args:
            workflow: What to run.
            context: The initial context: JSON text by key.

        Raises:
            StoreWriteFailed: The database refused the execution, or the runner has broken down.
        """
        self.raise_failure()
        variables = contextvars.copy_context()
        run = ExecutionRun(workflow, ContextMerger(workflow), context, variables, self._resources, self)
        self._resources.write(run.creation(workflow.version), run.start)
        # Only what is on its way: nobody could end an execution that failed to be made.
        self._runs[run.id] = run
        await self.wait(run)
        return run

    async def submit(self, workflow: Workflow, contexts: Sequence[Mapping[str, str]]) -> list[ExecutionRun]:
        """Store executions in one transaction and start them; return when that is committed.

        Args:
            workflow: What to run.
            contexts: The initial context of each execution: JSON text by key.

        Raises:
            RunnerClosed: The runner was left before they could be stored.
            StoreWriteFailed: The database refused them, or the runner has broken down. None of them is stored.
        """
        version = workflow.version
        merger = ContextMerger(workflow)
        variables = contextvars.copy_context()
        runs: list[ExecutionRun] = []
        batch: list[Change] = []
        size = len(workflow.graph.tasks)
        portion = max(1, turns.STEPS_PER_TURN // size)
        for begin in range(0, len(contexts), portion):
            if begin:
                await anyio.lowlevel.checkpoint()
            for context in contexts[begin : begin + portion]:
                run = ExecutionRun(workflow, merger, context, variables, self._resources, self)
                runs.append(run)
                batch += run.creation(version)
        self.raise_failure()
        if self.is_closed:
            message = "the runner was left while executions were being submitted, and none of them is stored"
            raise RunnerClosed(message)
        committed: OneShot[None] = self._resources.loop.one_shot()

        def start() -> None:
            if not committed.done():
                committed.set_result(None)
            # One that has one task is one step.
            self._go_through(map(ExecutionRun.start, runs) if size == 1 else _each(runs, ExecutionRun.start))

        self._resources.write(batch, start)
        for run in runs:
            self._runs[run.id] = run
        await self._wait(runs[0], committed)
        return runs

    async def submit_once(
        self, workflow: Workflow, context: Mapping[str, str], key: str, transact: Transact
    ) -> tuple[Outcome, ExecutionRun | None]:
        """Store an execution and start it, unless its workflow has one of that key; return when that is committed.

        Args:
            workflow: What to run.
            context: The initial context: JSON text by key.
            key: What no other execution of the workflow may have.
            transact: The store's.

        Returns:
            What came of it, and the execution if it has not ended and is this runner's.

        Raises:
            StoreWriteFailed: It could not be stored.
        """
        self.raise_failure()
        resources = self._resources
        run = ExecutionRun(workflow, ContextMerger(workflow), context, contextvars.copy_context(), resources, self)
        now = resources.clock.time()
        new = run.stored_apart(workflow.version, now)
        committed: OneShot[None] = resources.loop.one_shot()

        def settle(done: Future[Outcome]) -> None:
            # Also when nobody waits for it any more: what is stored is run.
            if done.exception() is None and done.result().is_new:
                run.start()
            else:
                self.run_ended(run)
            if not committed.done():
                committed.set_result(None)

        request = partial(requests.submit, executions=[new], now=now, key=key, runner_id=resources.runner_id)
        stored = transact(request, settle)
        # Whoever leaves the runner waits until that is settled.
        self._runs[run.id] = run
        await committed
        outcome = stored.result()
        return outcome, self._runs.get(outcome.execution_id)

    def take_up(self, stored: StoredExecution, workflow: Workflow, *, is_own: bool = False) -> None:
        """Go on with an execution that this runner has claimed.

        Args:
            stored: What was left of it.
            workflow: Its workflow, as it is now.
            is_own: Whether it counts as submitted here: somebody has asked this runner for it.
        """
        merger, variables = ContextMerger(workflow), contextvars.copy_context()
        run = ExecutionRun(workflow, merger, encoded(stored.context), variables, self._resources, self, stored)
        self._runs[run.id] = run
        if not is_own:
            self._taken_up.add(run.id)
        run.store_new_tasks()
        if self.on_change is not None:
            self.on_change(run)
        self.deliver(stored.signals)
        run.take_up()

    def adopt(self, execution_id: str) -> None:
        """Let an execution count as submitted here."""
        self._taken_up.discard(execution_id)

    def deliver(self, signals: Sequence[StoredSignal]) -> None:
        """Hand signals that are stored to the executions that they are for, as far as those are this runner's."""
        for signal in signals:
            run = self._runs.get(signal.execution_id)
            if signal.kind == SignalKind.RETRY:
                # Of one that has ended: this runner may not have heard of that yet, and the store knows.
                self.on_retry()
            elif run is not None:
                run.deliver(signal)

    async def wait(self, run: ExecutionRun) -> None:
        """Return when an execution has ended.

        Raises:
            StoreWriteFailed: The database refused the execution, or the runner has broken down.
        """
        if not run.is_over:
            self._raise_end(run)
            await self._wait(run, self._resources.loop.one_shot())

    async def _wait(self, run: ExecutionRun, waiter: OneShot[None]) -> None:
        run.add_waiter(waiter)
        try:
            await waiter
        finally:
            run.remove_waiter(waiter)
        if not run.is_over:
            self._raise_end(run)
            if run.unstored is not None:
                raise run.unstored

    def _raise_end(self, run: ExecutionRun) -> None:
        """Raise why nobody hears of an execution's end any more, if that is so."""
        self.raise_failure()
        if self._is_left:
            message = f"the runner was left before execution {run.id} had ended; it stays as it is stored"
            raise RunnerClosed(f"{message}, and any runner that knows its workflow goes on with it")

    @property
    def runs(self) -> list[ExecutionRun]:
        """The executions that have not ended."""
        return list(self._runs.values())

    @property
    def own(self) -> list[ExecutionRun]:
        """Those of them that were submitted here, or asked for."""
        return [run for run in self._runs.values() if run.id not in self._taken_up]

    @property
    def is_own_over(self) -> bool:
        """Whether all of those have ended."""
        return len(self._runs) == len(self._taken_up)

    async def cancel(self, runs: Sequence[ExecutionRun]) -> None:
        """Cancel executions and take on no more; return when they know, before they have ended."""
        self.is_closed = True
        await _through(_each(runs, ExecutionRun.cancel))

    async def leave(self) -> None:
        """End every body for this runner, and tell all who wait; return when they know, before the bodies have ended.

        Nothing is taken on or begun any more.
        """
        self._is_left = self.is_closed = True
        await _through(_each(self.runs, ExecutionRun.leave))

    def remains(self, *, is_loop_alive: bool) -> Remains:
        """Return what has not ended, of a runner that was left or whose loop has ended."""
        runs = self._runs.values()
        kept = [
            run.id
            for run in runs
            if any(each.is_at_work and (is_loop_alive or not each.is_async) for each in run.bodies)
        ]
        return Remains(kept, [run.id for run in runs if run.is_being_cancelled])

    def bodies(self) -> str | None:
        """Return which bodies have not ended, in words; None when all have."""
        found = [f"{task!r} of execution {run.id}" for run in self._runs.values() for task in run.unfinished]
        more = [f"{len(found) - _NAMED_AT_MOST} more"] if len(found) > _NAMED_AT_MOST else []
        return ", ".join(found[:_NAMED_AT_MOST] + more) or None

    async def until(self, is_reached: Callable[[], bool]) -> None:
        """Return when something is so: asked when an execution has ended, when all breaks down, and by `look`."""
        waiter: OneShot[None] = self._resources.loop.one_shot()
        awaited = waiter, is_reached
        self._awaited.append(awaited)
        try:
            self.look()
            await waiter
        finally:
            self._awaited.remove(awaited)

    def look(self) -> None:
        """Let those go on who wait for what is so now."""
        for waiter, is_reached in self._awaited:
            if not waiter.done() and is_reached():
                waiter.set_result(None)

    def break_down(self, failure: BaseException) -> None:
        """Give up: nothing can be stored any more, or the engine itself has failed. Everyone who waits is told."""
        if self.failure is not None:
            return
        self.failure = failure
        runs = list(self._runs.values())
        for run in runs:
            run.wake()
        self.look()
        self._go_through(_each(runs, _cancel))
        logger.critical("the runner has broken down; %d executions are given up", len(runs), exc_info=failure)

    def _go_through(self, steps: Iterator[None]) -> None:
        """Take steps, a portion in each turn of the loop, so that others have theirs."""
        if take_portion(steps):
            self._resources.call_next_turn(partial(self._go_through, steps))

    def raise_failure(self) -> None:
        """Raise what broke the runner down, if anything has."""
        if self.failure is not None:
            raise self.failure

    def unit_refused(self, unit: Unit, failure: StoreWriteFailed) -> None:
        """Take it that changes are not stored: the executions that they belong to fail, and no others."""
        is_creation = unit[0][0] == NEW_EXECUTION
        for execution_id in dict.fromkeys(change[-1] for change in unit):
            run = self._runs.get(execution_id)
            if run is None:
                # What comes after the end, such as the end of a given-up thread, of an execution that was deleted.
                logger.debug("of execution %s, which has ended: %s", execution_id, failure)
            elif is_creation:
                run.creation_refused(failure)
            elif self.failure is None:
                run.refused(unit, failure)
            elif run.has_ended:
                self.run_ended(run)

    def run_ended(self, run: ExecutionRun) -> None:
        """Forget a run: its end is committed, or cannot be."""
        self._runs.pop(run.id, None)
        self._taken_up.discard(run.id)
        if self._awaited:
            self.look()
        if self.on_change is not None and run.is_over:
            self.on_change(run)

    def slot_freed_late(self, task: TaskExecution, slot: int) -> None:
        """Store that a slot is free whose execution has ended before; if it was retried, it may be going on here."""
        run = self._runs.get(task.execution_id)
        if run is None or run.status.is_final:
            self.on_slot_freed(task, slot)
        else:
            run.tell_slot_freed(task, slot)


async def _through(steps: Iterator[None]) -> None:
    """Take steps, a portion in each turn of the loop, so that others have theirs."""
    while take_portion(steps):
        await anyio.lowlevel.checkpoint()


def _each(runs: Sequence[ExecutionRun], do: Callable[[ExecutionRun], None]) -> Iterator[None]:
    """Do something with each execution, in as many steps as it has tasks."""
    for run in runs:
        do(run)
        yield from repeat(None, min(len(run.tasks), turns.STEPS_PER_TURN))


def _cancel(run: ExecutionRun) -> None:
    try:
        run.cancel()
    except Exception:
        logger.exception("execution %s cannot be cancelled", run.id)


def _nothing() -> None:
    """Nobody wants to know."""


def _ignore(task: TaskExecution, slot: int) -> None:
    """Nobody stores it."""
