"""Every error that Cloacina raises on purpose, as one tree, each with a stable code.

::

    CloacinaError
    ├── ContextError          NotJSONSerializable · ContextSealed · ContextConflict · InvalidInput
    ├── DefinitionError       UnknownDependency · DependencyCycle · DuplicateTask · EmptyWorkflow · InvalidName
    │                         InvalidTask · WrongHandleType · InvalidOption
    ├── HandleError           HandleConsumed · ConcurrentWait · ConditionError · WaitTimeout · InvalidWait
    │                         NoTaskHandle
    ├── ExecutionError        ExecutionFailed · ExecutionCancelled · TaskTimeout · InvalidTaskResult
    │                         UnknownWorkflow · UnknownExecution · RunnerClosed
    ├── StoreError            StoreUnavailable · StoreWriteFailed · UnsupportedDatabase · StoreTooNew
    └── CommandError          FileNotLoadable · WorkflowNotFound · InvalidContextArgument · UnknownErrorCode

    TaskCancelled (BaseException): unwinds a blocking task, as the event loop's own exception unwinds an async one

The docstring of a class says when it is raised. ``cause`` and ``mend`` are what ``cloacina explain CODE`` shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DOCUMENTATION_URL = "https://cloacina.example"
"""The address of the documentation site; the only place that holds it."""


def documentation_url(code: str) -> str:
    """Return the address of the reference entry of an error code."""
    return f"{DOCUMENTATION_URL}/reference/errors/#{code.lower()}"


class CloacinaError(Exception):
    """The base of every error that Cloacina raises on purpose.

    Args:
        message: What was found, what was expected and what to do.

    Attributes:
        code: The stable code, such as ``CLO-1101``.
        cause: What brings this error about, in general.
        mend: What to do about it, in general.
        message: The message without the code and the link.
    """

    code: ClassVar[str] = "CLO-1000"
    cause: ClassVar[str] = "Cloacina refused or could not finish what it was asked for."
    mend: ClassVar[str] = "Read the message: it says what was found and what was expected."

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} [{self.code}] {documentation_url(self.code)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default rebuilds from args alone, which fails for subclasses that take more than a message.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[CloacinaError], args: tuple[Any, ...], state: dict[str, Any]) -> CloacinaError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ContextError(CloacinaError):
    """The base of errors about the data in a context."""

    code = "CLO-1001"
    cause = "The data in a context cannot be used as asked."


class NotJSONSerializable(ContextError):
    """Raised when a context is given a value that JSON cannot hold."""

    code = "CLO-1002"
    cause = "A context holds JSON values: null, booleans, finite numbers, strings, lists, and objects with string keys."
    mend = "Convert the value at the path in the message: a set to a list, bytes to text, a datetime to ISO 8601."


class ContextSealed(ContextError):
    """Raised when a context is written after the attempt it belongs to has ended."""

    code = "CLO-1003"
    cause = "A thread or a background job kept the context and wrote to it after its task had ended or timed out."
    mend = "Finish all writes before the task returns; pass data on through the context of a later task."


class ContextConflict(ContextError):
    """Raised when tasks of which neither is the other's ancestor wrote different values to one key."""

    code = "CLO-1004"
    cause = "Two tasks that can run at the same time wrote different values to the same key, so neither value is right."
    mend = "Write to different keys, make one task depend on the other, or pass merge='last' or merge={key: function}."


class InvalidInput(ContextError):
    """Raised when an initial context does not satisfy the workflow's input model."""

    code = "CLO-1005"
    cause = "The workflow was declared with input=Model, and the initial context does not validate against that model."
    mend = "Correct the fields that the message lists. Nothing was stored."


class DefinitionError(CloacinaError):
    """The base of errors found while tasks and workflows are declared."""

    code = "CLO-1100"
    cause = "A task or workflow is declared in a way that cannot run."


class UnknownDependency(DefinitionError):
    """Raised when a task depends on a task that its workflow does not hold."""

    code = "CLO-1101"
    cause = "A dependency names a task id that no task of the workflow has."
    mend = "Correct the id, or add the missing task to the workflow."


class DependencyCycle(DefinitionError):
    """Raised when the dependencies of a workflow run in a circle."""

    code = "CLO-1102"
    cause = "A task depends, directly or through others, on itself, so none of them could ever start."
    mend = "Remove one of the dependencies on the path that the message shows."


class DuplicateTask(DefinitionError):
    """Raised when two tasks of a workflow have the same id."""

    code = "CLO-1103"
    cause = "Task ids are unique in a workflow; the id defaults to the function's name."
    mend = "Give one of the two another id: @task(id='...')."


class EmptyWorkflow(DefinitionError):
    """Raised when a workflow holds no task."""

    code = "CLO-1104"
    cause = "No @task function was declared inside the workflow's `with` block, or passed to it in tasks=[...]."
    mend = "Declare at least one task."


class InvalidName(DefinitionError):
    """Raised when the name of a workflow or the id of a task is not usable."""

    code = "CLO-1105"
    cause = "Names and ids are 1 to 128 characters: letters, digits, `_`, `-` and `.`, starting with a letter or `_`."
    mend = "Choose a name of that form."


class InvalidTask(DefinitionError):
    """Raised when a function cannot be a task."""

    code = "CLO-1106"
    cause = "A task is a function of the context and, if it wants one, a handle; other parameters need defaults."
    mend = "Change the function's signature as the message says."


class WrongHandleType(DefinitionError):
    """Raised when a task's handle is annotated with the type of the other kind of task."""

    code = "CLO-1107"
    cause = "An `async def` task gets a TaskHandle, a `def` task a BlockingTaskHandle; the annotation says otherwise."
    mend = "Change the annotation, or turn the function into the other kind."


