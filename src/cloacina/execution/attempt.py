"""One attempt of a task: from the slot that it is granted to the outcome that it has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from cloacina.context import Context, takes_long
from cloacina.errors import HandleConsumed, TaskCancelled
from cloacina.execution.blocking_body import BlockingBody
from cloacina.execution.checkpoints import Checkpoints
from cloacina.execution.forked_body import ForkedBody
from cloacina.execution.handle import EngineTaskHandle
from cloacina.execution.heartbeats import Pulse
from cloacina.execution.inside import begin
from cloacina.execution.limits import limits_of
from cloacina.execution.memos import Memos
from cloacina.execution.outcome import CANCELLED
from cloacina.execution.recorded_attempt import RecordedAttempt
from cloacina.execution.slots import SlotToken
from cloacina.handle import offer_task_handle
from cloacina.membrane import Log
from cloacina.store.records import SubStatus

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Awaitable, Callable, Mapping

    from cloacina.execution.inbox import Inbox
    from cloacina.execution.limits import Limit
    from cloacina.execution.outcome import Outcome
    from cloacina.execution.resources import Resources
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.execution.waiting.wait import Wait
    from cloacina.store.changes import Change


logger = Log("cloacina.execution")


class AttemptOwner(Protocol):
    """Who made an attempt; told of its progress on the loop's thread."""

    def attempt_started(self, now: float) -> list[Change]:
        """Return what is to be stored with the start of an attempt, which holds a slot now.

        Args:
            now: The wall-clock time, in seconds since the epoch.
        """
        ...

    def judge(self, task: TaskExecution, context: Context, error: BaseException | None, /) -> Outcome:
        """Return what an attempt has come to, and seal its context. It may take long, and is called in any thread.

        Args:
            task: The task execution, at this attempt.
            context: The attempt's.
            error: What its body raised.
        """
        ...

    def attempt_ended(self, attempt: Attempt, outcome: Outcome, slot: int | None) -> None:
        """Take the outcome of an attempt, once.

        Args:
            attempt: The attempt.
            outcome: How it ended.
            slot: The number of the slot that it held last.
        """
        ...

    def slot_freed(self, task: TaskExecution, slot: int) -> None:
        """Store that a slot is free whose task has ended before: its thread has ended now.

        Args:
            task: The task execution.
            slot: The number of the slot.
        """
        ...

    def attempt_broke(self, attempt: Attempt, error: BaseException) -> None:
        """Take an error of the engine's own that came up with an attempt.

        Args:
            attempt: The attempt. If it has ended, that was not told, or could not be taken.
            error: The error.
        """
        ...


class Stoppable(Protocol):
    """What can be told to stop: the cancel scope of an async body, or the calls that a blocking one is parked in."""

    def cancel(self) -> None:
        """Stop as soon as possible."""
        ...


