"""The handle of a task: execution control, as `Context` is data.

A task that declares a parameter named `handle` or `task_handle`, or annotated with one of the two types below, gets a
handle: a `TaskHandle` in an `async def` task, a `BlockingTaskHandle` in a `def` task. Both have the same methods.

The handle reaches the task's function through a context variable, because every task is executed by one signature:
`with_task_handle` sets it for the time of the body, `take_task_handle` takes it out, `return_task_handle` puts it back.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypedDict, TypeVar, Unpack, runtime_checkable

from cloacina.errors import NoTaskHandle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import datetime, timedelta

    from cloacina.polling import PollPolicy
    from cloacina.waits import Awaited

Condition: TypeAlias = Callable[[], Any]
"""What a wait waits for: a function without arguments, `def` or `async def`, cheap and callable many times."""


class Raise(enum.Enum):
    """The type of `RAISE`."""

    RAISE = "RAISE"

    def __repr__(self) -> str:
        return self.value


RAISE: Final = Raise.RAISE
"""The `default=` of a wait that raises `WaitTimeout` when its time is over."""


class WaitOptions(TypedDict, total=False):
    """The keyword arguments that waits for conditions take; `TaskHandle.defer_until` says what they do."""

    name: str | None
    poll_interval_ms: int | None
    poll: PollPolicy | None
    timeout: float | timedelta | None
    deadline: datetime | None
    default: Any
    tolerate_errors: int


class AnswerOptions(TypedDict, total=False):
    """The keyword arguments of a question; `TaskHandle.request_input` says what they do."""

    to: Sequence[str]
    name: str | None
    timeout: float | timedelta | None
    deadline: datetime | None
    default: Any


@runtime_checkable
class HeldSlot(Protocol):
    """What `into_slot_token()` returns: a task's hold on one slot. `cloacina.SlotToken` is the class behind it."""

    def release(self) -> bool:
        """Give the slot back. Returns False, and does nothing, when it is not held."""
        ...

    async def reclaim(self) -> None:
        """Queue for a slot, and return holding it; at once when it is held."""
        ...

    def is_held(self) -> bool:
        """Return whether the slot is held."""
        ...


@runtime_checkable
class BlockingHeldSlot(Protocol):
    """What `into_slot_token()` returns in a `def` task: the methods of `HeldSlot`, not awaited."""

    def release(self) -> bool:
        """Give the slot back. Returns False, and does nothing, when it is not held."""
        ...

    def reclaim(self) -> None:
        """Queue for a slot, and return holding it; at once when it is held."""
        ...

    def is_held(self) -> bool:
        """Return whether the slot is held."""
        ...


