"""Errors about the data in a context, and about how tasks and workflows are declared."""

from __future__ import annotations

from cloacina.errors.base import CloacinaError


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
    """Raised when an initial context does not satisfy the workflow's input model, or would not survive being stored."""

    code = "CLO-1005"
    cause = (
        "The workflow was declared with input=Model, and the initial context does not validate against that model; or"
        " what the model writes as JSON does not hold all of it, as with a secret, which is written as stars."
    )
    mend = (
        "Correct the fields that the message lists. Pass the name of a secret, and let the task look it up. Nothing was"
        " stored."
    )


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
