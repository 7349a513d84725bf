"""One execution while it runs: which task is ready, retried or skipped, and when the whole has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol

from cloacina.context import decode, encode_mapping
from cloacina.errors import TaskCrashed
from cloacina.execution.attempt import Attempt
from cloacina.execution.ids import new_id
from cloacina.execution.inbox import Signal
from cloacina.execution.task_execution import SharedByTasks, TaskExecution
from cloacina.execution.turns import take_portion
from cloacina.large_json import LARGE_TEXT
from cloacina.membrane import Log
from cloacina.scheduling.changed_code import unused_answers
from cloacina.scheduling.clean_up import CleanUps, is_to_be_cleaned_up
from cloacina.scheduling.contexts import Contexts, nothing_written
from cloacina.scheduling.failure import error_record
from cloacina.scheduling.judging import judge
from cloacina.scheduling.restoring import Restored, restore
from cloacina.scheduling.results import TaskRecords
from cloacina.store import changes
from cloacina.store.records import (
    ErrorRecord,
    EventType,
    ExecutionResult,
    ExecutionStatus,
    SignalKind,
    TaskStatus,
    in_a_line,
)
from cloacina.store.requests import NewExecution, NewTask

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cloacina.errors import StoreWriteFailed, WorkflowChanged
    from cloacina.execution.event_loop import OneShot
    from cloacina.execution.inbox import Inbox
    from cloacina.execution.memos import Memos
    from cloacina.execution.outcome import Outcome
    from cloacina.execution.resources import Resources
    from cloacina.execution.waiting.timers import Timer
    from cloacina.scheduling.changed_code import ChangedTask
    from cloacina.scheduling.clean_up import CleanUp
    from cloacina.scheduling.contexts import Seen
    from cloacina.scheduling.merging import ContextMerger
    from cloacina.store.changes import Change, Unit
    from cloacina.store.claims import StoredExecution
    from cloacina.store.lookup import StoredSignal
    from cloacina.workflow import Workflow

P = ParamSpec("P")

MOST_RECOVERIES = 3
"""How often a task is begun again whose process ended while it held a slot."""

logger = Log("cloacina.scheduling")

_FINAL_EVENTS = {
    TaskStatus.COMPLETED: EventType.TASK_COMPLETED,
    TaskStatus.FAILED: EventType.TASK_FAILED,
    TaskStatus.CANCELLED: EventType.TASK_CANCELLED,
    TaskStatus.SKIPPED: EventType.TASK_SKIPPED,
}
_EXECUTION_EVENTS = {
    ExecutionStatus.COMPLETED: EventType.EXECUTION_COMPLETED,
    ExecutionStatus.FAILED: EventType.EXECUTION_FAILED,
    ExecutionStatus.CANCELLED: EventType.EXECUTION_CANCELLED,
}


def _fails_alone(
    callback: Callable[Concatenate[ExecutionRun, P], None],
) -> Callable[Concatenate[ExecutionRun, P], None]:
    """Let an error of the engine's own in a callback fail the execution whose callback it is, and nothing else."""

    @wraps(callback)
    def guarded(run: ExecutionRun, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(run, *args, **kwargs)
        except BaseException as error:
            run.fail(error)
            if isinstance(error, KeyboardInterrupt):
                raise

    return guarded


class RunOwner(Protocol):
    """Who made a run."""

    def run_ended(self, run: ExecutionRun) -> None:
        """Forget a run: its end is committed, or cannot be."""
        ...

    def slot_freed_late(self, task: TaskExecution, slot: int) -> None:
        """Store that a slot is free, of an execution whose end is on its way to the store or there."""
        ...


class ExecutionRun:
    """One execution, from its submission to its end; all of it on the loop's thread.

    Args:
        workflow: What is run.
        merger: The workflow's rules for merging contexts.
        context: The initial context: JSON text by key.
        variables: The context variables of the submitter, which the bodies see.
        resources: What it runs on.
        owner: Told when its end is committed, or cannot be.

    Attributes:
        unstored: Why there is no such execution: the database refused it. None while that is not so.
    """

    __slots__ = (
        "_attempts",
        "_cancelled_by",
        "_clean_ups",
        "_context",
        "_contexts",
        "_created_at",
        "_end",
        "_final",
        "_finished_at",
        "_is_left",
        "_is_taken_up",
        "_merger",
        "_missing",
        "_owner",
        "_remaining",
        "_resources",
        "_restored",
        "_result",
        "_retries",
        "_shared",
        "_started_at",
        "_variables",
        "_verdict",
        "_waiters",
        "error",
        "id",
        "is_over",
        "status",
        "tasks",
        "unstored",
        "workflow",
    )

    judge = staticmethod(judge)

    def __init__(
        self,
        workflow: Workflow,
        merger: ContextMerger,
        context: Mapping[str, str],
        variables: contextvars.Context,
        resources: Resources,
        owner: RunOwner,
        stored: StoredExecution | None = None,
    ) -> None:
        self.workflow = workflow
        self.error: ErrorRecord | None = None
        self.is_over = False
        self.unstored: StoreWriteFailed | None = None
        self._merger = merger
        self._context = self._final = context
        self._variables = variables
        self._resources = resources
        self._owner = owner
        # What the tasks have written; there is none before one has, or depends on another.
        self._contexts: Contexts | None = None
        # How many dependencies of a task have not completed; it has an entry from the first that has.
        self._missing: dict[int, int] | None = None
        self._restored: Restored | None = None
        self._is_left = False
        self._cancelled_by: str | None = None
        self._is_taken_up = stored is not None
        graph = workflow.graph
        if stored is None:
            self.id = execution_id = new_id()
            self.status = ExecutionStatus.PENDING
            self._created_at = 0.0
            self._started_at: float | None = None
            self._shared = shared = SharedByTasks()
            self.tasks = [
                TaskExecution(
                    new_id(),
                    execution_id,
                    definition,
                    position,
                    TaskStatus.PENDING if dependencies else TaskStatus.READY,
                    shared,
                )
                for position, (definition, dependencies) in enumerate(zip(graph.tasks, graph.dependencies, strict=True))
            ]
            self._remaining = len(self.tasks)
        else:
            self.id = stored.id
            self.status = ExecutionStatus(stored.status)
            self._created_at, self._started_at = stored.created_at, stored.started_at
            self._shared = shared = SharedByTasks(stored.events)
            self._restored = restored = restore(stored, workflow, merger, shared)
            self.tasks, self._missing = restored.tasks, restored.missing
            self._open_contexts().restore(restored.states, self.tasks)
            self._remaining = sum(not task.status.is_final for task in self.tasks)
        self._attempts: dict[int, Attempt] = {}
        self._retries: dict[int, Timer] | None = None
        self._finished_at = 0.0
        # How it ends, whatever its tasks come to: it was cancelled, or failed as a whole. Nothing begins any more.
        self._verdict: ExecutionStatus | None = None
        # What is cleaned up behind it, once a user has cancelled it.
        self._clean_ups: CleanUps | None = None
        # The changes that store the end of one that failed as a whole.
        self._end: Unit | None = None
        self._waiters: list[OneShot[None]] | None = None
        self._result: ExecutionResult | None = None

    @property
    def inbox(self) -> Inbox:
        """The signals that have not taken effect, and who waits for them."""
        return self._shared.inbox

    # ── From the submission to the start ─────────────────────────────────────────────────────────────────────────────

    def creation(self, version: str) -> list[Change]:
        """Return the changes that store this execution as new."""
        self._created_at = now = self._resources.clock.time()
        return [
            changes.new_execution(
                self.id,
                self.workflow.name,
                version,
                encode_mapping(self._context),
                now,
                self._resources.runner_id,
            ),
            *[task.creation() for task in self.tasks],
            self._event(EventType.EXECUTION_CREATED, now),
        ]

    def stored_apart(self, version: str, now: float) -> NewExecution:
        """Return what stores this execution as new in a request, which asks first whether there is one already."""
        self._created_at = now
        next(self._shared.event_numbers)  # Of the event that tells of it.
        tasks = [NewTask(task.id, task.definition.id, task.status) for task in self.tasks]
        return NewExecution(self.id, self.workflow.name, version, encode_mapping(self._context), tasks)

    @_fails_alone
    def start(self) -> None:
        """Start the tasks that depend on nothing; called when the creation is committed."""
        if self._verdict is not None or self.is_over:
            return
        roots = self.workflow.graph.roots
        if len(roots) == 1:
            self._attempt(roots[0], self._context)
        else:
            self._go_through(map(self._begin, roots))

    def _begin(self, position: int) -> None:
        if self._verdict is None:
            self._attempt(position, self._context)

    @_fails_alone
    def _go_through(self, steps: Iterator[object]) -> None:
        """Take steps, a portion in each turn of the loop, so that others have theirs."""
        if take_portion(steps):
            self._go_on_with(steps)

    def _go_on_with(self, steps: Iterator[object]) -> None:
        self._resources.call_next_turn(partial(self._go_through, steps))

    def store_new_tasks(self) -> None:
        """Store the tasks that its workflow did not have before: first of all, when the claim is committed."""
        if self._restored is not None and self._restored.changes:
            self._resources.write(self._restored.changes)

    @_fails_alone
    def take_up(self) -> None:
        """Go on where another runner, or this one's process before, has left; called when the claim is committed."""
        restored, self._restored = self._restored, None
        if restored is None:
            return
        if restored.failure is not None:
            raise restored.failure
        for task in self.tasks:
            if task.status is TaskStatus.FAILED and self.error is None and task.error is not None:
                self.error = ErrorRecord.from_json(task.error)
        now = self._resources.clock.time()
        refused = self._refused_for_their_code(restored.changed, now)
        if self._remaining:
            self._go_through(map(partial(self._take_up_task, refused), range(len(self.tasks))))
        elif self._verdict is None:
            self._end_with([], now)

    def _refused_for_their_code(self, changed: Sequence[ChangedTask], now: float) -> Mapping[int, WorkflowChanged]:
        """Tell of tasks whose code has changed, and return the errors of those that may not go on with it."""
        refused: dict[int, WorkflowChanged] = {}
        for each in changed:
            task = self.tasks[self.workflow.graph.index[each.stored.task_id]]
            self._resources.write((task.event(EventType.TASK_CODE_CHANGED, now, detail=each.detail()),))
            if each.on_change == "fail":
                refused[task.position] = each.refusal()
            else:
                each.warn()
        return refused

    def _take_up_task(self, refused: Mapping[int, WorkflowChanged], position: int) -> None:
        task = self.tasks[position]
        if self._verdict is not None or position in self._attempts:
            return
        if position in refused:
            error = error_record(refused[position], task.definition.id, task.attempt or None)
            self._fail(position, error, self._resources.clock.time(), None)
        elif task.status in {TaskStatus.READY, TaskStatus.RUNNING}:
            self._recover(task)
        elif task.status is TaskStatus.PENDING and task.due_at is not None:
            self._retry_later(position, max(0.0, task.due_at - self._resources.clock.time()))
        elif task.status is TaskStatus.PENDING and self._is_free(position):
            self._see(position, self._is_seen)

    def _is_free(self, position: int) -> bool:
        return all(
            self.tasks[dependency].status is TaskStatus.COMPLETED
            for dependency in self.workflow.graph.dependencies[position]
        )

    def _recover(self, task: TaskExecution) -> None:
        """Begin a task again, in the same attempt; fail one that takes its process down each time."""
        now = self._resources.clock.time()
        if task.recoveries > MOST_RECOVERIES:
            message = (
                f"the process ended {task.recoveries} times while task {task.definition.id!r} held a slot, and it is "
                "not begun again"
            )
            error = error_record(TaskCrashed(message), task.definition.id, task.attempt)
            self._fail(task.position, error, now, None)
            return
        if task.status is TaskStatus.RUNNING:
            self._resources.write((task.event(EventType.TASK_RECOVERED, now),))
            task.sub_status = None
            task.attempt -= 1  # It is counted again when it begins.
        elif task.memos is not None:
            task.memos.start_anew()
        self._attempt_again(task.position)

    def _attempt_again(self, position: int) -> None:
        """Queue a task for a slot that saw its context before, and has to be told anew."""
        if self.workflow.graph.dependencies[position]:
            self._see(position, self._sees_again)
        else:
            self._attempt(position, self._context)

    @_fails_alone
    def _sees_again(self, position: int, seen: Seen) -> None:
        if self._verdict is None and not self._is_refused(position, seen):
            self._attempt(position, seen.values)

    # ── Tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _attempt(self, position: int, base: Mapping[str, str]) -> None:
        """Queue the next attempt of a task for a slot."""
        task = self.tasks[position]
        task.attempt += 1
        # A body may be what took the process down before it could be stored that it had begun.
        task.is_suspect = self._is_taken_up
        if task.definition.requires_handle:
            task.source_version = self.workflow.source_version(task.definition.id)
        attempt = self._attempts[position] = Attempt(
            self._resources,
            task,
            base,
            self._variables,
            self,
        )
        attempt.start()

    def _see(self, position: int, then: Callable[[int, Seen], None]) -> None:
        """Find out what a task sees whose dependencies have completed; `then` is called, now or later."""
        contexts = self._contexts or self._open_contexts()
        if (seen := contexts.see(position, then)) is not None:
            then(position, seen)

    def _open_contexts(self) -> Contexts:
        graph, resources = self.workflow.graph, self._resources
        self._contexts = Contexts(graph, self._merger, self._context, self._variables, resources)
        return self._contexts

    def attempt_started(self, now: float) -> list[Change]:
        """Return what is to be stored with the start of the first attempt."""
        if self._started_at is not None:
            return []
        # A clock that was set back makes no negative durations.
        self._started_at = max(now, self._created_at)
        self.status = ExecutionStatus.RUNNING
        return [
            changes.execution_state(self.id, self.status, self._started_at, None, None, None),
            self._event(EventType.EXECUTION_STARTED, now),
        ]

    def attempt_ended(self, attempt: Attempt, outcome: Outcome, slot: int | None) -> None:
        """Take the outcome of an attempt: complete the task, retry it, or fail it and skip what depends on it."""
        task = attempt.task
        position = task.position
        del self._attempts[position]
        if self._is_left:
            self._body_is_left()
            return
        now = self._resources.clock.time()
        if outcome.status is TaskStatus.COMPLETED:
            self._complete(position, outcome, now, slot)
        elif outcome.error is None:
            self._cancelled(task, attempt.base, now, slot)
        elif outcome.delay is None or self._verdict is not None:
            self._fail(position, outcome.error, now, slot)
        else:
            self._retry(attempt, outcome.error, outcome.delay, now, slot)

    def slot_freed(self, task: TaskExecution, slot: int) -> None:
        """Store that the thread of a task that had ended has ended too; the execution may have, and begun again."""
        if self.status.is_final:
            self._owner.slot_freed_late(task, slot)
        else:
            self.tell_slot_freed(task, slot)

    def tell_slot_freed(self, task: TaskExecution, slot: int) -> None:
        """Store that as an event of this run, whether it is the one that the thread belonged to or not."""
        task.shared = self._shared
        self._resources.write((task.event(EventType.SLOT_FREED, self._resources.clock.time(), slot),))

    def attempt_broke(self, attempt: Attempt, error: BaseException) -> None:
        """Take an error of the engine's own that came up with an attempt: it fails the execution."""
        if attempt.has_ended and self._attempts.get(attempt.task.position) is attempt:
            del self._attempts[attempt.task.position]
        if self._is_left:
            logger.error("a body of execution %s, which is left, could not be ended", self.id, exc_info=error)
            self._body_is_left()
        else:
            self.fail(error, attempt.task)

    def _complete(self, position: int, outcome: Outcome, now: float, slot: int | None) -> None:
        task = self.tasks[position]
        task.changes = outcome.changes_json
        if outcome.changes:
            (self._contexts or self._open_contexts()).completed(position, outcome)
        task.error = None
        if (task.memos or task.checkpoints) is not None and (unused := unused_answers(task, now)):
            self._resources.write(unused)
        release = partial(self._release_dependents, position) if self._remaining > 1 else None
        self._finish_task(task, TaskStatus.COMPLETED, now, slot, on_commit=release)

    def _retry(self, attempt: Attempt, record: ErrorRecord, delay: float, now: float, slot: int | None) -> None:
        task = attempt.task
        task.status = TaskStatus.PENDING
        task.sub_status = None
        task.due_at = now + delay
        task.error = record.to_json()
        detail = json.dumps({"delay": round(delay, 6), "error": in_a_line(record)})
        if task.memos is not None:
            self._end_left_waits(task, task.memos)
        self._resources.write((task.state(), task.event(EventType.TASK_RETRYING, now, slot, detail)))
        self._retry_later(task.position, delay, attempt.base)
        message = "attempt %(attempt)d of task %(task)r failed, the next follows in %(delay).3g s: %(error)s"
        self._log(logger.info, message, task, record, delay)

    def _retry_later(self, position: int, delay: float, base: Mapping[str, str] | None = None) -> None:
        if self._retries is None:
            self._retries = {}
        self._retries[position] = self._resources.timers.call_after(delay, partial(self._retry_is_due, position, base))

    @_fails_alone
    def _retry_is_due(self, position: int, base: Mapping[str, str] | None) -> None:
        if self._retries is not None:
            del self._retries[position]
        if base is not None:
            self._begin_anew(position, base)
        elif self.workflow.graph.dependencies[position]:
            self._see(position, self._sees_anew)
        else:
            self._begin_anew(position, self._context)

    @_fails_alone
    def _sees_anew(self, position: int, seen: Seen) -> None:
        if self._verdict is None and not self._is_refused(position, seen):
            self._begin_anew(position, seen.values)

    def _begin_anew(self, position: int, base: Mapping[str, str]) -> None:
        """Queue the attempt for a slot that follows a failed one."""
        task = self.tasks[position]
        task.status = TaskStatus.READY
        task.due_at = None
        if task.memos is not None:
            self._end_left_waits(task, task.memos)
            task.memos.start_anew()
        if task.checkpoints is not None:
            task.checkpoints.start()
        self._resources.write((task.state(), task.event(EventType.TASK_READY, self._resources.clock.time())))
        self._attempt(position, base)

    def _fail(self, position: int, record: ErrorRecord, now: float, slot: int | None) -> None:
        task = self.tasks[position]
        task.error = record.to_json()
        if self.error is None:
            self.error = record
        self._finish_task(task, TaskStatus.FAILED, now, slot)
        self._go_through(self._skip_descendants(position, now))
        if task.attempt:
            self._log(logger.warning, "attempt %(attempt)d of task %(task)r failed, the last: %(error)s", task, record)
        else:
            self._log(logger.warning, "task %(task)r cannot start: %(error)s", task, record)

    def _skip_descendants(self, position: int, now: float) -> Iterator[None]:
        detail = json.dumps({"because": self.tasks[position].definition.id})
        pending = list(self.workflow.graph.dependents[position])
        while pending:
            task = self.tasks[pending.pop()]
            if task.status is TaskStatus.PENDING:
                pending.extend(self.workflow.graph.dependents[task.position])
                self._finish_task(task, TaskStatus.SKIPPED, now, detail=detail)
            yield

    def _finish_task(
        self,
        task: TaskExecution,
        status: TaskStatus,
        now: float,
        slot: int | None = None,
        *,
        on_commit: Callable[[], None] | None = None,
        detail: str | None = None,
    ) -> None:
        """Store the end of a task; with the last one, the end of the execution."""
        task.finish(status, now)
        if task.memos is not None:
            self._end_left_waits(task, task.memos)
        self._remaining -= 1
        unit = [task.state(), task.event(_FINAL_EVENTS[status], now, slot, detail)]
        if self._remaining:
            self._resources.write(unit, on_commit)
        else:
            self._end_with(unit, now)

    def _end_left_waits(self, task: TaskExecution, memos: Memos) -> None:
        """Store the end of waits that an earlier run of the body had begun, and this one has not come to."""
        now = self._resources.clock.time()
        if ends := [changes.wait_ended(memo.id, task.execution_id, "dropped", now) for memo in memos.left_open()]:
            self._resources.write(ends)

    @_fails_alone
    def _release_dependents(self, position: int) -> None:
        """Start what waited for this task only; called when its completion is committed."""
        if self._verdict is not None or self.is_over:
            return
        contexts = self._contexts or self._open_contexts()
        contexts.drop_superseded(position)
        if self._missing is None:
            self._missing = {}
        dependents = self.workflow.graph.dependents[position]
        if len(dependents) == 1:
            self._release(contexts, dependents[0])
        elif take_portion(steps := map(partial(self._release, contexts), dependents)):
            self._go_on_with(steps)

    def _release(self, contexts: Contexts, position: int) -> None:
        if self._missing is None or self._verdict is not None:
            return
        missing = self._missing.get(position, len(self.workflow.graph.dependencies[position])) - 1
        self._missing[position] = missing
        if not missing and (seen := contexts.see(position, self._is_seen)) is not None:
            self._is_ready(position, seen)

    @_fails_alone
    def _is_seen(self, position: int, seen: Seen) -> None:
        self._is_ready(position, seen)

    def _is_ready(self, position: int, seen: Seen) -> None:
        """Start a task that sees this, unless it was cancelled meanwhile."""
        task = self.tasks[position]
        if self._verdict is not None or task.status is not TaskStatus.PENDING:
            return
        if self._is_refused(position, seen):
            return
        now = self._resources.clock.time()
        task.status = TaskStatus.READY
        self._resources.write((task.state(), task.event(EventType.TASK_READY, now)))
        self._attempt(position, seen.values)

    def _is_refused(self, position: int, seen: Seen) -> bool:
        """Fail a task for which there is no context: its values conflict, or cannot be merged."""
        task = self.tasks[position]
        record = seen.error
        if record is None and seen.conflicts:
            conflict = self._merger.conflict(seen.conflicts, f"task {task.definition.id!r}")
            record = error_record(conflict, None, None)
        if record is None:
            return False
        self._fail(position, replace(record, task_id=task.definition.id), self._resources.clock.time(), None)
        return True

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @_fails_alone
    def deliver(self, signal: StoredSignal) -> None:
        """Take a signal that is stored: for a task, or to be cancelled."""
        if signal.kind in {SignalKind.SIGNAL, SignalKind.ANSWER}:
            self._shared.inbox.deliver([Signal(signal.id, signal.name, signal.payload, signal.sender)])
        elif not self._shared.inbox.is_told(signal.id) and not self.status.is_final:
            self.cancel_for_user(signal.id)

    def cancel(self) -> None:
        """Cancel what has not ended; the execution ends when every async body has cleaned up."""
        if self._verdict is not None or self.is_over or self.status.is_final:
            return
        self._verdict = ExecutionStatus.CANCELLED
        self._stop()

    def cancel_for_user(self, signal_id: str | None) -> None:
        """Cancel because a user asked for it: what tasks have begun in the outside world is cleaned up.

        Args:
            signal_id: The message that asks for it, if it came by one.
        """
        if self._verdict is None and not self.status.is_final and any(map(is_to_be_cleaned_up, self.tasks)):
            self._clean_ups = CleanUps(self._resources, self._variables, self._is_clean)
            if signal_id is None:
                # As if it had come by a message, so that the next process knows of it if this one dies.
                signal_id, now = new_id(), self._resources.clock.time()
                self._shared.inbox.is_told(signal_id)  # It will come back from the store.
                self._resources.write((changes.new_signal(signal_id, self.id, SignalKind.CANCEL, "", None, now),))
        if signal_id is not None:
            # It has taken effect when the end is stored: if the process dies before, the next one cancels.
            self._cancelled_by = signal_id
        self.cancel()

    def _cancelled(self, task: TaskExecution, base: Mapping[str, str] | None, now: float, slot: int | None) -> None:
        """End a task that was cancelled; clean up behind it first, if there is something to."""
        clean_ups = self._clean_ups
        if clean_ups is None or self._verdict is not ExecutionStatus.CANCELLED or not is_to_be_cleaned_up(task):
            self._finish_task(task, TaskStatus.CANCELLED, now, slot)
        elif base is not None:
            clean_ups.start(task, base)
        elif self.workflow.graph.dependencies[task.position]:
            self._see(task.position, self._sees_what_to_clean_up)
        else:
            clean_ups.start(task, self._context)

    @_fails_alone
    def _sees_what_to_clean_up(self, position: int, seen: Seen) -> None:
        if self._clean_ups is not None:
            self._clean_ups.start(self.tasks[position], seen.values)

    @_fails_alone
    def _is_clean(self, task: TaskExecution, error: ErrorRecord | None) -> None:
        """End a task whose clean-up has ended; what that raised changes nothing of it."""
        if self._is_left:  # Another runner does it again.
            self._body_is_left()
            return
        now = self._resources.clock.time()
        detail = None
        if error is not None:
            detail = json.dumps({"error": in_a_line(error)})
            self._log(logger.error, "on_cancel of task %(task)r failed: %(error)s", task, error)
        self._resources.write((task.event(EventType.TASK_CLEANED_UP, now, detail=detail),))
        if not task.status.is_final:
            self._finish_task(task, TaskStatus.CANCELLED, now)

    def fail(self, error: BaseException, task: TaskExecution | None = None) -> None:
        """End the execution as Failed for a reason that is not its tasks': neither engine nor store can go on with it.

        What has not ended is cancelled, and the execution ends when every async body has cleaned up. Called once more
        because that end cannot be stored either, it ends without it: who waits is told in any case.

        Args:
            error: The reason. The first error of an execution is the one that its result shows.
            task: The task that it came up with; None when it is the execution's as a whole.
        """
        if self.is_over or self._is_left:
            return
        is_end_lost = self._end is not None
        task_id, attempt = (None, None) if task is None else (task.definition.id, task.attempt or None)
        record = error_record(error, task_id, attempt)
        if self.error is None:
            self.error = record
        self._verdict = ExecutionStatus.FAILED
        if is_end_lost:
            self._settle()
        else:
            if task is not None and not task.status.is_final:
                task.error = record.to_json()
            # Counted anew: the error may have come up between the end of a task and its count.
            self._remaining = sum(not each.status.is_final for each in self.tasks)
            self._stop(task)
        extra = {"execution_id": self.id, "task_id": task_id}
        what = "cannot store its end" if is_end_lost else "cannot go on, and has failed"
        logger.error("execution %s %s", self.id, what, exc_info=error, extra=extra)

    def _stop(self, broken: TaskExecution | None = None) -> None:
        """Let nothing begin any more, and cancel what has; a broken task has failed."""
        now = self._resources.clock.time()
        for timer in (self._retries or {}).values():
            self._resources.timers.disarm(timer)
        self._retries = None
        for attempt in self._attempts.values():
            attempt.withdraw()
        if broken is not None and broken.status.is_final:  # It ended, and that may not be stored yet.
            self._resources.write((broken.state(),))
        if self._remaining:
            self._go_through(self._stop_each(broken, now))
        else:
            self._end_with((), now)

    def _stop_each(self, broken: TaskExecution | None, now: float) -> Iterator[None]:
        for task in self.tasks:
            if (attempt := self._attempts.get(task.position)) is not None:
                attempt.cancel(is_patient=self._clean_ups is not None and is_to_be_cleaned_up(task))
            elif task is broken and not task.status.is_final:
                self._finish_task(task, TaskStatus.FAILED, now)
            elif not task.status.is_final:
                self._cancelled(task, None, now, None)
            yield

    def _end_with(self, unit: Unit, now: float) -> None:
        """End the execution with its last task: in the same transaction, unless it takes long to merge its result."""
        if self._verdict is ExecutionStatus.FAILED:
            if unit:
                self._resources.write(unit)
            self._write_last_end(now)
        elif (seen := self._final_context()) is not None:
            self._resources.write([*unit, *self._finish(seen, now)], self._end_is_committed)
        elif unit:
            self._resources.write(unit)

    def _final_context(self) -> Seen | None:
        """Return what the result holds; None when that takes long to find out, and `_result_is_merged` is called."""
        if self._contexts is None and (seen := nothing_written(self._context)) is not None:
            return seen
        contexts = self._contexts or self._open_contexts()
        completed = [task.status is TaskStatus.COMPLETED for task in self.tasks]
        if self._verdict is not None:
            return contexts.undisputed(completed)
        return contexts.final(completed, self._result_is_merged)

    @_fails_alone
    def _result_is_merged(self, seen: Seen) -> None:
        if self._verdict is None and not self.status.is_final:
            self._resources.write(self._finish(seen, self._resources.clock.time()), self._end_is_committed)

    def _write_last_end(self, now: float) -> None:
        """Store that this execution has failed as a whole: by itself, whatever becomes of its tasks' changes."""
        if (seen := self._final_context()) is not None:  # It is: nobody is asked any more.
            self._end = self._finish(seen, now)
            self._resources.write(self._end, self._settle)

    def creation_refused(self, failure: StoreWriteFailed) -> None:
        """End before the beginning: the rows of this execution are not stored."""
        self.unstored = failure
        self._owner.run_ended(self)
        self.wake()

    @_fails_alone
    def refused(self, unit: Unit, failure: StoreWriteFailed) -> None:
        """Fail: changes of this execution are not stored, so what the database tells of it is not true any more."""
        ids = {parameters[-1] for kind, parameters, _ in unit if kind == changes.TASK_STATE}
        concerned = [task for task in self.tasks if task.id in ids]
        for task in concerned:
            if task.status is TaskStatus.COMPLETED:
                # Nothing may be built on what is not stored, and what it changed may be what was refused.
                now = self._resources.clock.time()
                task.finish(TaskStatus.FAILED, now)
                task.changes = None
                task.error = error_record(failure, task.definition.id, task.attempt).to_json()
                self._resources.write((task.state(), task.event(EventType.TASK_FAILED, now)))
        if self._verdict is not ExecutionStatus.FAILED or unit is self._end:
            self.fail(failure, concerned[0] if len(concerned) == 1 else None)

    def _finish(self, seen: Seen, now: float) -> list[Change]:
        """Take the final status, and return the changes that store it."""
        self._final = seen.values
        if self.error is None and self._verdict is None:
            self.error = seen.error
            if seen.conflicts:
                conflict = self._merger.conflict(seen.conflicts, f"the result of workflow {self.workflow.name!r}")
                self.error = error_record(conflict, None, None)
        status = self._verdict or (ExecutionStatus.COMPLETED if self.error is None else ExecutionStatus.FAILED)
        error = None if self.error is None else self.error.to_json()
        self._finished_at = max(now, self._started_at or self._created_at)
        end = [
            changes.execution_state(self.id, status, self._started_at, self._finished_at, seen.text, error),
            self._event(_EXECUTION_EVENTS[status], now),
        ]
        if self._cancelled_by is not None:
            end.append(changes.signal_state(self._cancelled_by, self.id, now, None))
        self.status = status
        return end

    def _end_is_committed(self) -> None:
        # Of one that has failed as a whole meanwhile, another end follows.
        if self._verdict is not ExecutionStatus.FAILED:
            self._settle()

    def _settle(self) -> None:
        self.is_over = True
        self._context = self._final
        if self._contexts is not None:
            self._contexts.close()
        self._missing = None
        self._owner.run_ended(self)
        self.wake()

    def leave(self) -> None:
        """End what runs of it here: another runner goes on with it, from what is stored."""
        self._is_left = True
        for timer in (self._retries or {}).values():
            self._resources.timers.disarm(timer)
        self._retries = None
        for body in list(self.bodies):
            body.leave()
        self._body_is_left()
        self.wake()

    def _body_is_left(self) -> None:
        if not any(self.bodies):
            self._owner.run_ended(self)

    @property
    def is_being_cancelled(self) -> bool:
        """Whether somebody has cancelled it, it has not ended yet, and there is nothing to clean up behind it."""
        return self._verdict is ExecutionStatus.CANCELLED and not self.has_ended and self._clean_ups is None

    @property
    def bodies(self) -> Iterable[Attempt | CleanUp]:
        """Its attempts, and what cleans up behind others, as far as that has not ended."""
        return (
            self._attempts.values() if self._clean_ups is None else [*self._attempts.values(), *self._clean_ups.running]
        )

    @property
    def unfinished(self) -> list[str]:
        """The ids of the tasks with an attempt that has not ended: when it is cancelled, those that clean up."""
        return [body.task.definition.id for body in self.bodies]

    @property
    def is_going_on(self) -> bool:
        """Whether another of its tasks is to get a slot: it has not ended, and nobody has ended it."""
        return self._verdict is None and not self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether every task has ended; whether that is stored, `is_over` tells."""
        return not self._remaining

    def wake(self) -> None:
        """Wake everyone who waits for the end."""
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def add_waiter(self, waiter: OneShot[None]) -> None:
        """Let a one-shot be set when the execution is over, was refused, or the runner has broken down."""
        if self._waiters is None:
            self._waiters = []
        self._waiters.append(waiter)

    def remove_waiter(self, waiter: OneShot[None]) -> None:
        """Forget a one-shot whose task does not wait any more; nothing when it was set."""
        if self._waiters is not None:
            self._waiters.remove(waiter)

    @property
    def has_large_result(self) -> bool:
        """Whether to decode its context takes long."""
        return sum(map(len, self._context.values())) > LARGE_TEXT

    def result(self) -> ExecutionResult:
        """Return the result of an execution that is over."""
        if self._result is None:
            self._result = ExecutionResult(
                id=self.id,
                status=self.status,
                context={key: decode(text) for key, text in self._context.items()},
                error=self.error,
                created_at=datetime.fromtimestamp(self._created_at, UTC),
                started_at=None if self._started_at is None else datetime.fromtimestamp(self._started_at, UTC),
                finished_at=datetime.fromtimestamp(self._finished_at, UTC),
                tasks=TaskRecords(self.workflow.graph, self.tasks),
            )
        return self._result

    def _event(self, kind: EventType, at: float) -> Change:
        return changes.event(self.id, next(self._shared.event_numbers), None, None, kind, at)

    def _log(
        self, tell: Callable[..., None], message: str, task: TaskExecution, record: ErrorRecord, delay: float = 0.0
    ) -> None:
        task_id = task.definition.id
        words = {"attempt": task.attempt, "task": task_id, "error": in_a_line(record), "delay": delay}
        tell(message, words, extra={"execution_id": self.id, "task_id": task_id})