class InvalidOption(DefinitionError):
    """Raised when an argument or a setting has a value outside of what it allows."""

    code = "CLO-1108"
    cause = "An argument of a task, workflow, retry policy or runner, or a CLOACINA_* variable, is out of its range."
    mend = "Use a value of the kind and range that the message names."


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
    """Raised when the condition of a wait raises; the exception is the cause (`__cause__`)."""

    code = "CLO-1203"
    cause = "The condition given to defer_until raised an exception, more times in a row than tolerate_errors allows."
    mend = "Mend the condition, or pass tolerate_errors=k to bear up to k errors in a row."


class WaitTimeout(HandleError):
    """Raised when the condition of a wait was not met within `timeout` or before `deadline`."""

    code = "CLO-1204"
    cause = "The condition stayed false for as long as the wait was allowed to take."
    mend = "Allow more time, catch the error, or pass default=value to get that value instead."


class InvalidWait(HandleError):
    """Raised when a wait is asked for with arguments that it cannot work with."""

    code = "CLO-1205"
    cause = "The condition is no function, the poll interval below 1 ms, or a duration is negative or over 100 years."
    mend = "Pass a function (not its result), poll_interval_ms of at least 1, and either timeout or deadline."


class NoTaskHandle(HandleError):
    """Raised when a handle is taken where none is set."""

    code = "CLO-1206"
    cause = "take_task_handle() was called outside of an executing task, or a second time."
    mend = "Declare a parameter named `handle` on the task instead of taking the handle by hand."


class TaskCancelled(BaseException):
    """Raised in a blocking task by its handle when the task was cancelled or has timed out.

    A `BaseException`, so that `except Exception` does not swallow a cancellation.
    """

    code: ClassVar[str] = "CLO-1207"
    cause: ClassVar[str] = "The execution was cancelled or the task timed out while a `def` task was running."
    mend: ClassVar[str] = "Let it pass; clean up in `finally`."


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
    """Raised when an execution id is not known to this runner's store, or not to this runner."""

    code = "CLO-1306"
    cause = "The store holds no execution of that id, or another runner owns it."
    mend = "Check the id and the database."


class RunnerClosed(ExecutionError):
    """Raised when a runner is used outside of its `with` block, or while that is being left."""

    code = "CLO-1307"
    cause = "The runner has not been entered yet, or has been left."
    mend = "Use it inside of `with Runner(...) as runner:`."


class StoreError(CloacinaError):
    """The base of errors of the database layer."""

    code = "CLO-1400"
    cause = "The database could not do what it was asked for."


class StoreUnavailable(StoreError):
    """Raised when the database cannot be opened."""

    code = "CLO-1401"
    cause = "The folder does not exist, the file is not writable, or the file is not a SQLite database."
    mend = "Correct the address of the database or the permissions of the file."


class StoreWriteFailed(StoreError):
    """Raised when a change could not be written; the database's error is the cause (`__cause__`)."""

    code = "CLO-1402"
    cause = "The disk is full, the file was removed or locked for too long, or the connection was lost."
    mend = "Mend the storage and start the runner again: what was committed is kept."


class UnsupportedDatabase(StoreError):
    """Raised when the address of the database names a kind that is not supported."""

    code = "CLO-1403"
    cause = "The address does not start with sqlite://."
    mend = "Use a path, or sqlite:///file.db (relative), sqlite:////folder/file.db (absolute) or sqlite:// (in memory)."


class StoreTooNew(StoreError):
    """Raised when the database was written by a newer version of Cloacina."""

    code = "CLO-1404"
    cause = "The database's schema has a revision that this version does not know."
    mend = "Use the newer version, or another database."


class CommandError(CloacinaError):
    """The base of errors of the command line."""

    code = "CLO-1500"
    cause = "A command was given arguments that it cannot work with."


class FileNotLoadable(CommandError):
    """Raised when the file given to `cloacina run` cannot be imported."""

    code = "CLO-1501"
    cause = "The file does not exist, is not Python, or raised while it was imported."
    mend = "Correct the path, or the error that the message shows."


class WorkflowNotFound(CommandError):
    """Raised when the file given to `cloacina run` does not hold the workflow asked for."""

    code = "CLO-1502"
    cause = "The file holds no workflow, several of which none was named, or none of that name."
    mend = "Name one: cloacina run FILE:workflow."


class InvalidContextArgument(CommandError):
    """Raised when `--context` is not a JSON object or its file cannot be read."""

    code = "CLO-1503"
    cause = "--context takes a JSON object, or @ and the path of a file that holds one."
    mend = 'Quote it for the shell: --context \'{"key": "value"}\'.'


class UnknownErrorCode(CommandError):
    """Raised when `cloacina explain` is given a code that does not exist."""

    code = "CLO-1504"
    cause = "No error has that code."
    mend = "Codes look like CLO-1203; the reference lists all of them."


def error_classes() -> Iterator[type[CloacinaError | TaskCancelled]]:
    """Yield every public error class, base classes before what derives from them."""
    pending: list[type[CloacinaError]] = [CloacinaError]
    while pending:
        kind = pending.pop(0)
        yield kind
        # Other people's subclasses inherit a code that is not theirs.
        pending.extend(child for child in kind.__subclasses__() if child.__module__ == __name__)
    yield TaskCancelled


def errors_by_code() -> Mapping[str, type[CloacinaError | TaskCancelled]]:
    """Return every public error class by its code, in the order of the codes."""
    return {kind.code: kind for kind in sorted(error_classes(), key=lambda kind: kind.code)}


def join_names(names: Sequence[str]) -> str:
    """Return names in quotes with commas, for a message: `'a', 'b'`; `none` when there are none."""
    return ", ".join(repr(name) for name in names) or "none"
