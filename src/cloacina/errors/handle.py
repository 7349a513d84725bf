"""Errors of a task's handle."""

from __future__ import annotations

from typing import ClassVar

from cloacina.errors.base import CloacinaError


class HandleError(CloacinaError):
    """The base of errors raised by a task's handle."""

    code = "CLO-1200"
    cause = "A task handle cannot do what it was asked for."


class HandleConsumed(HandleError):
    """Raised when a handle is used after `into_slot_token()`, or after its task has ended."""

    code = "CLO-1201"
    cause = "into_slot_token() has handed the slot to the caller, or the task has ended: the handle controls nothing."
    mend = "Use the token, or don't call into_slot_token(). Let a task wait for every job that uses its handle."


class ConcurrentWait(HandleError):
    """Raised when a second wait begins on a handle whose first has not ended."""

    code = "CLO-1202"
    cause = "A task holds one slot, so its handle can give it back once at a time."
    mend = "Wait for several conditions with handle.wait_all(...) or handle.wait_any(...)."


class ConditionError(HandleError):
    """Raised when the condition of a wait raises, or gives no answer; the exception is the cause (`__cause__`)."""

    code = "CLO-1203"
    cause = (
        "The condition raised an exception, more times in a row than tolerate_errors allows, or returned what is true "
        "whatever comes of it: a generator, a future, or a coroutine that nobody awaits."
    )
    mend = (
        "Mend the condition, or pass tolerate_errors=k to bear up to k errors in a row. Let it return its answer: "
        "`return` in place of `yield`, `future.done()`, `await`."
    )


class WaitTimeout(HandleError):
    """Raised when the condition of a wait was not met within `timeout`, before `deadline` or in `max_polls` calls."""

    code = "CLO-1204"
    cause = "The condition stayed false for as long as the wait was allowed to take, or as often as it may be called."
    mend = "Allow more time, catch the error, or pass default=value to get that value instead."


class InvalidWait(HandleError):
    """Raised when a wait is asked for with arguments that it cannot work with."""

    code = "CLO-1205"
    cause = (
        "The condition is no function, or one whose result is always true, the poll interval below 1 ms, or a duration "
        "is negative or over 100 years."
    )
    mend = (
        "Pass a function (not its result) that returns whether it holds, poll_interval_ms of at least 1, and either "
        "timeout or deadline."
    )


class NoTaskHandle(HandleError):
    """Raised when a handle is taken where none is set."""

    code = "CLO-1206"
    cause = "take_task_handle() was called outside of an executing task, or a second time."
    mend = "Declare a parameter named `handle` on the task instead of taking the handle by hand."


class ReplayMismatch(HandleError):
    """Raised when a body that is run again waits under a name for something of another kind than before."""

    code = "CLO-1208"
    cause = "What was stored under a name is of another kind than what the task's code asks for now."
    mend = "Give the new wait another name; what was stored under the old one is then left alone."


class ConcurrentCheckpoint(HandleError):
    """Raised when a checkpoint is entered while one of the same name and key is open."""

    code = "CLO-1209"
    cause = "Two checkpoints of one name are open at once, so a task that is run again could not tell them apart."
    mend = "Give each a key=, or another name."


class TaskCancelled(BaseException):
    """Raised in a blocking task by its handle when the task was cancelled or has timed out.

    A `BaseException`, so that `except Exception` does not swallow a cancellation.
    """

    code: ClassVar[str] = "CLO-1207"
    cause: ClassVar[str] = "The execution was cancelled or the task timed out while a `def` task was running."
    mend: ClassVar[str] = "Let it pass; clean up in `finally`."