class Attempt(RecordedAttempt):
    """One attempt of a task.

    Args:
        resources: What it runs on.
        task: The task execution; its `attempt` is this one's number.
        base: The context it starts from: JSON text by key.
        variables: The context variables of the one who submitted the execution; the body gets its own copy.
        owner: Told of its start and end.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_context",
        "_has_started",
        "_is_cancelled",
        "_is_left",
        "_is_over",
        "_is_returning",
        "_is_timed_out",
        "_limits",
        "_outcome",
        "_overdrawn",
        "_owner",
        "_running",
        "_scope",
        "_shield",
        "_variables",
    )

    def __init__(
        self,
        resources: Resources,
        task: TaskExecution,
        base: Mapping[str, str],
        variables: contextvars.Context,
        owner: AttemptOwner,
    ) -> None:
        super().__init__(resources, task, SlotToken(resources.slots))
        self._context = Context.from_encoded(base)
        self._variables = variables
        self._owner = owner
        self._base = base
        self._scope: Stoppable | None = None
        self._shield: anyio.CancelScope | None = None
        self._is_cancelled = False
        self._is_left = False
        self._is_timed_out = False
        self._has_started = False
        # Whether the body has ended; for one in a thread, its thread knows first.
        self._is_returning = False
        self._is_over = False
        # What it has come to, once that is known.
        self._outcome: Outcome | None = None
        self._running: object = None
        definition = task.definition
        has_limits = definition.timeout is not None or definition.heartbeat_timeout is not None
        self._limits = limits_of(definition, resources) if has_limits else ()
        # The one that it has timed out by.
        self._overdrawn: Limit | None = None

    @property
    def inbox(self) -> Inbox:
        """The signals to the execution that nobody has used up."""
        return self.task.shared.inbox

    @property
    def memos(self) -> Memos:
        """What the body has been answered."""
        memos = self.task.memos
        if memos is None:
            memos = self.task.memos = Memos(self.task.definition.id)
        return memos

    @property
    def checkpoints(self) -> Checkpoints:
        """The steps that are done."""
        checkpoints = self.task.checkpoints
        if checkpoints is None:
            checkpoints = self.task.checkpoints = Checkpoints()
        return checkpoints

    @property
    def base(self) -> Mapping[str, str]:
        """The context it started from: JSON text by key."""
        return self._base

    def forked(self) -> None:
        """Let the process end when it comes back from the body. Called in a child that the body has forked."""
        self._owner = ForkedBody()

    def is_run_by(self, task: object) -> bool:
        """Return whether a task of the loop is the one that runs the body; for a body in a thread, whichever calls."""
        return self._running is None or self._running is task

    @property
    def is_stopped(self) -> bool:
        """Whether the attempt was cancelled or has timed out."""
        return self._is_cancelled or self._is_timed_out

    @property
    def is_async(self) -> bool:
        """Whether the body goes on with the event loop, and not in a thread."""
        return self.task.definition.is_async

    @property
    def is_at_work(self) -> bool:
        """Whether its body does something now: it is in no wait, or cleans up after it was stopped."""
        return not self._has_ended and (self.task.sub_status is SubStatus.ACTIVE or self.is_stopped)

    # ── Start and end ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Queue for a slot, and run when it is granted."""
        self.resources.slots.claim(self.token, self)

    def cancel(self, *, is_patient: bool = False) -> None:
        """End the attempt.

        One in the queue ends at once. An async body is cancelled where it awaits, and ends when it has cleaned up. A
        blocking body is given up at once, learns of it at its next handle call, and keeps its slot until it returns.

        Args:
            is_patient: Whether a blocking body is waited for as well, because something is to follow it.
        """
        if self._has_ended or self._is_cancelled:
            return
        self._is_cancelled = True
        if not self._has_started:
            self.resources.slots.withdraw(self.token)
            self._end(CANCELLED, None)
            return
        if self._is_over:  # And somebody is looking at what it has come to.
            self._outcome = CANCELLED
            self._leave()
            return
        if self._scope is not None:
            self._scope.cancel()
        if self._shield is not None:
            self._shield.cancel()
        if self._is_left:
            self._outcome = CANCELLED  # For when the body has ended, in a thread as well.
        elif not self.task.definition.is_async and not is_patient:
            self._give_up(CANCELLED)

    def leave(self) -> None:
        """End the attempt for this runner: another one begins it again, so it ends no sooner than its thread does."""
        self._is_left = True
        self.cancel()

    def withdraw(self) -> None:
        """Leave the queue, if the body has not begun; `cancel` then ends the attempt."""
        if not self._has_started:
            self.resources.slots.withdraw(self.token)

    def slot_granted(self) -> None:
        """Start the body: the token holds a slot."""
        self._has_started = True
        self.resources.bodies.go_on()
        try:
            changes = self._begin()
        except BaseException as error:  # noqa: BLE001 - whoever gave the slot back must not suffer from it
            self._stop_clock()
            self._break(error)
            self.resources.bodies.rest()
            # Not at once: the next in the queue may fare no better, and so on down the stack.
            self.resources.loop.call_soon(self.token.release)
            return
        if self.task.is_suspect:
            # A body that takes its process down must have been seen to begin: it is blamed by what is stored.
            self.resources.write(changes, self._start_suspect)
        else:
            # After the body was set going: the journal waits for one turn of the loop, and in that turn the body runs.
            self.resources.write(changes)

    def _start_suspect(self) -> None:
        if self._has_ended:  # Cancelled while that was being stored.
            self.token.release()
            self.resources.bodies.rest()
            return
        try:
            self._start_clock()
            self._start_body()
        except BaseException as error:  # noqa: BLE001 - as above
            self._stop_clock()
            self._break(error)
            self.resources.bodies.rest()
            self.token.release()

    def _begin(self) -> list[Change]:
        """Let the attempt begin, and return what is to be stored of that."""
        now = self.resources.clock.time()
        changes = self._owner.attempt_started(now)
        changes += self.started(now)
        if not self.task.is_suspect:
            self._start_clock()
            self._start_body()
        return changes

    def _start_body(self) -> None:
        """Set the body going."""
        variables = self._variables.copy()
        if self.task.definition.is_async:
            self._running = self.resources.loop.start(self._run, variables)
        else:
            BlockingBody(self, variables).start()

    async def _run(self) -> None:
        """Run the body of an async task, in a task of its own."""
        definition = self.task.definition
        error: BaseException | None = None
        begin(self)
        try:
            with self.resources.loop.cancel_scope() as scope:
                self._scope = scope
                if self.is_stopped:
                    scope.cancel()
                if definition.requires_handle:
                    offer_task_handle(EngineTaskHandle(self, None))
                await definition.run(self._context)
        except KeyboardInterrupt as interrupt:
            self._body_ended(interrupt)
            if self.resources.loop.receives_interrupts:
                raise
        except BaseException as raised:  # noqa: BLE001 - SystemExit and the like fail the task, not the runner
            error = raised
        if definition.requires_handle:
            offer_task_handle(None)
        try:
            self._body_ended(error)
        except Exception as failure:  # noqa: BLE001 - nobody awaits this task: lost on asyncio, and fatal on trio
            self.resources.loop.on_error(failure)
        finally:
            # This frame and the exception refer to each other, and what the body's frames hold is to be freed with it.
            del error

    async def regain_slot(self, queue: Callable[[], Awaitable[None]]) -> BaseException | None:
        """Wait until the body, which goes on, has its slot again; only the end of the attempt ends that.

        Args:
            queue: Queues for the slot, unless that is done already, and waits for it.

        Returns:
            The cancellation of asyncio's own that came meanwhile, for the body to hear of. It passes through shields.
        """
        interruption: BaseException | None = None
        while not (self.token.is_held() or self.is_stopped or self._has_ended):
            try:
                with anyio.CancelScope(shield=True) as self._shield:
                    await queue()
            except anyio.get_cancelled_exc_class() as error:
                interruption = error
            finally:
                self._shield = None
        return interruption

    def body_returns(self, error: BaseException | None) -> Outcome | None:
        """Look at what a body in a thread has come to, in that thread, while the loop goes on.

        Returns:
            None when the loop's thread has decided already, because the attempt was cancelled or has timed out; or when
            it is quick to decide, which is better than to keep the interpreter from it for as long.
        """
        self._is_returning = True
        if type(self._owner) is ForkedBody:
            return self._owner.judge(self.task, self._context, error)
        if self.is_stopped:
            return None
        if (limit := self._find_overdrawn()) is not None:
            error = self._timeout_error(limit, error)
        if error is None and not takes_long(self._context):
            return None
        return self._owner.judge(self.task, self._context, error)

    def _body_ended(self, error: BaseException | None, judged: Outcome | None = None) -> None:
        """Take it that the body has ended.

        Args:
            error: What it raised.
            judged: What that has come to, if it was looked at already.
        """
        self._scope = None
        self._is_over = True
        try:
            if self._limits:
                # No timer can fire while a body blocks the loop. One in a thread has looked by itself.
                if not self._is_returning and (limit := self._find_overdrawn()) is not None:
                    self._times_out_by(limit)
                self._stop_clock()
            self._end_what_was_left_behind()
            if self._outcome is None:
                self._judge(error, judged)
        except BaseException as failure:
            self._break(failure)
            self._give_slot_back()
            if isinstance(failure, KeyboardInterrupt):
                raise
            return
        if self._outcome is not None:
            self._leave()

    def _judge(self, error: BaseException | None, judged: Outcome | None) -> None:
        """Find out what the attempt has come to, or let that be found out."""
        if self._is_cancelled:
            self._context.discard()
            self._outcome = CANCELLED
        elif judged is not None:
            self._outcome = judged
        elif self._overdrawn is not None:
            if self.task.definition.is_async:
                self._ask(self._timeout_error(self._overdrawn, error))
        elif isinstance(error, Exception) or (error is None and takes_long(self._context)):
            self._ask(error)
        else:
            self._outcome = self._owner.judge(self.task, self._context, error)

    def _ask(self, error: BaseException | None) -> None:
        """Let a thread find out what the attempt has come to."""
        self.resources.call_off_loop(
            partial(self._owner.judge, self.task, self._context, error), self._judged, self._variables
        )

    def _judged(self, outcome: Outcome | None, failure: BaseException | None) -> None:
        if self._outcome is not None:
            return  # Cancelled meanwhile.
        if outcome is None:
            self._break(failure or RuntimeError("nobody knows what the attempt has come to"))
            outcome = CANCELLED
        self._outcome = outcome
        if self._is_over:
            self._leave()
        elif outcome.delay is None and not self._has_ended:
            self._give_up(outcome)

    def _leave(self) -> None:
        """Tell what the attempt has come to, and give the slot back: the body has ended, and its outcome is known."""
        try:
            if self._has_ended:
                self._tell_slot_is_free()
            elif self._outcome is not None:
                self._end(self._outcome, self.token.slot)
        finally:
            self._give_slot_back()

    def _give_slot_back(self) -> None:
        # To the next in the queue now, not after the commit; and after the events that tell of it, so that by the
        # events too a slot has one holder at a time.
        self.token.release()
        self.resources.bodies.rest()

    def _end_what_was_left_behind(self) -> None:
        """End what a job that outlives the body still does with the handle: nothing may take a slot for it any more."""
        if self._wait is not None:
            self._wait.abandon()
        if self._shield is not None:
            self._shield.cancel()

    def refuse_if_over(self) -> None:
        """Refuse to control a task that has ended.

        Raises:
            TaskCancelled: The thread of a `def` task goes on, and was given up.
            HandleConsumed: The handle was kept for longer than its task.
        """
        if not self._has_ended:
            return
        if self.is_stopped and not self.task.definition.is_async:
            raise TaskCancelled
        message = (
            f"task {self.task.definition.id!r} has ended, and its handle controls nothing any more; let the task wait "
            "for every job that uses the handle"
        )
        raise HandleConsumed(message)

    def refuse_if_left(self) -> None:
        """Refuse to store anything: the runner was left, and another one begins the task again.

        Raises:
            TaskCancelled: That is so.
        """
        if self._is_left:
            raise TaskCancelled

    def free_slot(self) -> None:
        """Give the slot back in the midst of the body; nothing when none is held."""
        if self._has_ended:
            self._tell_slot_is_free()
        self.token.release()

    def _tell_slot_is_free(self) -> None:
        if (slot := self.token.slot) is not None:
            self._owner.slot_freed(self.task, slot)

    def _end(self, outcome: Outcome, slot: int | None) -> None:
        self._has_ended = True
        if self.task.heartbeat is not None:
            self.show_last_heartbeat()
        try:
            self._owner.attempt_ended(self, outcome, slot)
        except BaseException as error:
            self._break(error)
            if isinstance(error, KeyboardInterrupt):
                raise

    def fail(self, error: BaseException) -> None:
        """Let an error of the engine's own fail this execution, and no other; a body that goes on is cancelled."""
        try:
            self._owner.attempt_broke(self, error)
        except BaseException as failure:  # noqa: BLE001 - handed on whole, as from any callback
            self.resources.loop.on_error(failure)

    def _break(self, error: BaseException) -> None:
        """Fail with an error that came up in the place of the attempt's start or end."""
        self._has_ended = True
        self._context.discard()
        self.fail(error)

    def _give_up(self, outcome: Outcome) -> None:
        """Report the outcome of a body that goes on in its thread, with its slot."""
        self._context.discard()
        self._stop_clock()
        if (wait := self._wait) is not None:
            # Not when its thread hears of it: the process may have died by then.
            wait.give_up()
            self.show_ended(wait)
        slot = self.token.slot
        if slot is not None:
            self.show_slot_kept(slot)
        self._end(outcome, slot)
        if slot is not None:
            logger.warning(
                "task %r goes on in its thread and keeps slot %d",
                self.task.definition.id,
                slot,
                extra={"execution_id": self.task.execution_id, "task_id": self.task.definition.id},
            )

    # ── The time it may hold a slot ──────────────────────────────────────────────────────────────────────────────────

    def _start_clock(self) -> None:
        for limit in self._limits:
            limit.start(partial(self._time_is_up, limit))

    def _stop_clock(self) -> None:
        for limit in self._limits:
            limit.stop()

    def beat(self, details: str | None) -> None:
        """Take a heartbeat of the body, in any thread.

        Args:
            details: What it tells, JSON; None for nothing.
        """
        for limit in self._limits:
            if isinstance(limit, Pulse):
                limit.beat()
        self.resources.heartbeats.beat(self.task, details)

    def _find_overdrawn(self) -> Limit | None:
        for limit in self._limits:
            if limit.is_overdrawn():
                return limit
        return None

    def has_to_stop(self) -> bool:
        """Return whether the attempt was cancelled or is out of time, by a look at the clock."""
        if self._limits and (limit := self._find_overdrawn()) is not None:
            limit.stop()
            self._time_is_up(limit)
        return self.is_stopped

    def _times_out_by(self, limit: Limit) -> None:
        self._is_timed_out = True
        if self._overdrawn is None:
            self._overdrawn = limit

    def _time_is_up(self, limit: Limit) -> None:
        if self._is_returning or self._is_timed_out:
            return
        self._times_out_by(limit)
        try:
            if self._scope is not None:
                self._scope.cancel()
            if not self.task.definition.is_async:
                # Whether another attempt follows is decided now, and once: if none does, it has failed at once.
                self._ask(self._timeout_error(limit, None))
        except Exception as failure:  # noqa: BLE001 - other timers are due as well
            self.fail(failure)

    def _timeout_error(self, limit: Limit, cause: BaseException | None) -> Exception:
        error = limit.error(self.task.definition.id)
        error.__cause__ = cause
        return error

    # ── What is recorded of its waits ────────────────────────────────────────────────────────────────────────────────

    def show_deferred(self, wait: Wait | None) -> None:
        """Store that the task gives its slot back; without a wait, it only lets others go first.

        Raises:
            TaskCancelled: The task was given up meanwhile.
            HandleConsumed: The task has ended meanwhile.
        """
        self.refuse_if_over()
        self._stop_clock()
        super().show_deferred(wait)

    def show_active(self, wait: Wait | None) -> None:
        """Store that the task holds a slot again."""
        super().show_active(wait)
        if not self._has_ended:
            self._start_clock()
