"""What the store and the queries see of an attempt: that it has begun, waits, goes on, and keeps a slot.

What is stored of a task is final when the attempt has ended. A thread, or a slot that was granted in that moment, may
come later: of these the end of the wait is stored, and nothing of the task.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cloacina.execution.ids import new_id
from cloacina.membrane import Log
from cloacina.store.changes import CLEANS_UP, signal_state
from cloacina.store.records import EventType, SubStatus, TaskStatus, WaitPhase

if TYPE_CHECKING:
    from cloacina.execution.inbox import Signal
    from cloacina.execution.resources import Resources
    from cloacina.execution.slots import SlotToken
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.execution.waiting.wait import Wait
    from cloacina.store.changes import Change

logger = Log("cloacina.execution")


class RecordedAttempt:
    """The half of an attempt that records it.

    Args:
        resources: What it runs on.
        task: The task execution; its `attempt` is this one's number.
        token: Its hold on a slot.
    """

    __slots__ = ("_has_ended", "_wait", "resources", "task", "token")

    def __init__(self, resources: Resources, task: TaskExecution, token: SlotToken) -> None:
        self.resources = resources
        self.task = task
        self.token = token
        # Whether its owner knows that.
        self._has_ended = False
        # The one that it is in, without a slot.
        self._wait: Wait | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its outcome is told, or cannot be."""
        return self._has_ended

    def started(self, now: float) -> tuple[Change, Change]:
        """Take it that the body begins, with a slot, and return what is to be stored of that."""
        task = self.task
        task.started_at = now
        task.status = TaskStatus.RUNNING
        task.sub_status = SubStatus.ACTIVE
        # Whoever cancels the execution while nobody runs it has to know that something is to be cleaned up.
        detail = None if task.definition.on_cancel is None else CLEANS_UP
        return task.state(), task.event(EventType.TASK_STARTED, now, self.token.slot, detail)

    def show_deferred(self, wait: Wait | None) -> None:
        """Store that the task gives its slot back; without a wait, it only lets others go first."""
        now = self.resources.clock.time()
        self.task.sub_status = SubStatus.DEFERRED
        changes = [self.task.state()]
        if wait is not None:
            wait.id = wait.id or new_id()
            wait.phase = WaitPhase.WAITING
            self._wait = wait
            self.resources.waits[wait.id] = wait
            is_known = wait.is_stored
            if not is_known:
                changes.append(wait.creation(now))
            if wait.polling is not None:
                self.resources.poll_flush.schedule()
            if is_known or (wait.polling is not None and wait.polling.errors):
                changes.append(wait.state())
            detail = f'{{"wait":"{wait.id}"}}'
            changes.append(self.task.event(EventType.TASK_DEFERRED, now, self.token.slot, detail))
        else:
            changes.append(self.task.event(EventType.TASK_DEFERRED, now, self.token.slot))
            changes.append(self.task.event(EventType.TASK_RESUMING, now))
        self.resources.write(changes)

    def show_resuming(self, wait: Wait) -> None:
        """Store that the wait is over and the task queues for a slot."""
        if self._is_final(wait):
            return
        now = self.resources.clock.time()
        wait.phase = WaitPhase.RESUMING
        detail = json.dumps({"wait": wait.id, "outcome": wait.outcome})
        self.resources.write((wait.state(), self.task.event(EventType.TASK_RESUMING, now, detail=detail)))

    def show_active(self, wait: Wait | None) -> None:
        """Store that the task holds a slot again."""
        if self._is_final(wait):
            return
        now = self.resources.clock.time()
        self.task.sub_status = SubStatus.ACTIVE
        changes = [self.task.state(), self.task.event(EventType.TASK_RESUMED, now, self.token.slot)]
        if wait is not None:
            changes.append(self._ended(wait, now))
        self.resources.write(changes)

    def show_ended(self, wait: Wait) -> None:
        """Store that the wait has ended, and nothing of the task.

        It was cancelled, and cleans up without a slot; or it has not given its slot back.
        """
        self.resources.write((self._ended(wait, self.resources.clock.time()),))

    def refuse_signal(self, signal: Signal, error: Exception) -> None:
        """Store that a signal is not what the task expects of it; the wait goes on."""
        task = self.task
        now = self.resources.clock.time()
        self.resources.write((signal_state(signal.id, task.execution_id, now, None, str(error)),))
        logger.warning(
            "task %r refused the signal %r: %s",
            task.definition.id,
            signal.name,
            error,
            extra={"execution_id": task.execution_id, "task_id": task.definition.id},
        )

    def show_slot_kept(self, slot: int) -> None:
        """Store that the body outlives its attempt, with its slot."""
        self.resources.write((self.task.event(EventType.SLOT_KEPT, self.resources.clock.time(), slot),))

    def show_last_heartbeat(self) -> None:
        """Store the last heartbeat, before the end of the attempt."""
        if last := self.resources.heartbeats.end(self.task):
            self.resources.write(last)

    def _is_final(self, wait: Wait | None) -> bool:
        """Return whether the attempt has ended meanwhile; then its wait ends too, if that is not stored yet."""
        if self._has_ended and wait is not None and wait.id in self.resources.waits:
            self.show_ended(wait)
        return self._has_ended

    def _ended(self, wait: Wait, at: float) -> Change:
        self.resources.waits.pop(wait.id, None)
        self._wait = None
        wait.phase = WaitPhase.ENDED
        return wait.state(at)