@runtime_checkable
class TaskHandle(Protocol):
    """Execution control for an `async def` task that asks for it.

    The task of the example gives its slot back while the file is not there. Other tasks use the slot. When the file
    appears, the task queues for a slot and goes on, its local variables intact.

    Example:
        ```python
        import anyio

        from cloacina import Context, TaskHandle, task


        @task
        async def wait_for_export(context: Context, handle: TaskHandle) -> None:
            path = anyio.Path(context["export_path"])
            await handle.defer_until(path.exists, poll_interval_ms=500)
            context["rows"] = (await path.read_text()).splitlines()
        ```
    """

    @property
    def attempt(self) -> int:
        """Which attempt of the task this is, from 1."""
        ...

    @property
    def is_consumed(self) -> bool:
        """Whether `into_slot_token()` was called. A consumed handle controls nothing."""
        ...

    def task_execution_id(self) -> str:
        """Return the id of this task execution, as the queries of the runner show it.

        Raises:
            HandleConsumed: `into_slot_token()` was called before.
        """
        ...

    def is_slot_held(self) -> bool:
        """Return whether the task holds a slot now.

        True in the body of the task; False from the release of a wait until its slot is taken again, so also in every
        call of a condition but the first.

        Raises:
            HandleConsumed: `into_slot_token()` was called before.
        """
        ...

    async def defer_until(
        self,
        condition: Condition,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Wait until a condition holds, without a slot.

        The condition is called once at once, the slot still held: when it holds already, nothing changes hands and no
        time passes. Otherwise the task becomes `Deferred`, its slot is released, and the condition is called every
        `poll_interval_ms`. When it holds, the task queues for a slot, first come first served, its place dating from
        the moment the condition was met; with the slot it is `Active` again, and this returns.

        The condition may run in another thread and is never called twice at the same time. A slow one delays neither
        the event loop nor another task's wait, only its own next call. An `async def` condition is awaited; when a job
        that it awaits was cancelled, that is an error of the condition, as any other exception.

        Every exit but the cancellation of the task takes a slot again first, the errors below as well. So does a cancel
        scope of the body's own, such as `anyio.move_on_after`: it ends the wait, and the body goes on once it has its
        slot. Cancellation of the task ends the wait at once: the code in `finally` then runs without a slot.

        Args:
            condition: A function without arguments. Any truthy value that it returns, or whose awaiting returns, ends
                the wait.
            name: Under which the value is stored, as JSON. A task that is run again, because its process died, goes
                past a wait with a name at once; the condition of one without is called anew.
            poll_interval_ms: Milliseconds between the end of one call and the next, at least 1; 1 000 if it is not
                given. The wait is late by up to this interval: 1 000 to 5 000 suit a file, 10 000 to 30 000 an external
                service.
            poll: Intervals that grow or vary, or a number of calls, instead of `poll_interval_ms`: a `PollPolicy`. When
                the last of its `max_polls` calls does not hold, the wait is out of time.
            timeout: Seconds, or a timedelta, until the wait gives up. The condition is called once more then, and has
                up to a second to answer. It bounds the wait, with the wait of a `def` task for a place, and not the
                queueing for a slot after it. It does not count against the task's own `timeout`.
            deadline: The moment at which the wait gives up, instead of `timeout`; a datetime with a time zone. It goes
                by the wall clock: when that is set, or the machine sleeps, the wait notices within about a second. A
                `timeout` does not; it counts the seconds in which the machine is awake.
            default: What to return when the time is over, instead of raising `WaitTimeout`.
            tolerate_errors: How many errors in a row the condition may raise before the wait fails. A call that
                returns starts the count anew.

        Returns:
            The truthy value of the condition, or `default`.

        Raises:
            WaitTimeout: The time is over, or `max_polls` calls were made, and there is no `default`.
            ConditionError: The condition raised more often in a row than `tolerate_errors` allows; its exception is
                the cause. Or it returned what is no answer, such as a generator.
            InvalidWait: A condition is not callable, or its result is always true, as of a generator function; there is
                none; the interval is below 1 ms, a duration is negative or over 100 years; both `timeout` and
                `deadline` are given, or both `poll` and `poll_interval_ms`. The slot is not touched.
            ConcurrentWait: Another wait of this handle has not ended. Use `wait_all` or `wait_any`.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    async def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Wait for a time, without a slot.

        The moment at which it is over is stored, by the wall clock: a machine that slept or a clock that was set is
        noticed within about a second, and a task that is run again because its process died does not wait anew.

        Args:
            duration: Seconds, or a timedelta. 0 returns at once.
            name: Tells this wait from others when the code changes while tasks wait.

        Raises:
            InvalidWait: It is no duration, or over 100 years.
            ConcurrentWait: Another wait of this handle has not ended.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    async def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Wait until a moment, without a slot; see `defer_for`.

        Args:
            moment: A datetime with a time zone. One that has passed returns at once.
            name: As for `defer_for`.
        """
        ...

    async def wait_for(
        self,
        signal: str,
        *,
        model: Any = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
    ) -> Any:
        """Wait for a signal to this execution, without a slot: `runner.signal(execution, name, payload)`.

        A signal that was sent before this is called is there already, and returned at once. Each is delivered once: of
        several with one name each call takes the oldest. What was taken is stored before this returns, so a task that
        is run again, or attempted again, is given the same payload.

        Args:
            signal: The signal's name.
            model: A type that the payload is validated by, with pydantic. A signal that it refuses is recorded as
                refused, and the wait goes on. None takes any JSON value.
            timeout: Seconds, or a timedelta, until the wait gives up.
            deadline: The moment at which it gives up, instead of `timeout`.
            default: What to return when the time is over, instead of raising `WaitTimeout`.

        Returns:
            The payload, or `default`.

        Raises:
            WaitTimeout: The time is over, and there is no `default`.
            InvalidWait: The name or a duration is none.
            ConcurrentWait: Another wait of this handle has not ended. Use `wait_any` with `Signal`.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    async def wait_any(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> tuple[int, Any]:
        """Wait until one of several things happens, without a slot.

        Works as `defer_until` does, and raises what it raises. Signals and times that are there already count first.
        All conditions are called in their order, once at once and then every interval, until one holds; those behind it
        are not called any more. Only the signal that ended the wait is used up.

        Each condition's errors are counted by themselves, and hide nothing else that happens: the wait fails when
        nothing has happened and one condition has raised more often in a row than `tolerate_errors` allows. The
        `ConditionError` names that one.

        Args:
            awaited: Conditions, and `Signal`, `At` and `After`; at least one.
            options: The other arguments of `defer_until`. `tolerate_errors` counts for each condition by itself. Of a
                `PollPolicy`, `max_polls` counts rounds, and the last of them ends the whole wait.

        Returns:
            The index of the first that happened, and its value; or `default`.
        """
        ...

    async def wait_all(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> list[Any]:
        """Wait until each of several things has happened once, without a slot.

        Works as `defer_until` does, and raises what it raises. A condition that has held is not called any more: they
        need not hold at the same time. Signals are used up when all is there, and not before.

        Args:
            awaited: Conditions, and `Signal`, `At` and `After`; at least one.
            options: The other arguments of `defer_until`. `tolerate_errors` counts for each condition by itself. Of a
                `PollPolicy`, `max_polls` counts rounds, and the last of them ends the whole wait.

        Returns:
            The values, in the order of what was waited for; or `default`.
        """
        ...

    async def request_input(self, question: str, *, model: Any = None, **options: Unpack[AnswerOptions]) -> Any:
        """Ask a person, and wait for the answer without a slot.

        The question is stored, with the JSON Schema of its answer, and shown by `questions()` of runners and clients;
        `answer()` answers it from anywhere. The first valid answer counts. It is stored, and who gave it and when: a
        task that is run again, or attempted again, is given the same answer.

        Args:
            question: What to ask.
            model: Any type that pydantic knows, which the answer is validated by. None takes any JSON value.
            options: `to`: whom it is for, as names that your application knows; and `name`, `timeout`, `deadline` and
                `default` as for `wait_for`.

        Returns:
            The answer, or `default`.

        Raises:
            WaitTimeout: Nobody has answered in time, and there is no `default`.
            InvalidWait: The question, a name or a duration is none.
            ConcurrentWait: Another wait of this handle has not ended.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    async def request_approval(self, question: str, **options: Unpack[AnswerOptions]) -> bool:
        """Ask a person for a yes or a no; see `request_input`.

        Returns:
            Whether it was approved, or `default`.
        """
        ...

    async def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,
    ) -> Any:
        """Do a step once: its result is stored before this returns, and returned at once when the task is run again.

        A step whose process dies before its result is stored is made again: let the outside world tell repetitions by
        `idempotency_key`, or pass `at_most_once=True`. The slot is kept meanwhile.

        Args:
            name: The step's name.
            function: What to do: `def` (called in a thread) or `async def`. Its result is JSON, or what `model` makes
                of it.
            key: Tells the steps of a loop apart, such as an order's number. Without it, the nth of a name is the nth
                again.
            model: Any type that pydantic knows, which the result is stored and returned as.
            at_most_once: Store that the step begins before it does. If the process dies in it, it is not made again: a
                person is asked whether it happened, and the answer is its result.

        Returns:
            The result, as it is when the task is run again: a tuple comes back as a list.

        Raises:
            Exception: What the function raised; nothing is stored.
            NotJSONSerializable: JSON cannot hold the result.
            InvalidWait: The name or the key is none.
            ConcurrentCheckpoint: One of the same name, without keys, is open.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return a key for what the outside world must do once: the same each time this task is run.

        Args:
            name: What is done.
            key: Tells repetitions in a loop apart.

        Raises:
            InvalidWait: The name is none.
            HandleConsumed: `into_slot_token()` was called before.
        """
        ...

    def heartbeat(self, details: Any = None) -> None:
        """Tell that the task goes on, and how far it has come. It waits for nothing, and may be called in any thread.

        With `@task(heartbeat_timeout=)`, an attempt fails that holds its slot for longer than that without a heartbeat.
        The details are stored every few seconds, and when the attempt ends: `runner.tasks(...)` shows them, and the
        next attempt reads them as `last_heartbeat`.

        Args:
            details: A JSON value, such as the number of the last row. None leaves what was told before.

        Raises:
            NotJSONSerializable: JSON cannot hold the details.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    @property
    def last_heartbeat(self) -> Any:
        """What heartbeats of this task told last, in this attempt, one before, or a process that has died; else None.

        What came within the last few seconds before a process died may be missing.
        """
        ...

    async def yield_slot(self) -> None:
        """Let the tasks that queue for a slot go first, then go on with a slot.

        For a long computation between waits: the slot is released and queued for at once, behind those that stand in
        the queue already. When nobody queues, this returns at once.

        Raises:
            ConcurrentWait: A wait of this handle has not ended.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...

    def into_slot_token(self) -> HeldSlot:
        """Consume the handle, and hand its hold on the slot to the caller.

        For code that decides itself when the slot is held. Every later call on the handle raises `HandleConsumed`. The
        slot is free again when the token releases it, or when the token is lost: nothing refers to it any more.

        Returns:
            A `SlotToken` that holds the slot, with `release()`, `reclaim()` and `is_held()`.

        Raises:
            ConcurrentWait: A wait of this handle has not ended.
            HandleConsumed: `into_slot_token()` was called before, or the task has ended.
        """
        ...


@runtime_checkable
class BlockingTaskHandle(Protocol):
    """Execution control for a `def` task that asks for it: the methods of `TaskHandle`, not awaited.

    A wait keeps its thread but no slot. Threads are counted (`Runner(max_blocking_waits=)`, 1 000 by default); tens of
    thousands of waits are for `async def` tasks. A cancelled or timed-out task learns of it at its next call on the
    handle, which raises `TaskCancelled`, a `BaseException`.

    Example:
        ```python
        from pathlib import Path

        from cloacina import BlockingTaskHandle, Context, task


        @task
        def wait_for_export(context: Context, handle: BlockingTaskHandle) -> None:
            path = Path(context["export_path"])
            handle.defer_until(path.exists, poll_interval_ms=500)
            context["rows"] = path.read_text().splitlines()
        ```
    """

    @property
    def attempt(self) -> int:
        """Which attempt of the task this is, from 1."""
        ...

    @property
    def is_consumed(self) -> bool:
        """Whether `into_slot_token()` was called. A consumed handle controls nothing."""
        ...

    def task_execution_id(self) -> str:
        """Return the id of this task execution; see `TaskHandle.task_execution_id`."""
        ...

    def is_slot_held(self) -> bool:
        """Return whether the task holds a slot now; see `TaskHandle.is_slot_held`."""
        ...

    def defer_until(
        self,
        condition: Condition,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Wait until a condition holds, without a slot; see `TaskHandle.defer_until` for what is promised.

        The arguments, what is returned and the errors are those of `TaskHandle.defer_until`. The condition may be
        `async def` here too: it is awaited on the runner's event loop.

        Raises:
            TaskCancelled: The task was cancelled or has timed out.
        """
        ...

    def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Wait for a time, without a slot; see `TaskHandle.defer_for`."""
        ...

    def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Wait until a moment, without a slot; see `TaskHandle.defer_to`."""
        ...

    def wait_for(
        self,
        signal: str,
        *,
        model: Any = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
    ) -> Any:
        """Wait for a signal to this execution, without a slot; see `TaskHandle.wait_for`."""
        ...

    def wait_any(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> tuple[int, Any]:
        """Wait until one of several things happens; see `TaskHandle.wait_any`."""
        ...

    def wait_all(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> list[Any]:
        """Wait until each of several things has happened once; see `TaskHandle.wait_all`."""
        ...

    def request_input(self, question: str, *, model: Any = None, **options: Unpack[AnswerOptions]) -> Any:
        """Ask a person, and wait for the answer without a slot; see `TaskHandle.request_input`."""
        ...

    def request_approval(self, question: str, **options: Unpack[AnswerOptions]) -> bool:
        """Ask a person for a yes or a no; see `TaskHandle.request_approval`."""
        ...

    def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,
    ) -> Any:
        """Do a step once, in this thread; see `TaskHandle.checkpoint`."""
        ...

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return a key for what the outside world must do once; see `TaskHandle.idempotency_key`."""
        ...

    def heartbeat(self, details: Any = None) -> None:
        """Tell that the task goes on, and how far it has come; see `TaskHandle.heartbeat`.

        Raises:
            TaskCancelled: The task was cancelled or has timed out.
        """
        ...

    @property
    def last_heartbeat(self) -> Any:
        """What heartbeats of this task told last; see `TaskHandle.last_heartbeat`."""
        ...

    def yield_slot(self) -> None:
        """Let the tasks that queue for a slot go first, then go on with a slot; see `TaskHandle.yield_slot`."""
        ...

    def into_slot_token(self) -> BlockingHeldSlot:
        """Consume the handle, and hand its hold on the slot to the caller; see `TaskHandle.into_slot_token`.

        Returns:
            A token that holds the slot, with `release()`, `reclaim()` and `is_held()`, all of them not awaited.
        """
        ...


AnyTaskHandle: TypeAlias = TaskHandle | BlockingTaskHandle
"""A handle of either kind."""

_ResultT = TypeVar("_ResultT")
_HandleT = TypeVar("_HandleT", bound=AnyTaskHandle)

_current: ContextVar[AnyTaskHandle | None] = ContextVar("cloacina_task_handle", default=None)


def offer_task_handle(handle: AnyTaskHandle | None) -> None:
    """Set a handle for a body that has context variables of its own; None when it has ended.

    The variables outlive the body by a moment, and the handle refers to what refers to them. For the engine, where a
    coroutine around each body that waits is memory: see `with_task_handle`.
    """
    _current.set(handle)


async def with_task_handle(handle: _HandleT, awaitable: Awaitable[_ResultT]) -> tuple[_ResultT, _HandleT | None]:
    """Await the body of a task with a handle set for it.

    Args:
        handle: The handle that `take_task_handle()` hands out inside of the body.
        awaitable: The coroutine of the body. It runs in the caller's context variables.

    Returns:
        What the body returned, and its handle: None when the body took it and did not return it, or consumed it.
    """
    token = _current.set(handle)
    try:
        result = await awaitable
        left = _current.get()
    finally:
        _current.reset(token)
    return result, handle if left is handle and not handle.is_consumed else None


def call_with_task_handle(
    handle: _HandleT, function: Callable[..., _ResultT], *args: Any
) -> tuple[_ResultT, _HandleT | None]:
    """Call the body of a task with a handle set for it: `with_task_handle` for the thread of a `def` task.

    Args:
        handle: The handle that `take_task_handle()` hands out inside of the body.
        function: The body.
        args: What to call it with.

    Returns:
        What the body returned, and its handle or None, as `with_task_handle` does.
    """
    token = _current.set(handle)
    try:
        result = function(*args)
        left = _current.get()
    finally:
        _current.reset(token)
    return result, handle if left is handle and not handle.is_consumed else None


def take_task_handle() -> AnyTaskHandle:
    """Take the handle of the task that is executing here; nobody else can take it until it is returned.

    `@task` does this for a task that declares a handle parameter; by hand it is needed only to write such a decorator.

    Raises:
        NoTaskHandle: No task is executing here, it has no handle, or its handle was taken already.
    """
    handle = _current.get()
    if handle is None:
        raise NoTaskHandle(
            "There is no task handle to take here: either no task is executing, or its handle was taken already."
            " Declare a parameter named `handle` on the task; to call the task in a test, pass a handle or None"
        )
    _current.set(None)
    return handle


def return_task_handle(handle: AnyTaskHandle) -> None:
    """Give back a handle that `take_task_handle()` took. A consumed handle is not given back: it controls nothing."""
    if not handle.is_consumed:
        _current.set(handle)
