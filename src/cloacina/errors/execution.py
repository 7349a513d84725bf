"""Errors about running workflows."""

from __future__ import annotations

from typing import Any

from cloacina.errors.base import CloacinaError


class ExecutionError(CloacinaError):
    """The base of errors about running workflows."""

    code = "CLO-1300"
    cause = "A workflow did not run to its end, or was asked for in a way that the runner cannot serve."


class ExecutionFailed(ExecutionError):
    """Raised by `raise_for_status()` for a failed execution.

    Attributes:
        result: The `ExecutionResult`.
    """

    code = "CLO-1301"
    cause = "A task failed in its last attempt, or the results of tasks conflict."
    mend = "result.error names the task, the attempt and the exception, with its traceback."

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class ExecutionCancelled(ExecutionError):
    """Raised by `raise_for_status()` for a cancelled execution.

    Attributes:
        result: The `ExecutionResult`.
    """

    code = "CLO-1302"
    cause = "The execution was cancelled: by cancel(), or because the runner's `with` block was left by an exception."
    mend = "Submit it again if its result is still wanted."

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class TaskTimeout(ExecutionError):
    """Raised in the name of a task that held a slot for longer than its `timeout`."""

    code = "CLO-1303"
    cause = "The attempt held its slot for longer than timeout=; time in waits does not count."
    mend = "Allow more time, make the task faster, or wait with the handle instead of in the body."


class InvalidTaskResult(ExecutionError):
    """Raised in the name of a task that returned something else than None or its context."""

    code = "CLO-1304"
    cause = "A task hands its results on by writing to the context; another return value would be lost."
    mend = "Write context['key'] = value, and return nothing."


class UnknownWorkflow(ExecutionError):
    """Raised when a workflow is submitted by a name that is not registered."""

    code = "CLO-1305"
    cause = "No workflow of that name was given to runner.register()."
    mend = "Register it, or submit the Workflow object itself."


class UnknownExecution(ExecutionError):
    """Raised when the database holds no execution of an id, or of a workflow and key."""

    code = "CLO-1306"
    cause = "There is none of that name, it was deleted, or it is in another database."
    mend = "Check the id and the database."


class RunnerClosed(ExecutionError):
    """Raised when a runner is used outside of its `with` block, while that is being left, or in a forked child."""

    code = "CLO-1307"
    cause = "The runner has not been entered yet, has been left, or was opened before this process was forked."
    mend = (
        "Use it inside of `with Runner(...) as runner:`. Forked processes open a runner of their own, and none may be "
        "open before the fork; processes that are started by the method 'spawn' are free."
    )


class ThreadUnavailable(ExecutionError):
    """Raised when no thread can be started: in the name of a `def` task or a condition, or on entering a runner."""

    code = "CLO-1308"
    cause = "The process, its user or its container has as many threads as it may have, or no memory for another one."
    mend = (
        "Raise that limit (`ulimit -u`, a container's pids limit), or lower max_concurrent_tasks or max_blocking_waits."
    )


class WrongEventLoop(ExecutionError):
    """Raised when a runner is called from an event loop that it cannot serve: another, or one that it would block."""

    code = "CLO-1309"
    cause = (
        "An AsyncRunner lives on the event loop that it was entered on, and was called from another one: in another "
        "thread, or after that loop had ended. Or a Runner was called on its own loop, by an `async def` task."
    )
    mend = "Enter a runner on each loop, or use one Runner, which serves every thread but that of its own loop."


class WouldDeadlock(ExecutionError):
    """Raised in a task that would wait, its slot held, for what can never come as long as it holds it."""

    code = "CLO-1310"
    cause = (
        "Every slot of the runner is held by a task that waits for an execution of the same runner, and none is left "
        "to run these executions; or two executions wait for each other."
    )
    mend = (
        "Give the slot back while waiting: submit the execution, then `await handle.defer_until(lambda: "
        "execution.is_over)`. More slots than such tasks help as well."
    )


class ExecutionEnded(ExecutionError):
    """Raised when something is sent to an execution that has ended, where nobody will read it."""

    code = "CLO-1311"
    cause = "The execution is Completed, Failed or Cancelled: none of its tasks waits for anything any more."
    mend = "Send it earlier, or submit another execution; retry() lets one go on that has failed or was cancelled."


class UnknownQuestion(ExecutionError):
    """Raised when an answer names a question that there is not."""

    code = "CLO-1312"
    cause = (
        "The database holds no question of that id: it was asked in another one, or the id is that of something else."
    )
    mend = "Take the id from questions(), which lists what waits for an answer."


class QuestionClosed(ExecutionError):
    """Raised when an answer comes too late: another one was given before, or the task waits for none any more."""

    code = "CLO-1313"
    cause = (
        "The first valid answer counts; a deadline, a cancellation or the end of the task closes a question as well."
    )
    mend = "Read what became of it in the message; the same answer as the first, given again, is no error."


class InvalidAnswer(ExecutionError):
    """Raised when an answer is not what its question asks for."""

    code = "CLO-1314"
    cause = "The value does not satisfy the JSON Schema that is stored with the question."
    mend = "Give what the message expects. The question stays open."


class HeartbeatTimeout(ExecutionError):
    """Raised in the name of a task that held a slot for longer than its `heartbeat_timeout` without a heartbeat."""

    code = "CLO-1315"
    cause = "The body hangs, or calls handle.heartbeat() too seldom; time in waits does not count."
    mend = "Look at what it was doing by its last heartbeat, or allow more time. A retry begins it again."


class TaskCrashed(ExecutionError):
    """Raised in the name of a task whose process died each time while it held a slot."""

    code = "CLO-1320"
    cause = "The process ended several times while the task was running: it may be what ends it, by memory or a signal."
    mend = "Look into the system's log for the reason, mend it, and retry the execution."


class WorkflowChanged(ExecutionError):
    """Raised when an execution cannot go on with the workflow as it is now."""

    code = "CLO-1321"
    cause = "A task that had completed is no part of the workflow any more, or its code has changed and may not."
    mend = (
        "Run the execution with the version of the workflow that it began with, or put the task back. "
        "Workflow(on_change='match') lets a task go on whose code has changed."
    )
