"""`@task`: what makes a function a task, and what a task is to the engine.

The decorator returns the function itself, so that it can still be called and tested as plain Python. What it found out
about the function is a `TaskDefinition`, which `task_definition(function)` returns.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast, overload

from cloacina.errors import InvalidName, InvalidOption, InvalidTask, InvalidTaskResult
from cloacina.handle import return_task_handle, take_task_handle
from cloacina.on_cancel import read_on_cancel
from cloacina.retry import NO_RETRY, RetryPolicy, seconds
from cloacina.signature import read_signature
from cloacina.source_snapshot import take_snapshot

if TYPE_CHECKING:
    from datetime import timedelta

    from cloacina.context import Context
    from cloacina.on_cancel import OnCancel
    from cloacina.source_snapshot import SourceSnapshot

__all__ = ["Dependency", "RetryPolicy", "TaskDefinition", "check_name", "seconds", "task", "task_definition"]

Dependency: TypeAlias = str | Callable[..., Any]
"""A task that another one depends on: its id, or its function."""

_FunctionT = TypeVar("_FunctionT", bound=Callable[..., Any])

_NAME: Final = re.compile(r"[^\W\d][\w.-]{0,127}")
_ATTRIBUTE: Final = "__cloacina_task__"

collector: ContextVar[Callable[[TaskDefinition], None] | None] = ContextVar("cloacina_collector", default=None)
"""Takes the tasks that are declared here: set inside of a workflow's `with` block."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskDefinition:
    """What `@task` found out about a function. The engine runs a task by this alone.

    Attributes:
        id: The name of the task in its workflow.
        function: The function as it was decorated.
        dependencies: The ids of the tasks that have to be completed before.
        retry: How often it is attempted.
        timeout: For how many seconds an attempt may hold a slot, or None for no limit.
        description: What it is for, in a line; by default the first line of the function's docstring.
        is_async: Whether it runs on the event loop (`run`), and not in a thread (`run_blocking`).
        requires_handle: Whether it takes a handle.
        handle_parameter: The name of the parameter that takes the handle, or None.
        heartbeat_timeout: For how many seconds an attempt may hold a slot without a heartbeat, or None for no limit.
        on_cancel: What cleans up when a user has cancelled it, or None.
        snapshot: What its version is a hash of: its code, and what that is bound to, as it was decorated.
    """

    id: str
    function: Callable[..., Any]
    dependencies: tuple[str, ...]
    retry: RetryPolicy
    timeout: float | None
    description: str | None
    is_async: bool
    requires_handle: bool
    handle_parameter: str | None
    snapshot: SourceSnapshot = field(repr=False)
    _call: Callable[..., Any] = field(repr=False)
    heartbeat_timeout: float | None = None
    on_cancel: OnCancel | None = None

    async def run(self, context: Context) -> None:
        """Run the body of an async task.

        Args:
            context: What the task reads and writes.

        Raises:
            NoTaskHandle: The task takes a handle, and none is set; see `with_task_handle`.
            InvalidTaskResult: The task returned something else than None or the context.
            BaseException: What the task raises.
        """
        if self.requires_handle:
            handle = take_task_handle()
            try:
                result = await self._call(context, handle)
            finally:
                return_task_handle(handle)
        else:
            result = await self._call(context)
        if result is not None and result is not context:
            raise _invalid_result(self, result)

    def run_blocking(self, context: Context) -> None:
        """Run the body of a `def` task, in the thread that calls this.

        Args:
            context: What the task reads and writes.

        Raises:
            NoTaskHandle: The task takes a handle, and none is set; see `call_with_task_handle`.
            InvalidTaskResult: The task returned something else than None or the context.
            BaseException: What the task raises.
        """
        if self.requires_handle:
            handle = take_task_handle()
            try:
                result = self._call(context, handle)
            finally:
                return_task_handle(handle)
        else:
            result = self._call(context)
        if result is not None and result is not context:
            raise _invalid_result(self, result)


@overload
def task(function: _FunctionT, /) -> _FunctionT: ...


@overload
def task(
    *,
    id: str | None = None,
    dependencies: Iterable[Dependency] = (),
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    heartbeat_timeout: float | timedelta | None = None,
    on_cancel: Callable[..., Any] | None = None,
    description: str | None = None,
) -> Callable[[_FunctionT], _FunctionT]: ...


def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    id: str | None = None,  # noqa: A002 - the word of the domain, and a keyword only.
    dependencies: Iterable[Dependency] = (),
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    heartbeat_timeout: float | timedelta | None = None,
    on_cancel: Callable[..., Any] | None = None,
    description: str | None = None,
) -> Callable[..., Any]:
    """Make a function a task. Inside of a workflow's `with` block, the task becomes one of that workflow.

    A task is `async def`, and then runs on the event loop, or `def`, and then runs in a thread. Its first parameter
    takes the context. A parameter named `handle` or `task_handle`, or annotated with `TaskHandle` (`async def`) or
    `BlockingTaskHandle` (`def`), takes the handle. It returns None, or the context.

    The function itself is returned, so it can be called, tested and typed as before. A decorator of your own belongs
    beneath `@task`, and keeps the function's signature with `functools.wraps`.

    Args:
        function: The function. Absent when the decorator is used with arguments.
        id: The task's name in its workflow: 1 to 128 letters, digits, `_`, `-` and `.`, the first a letter or `_`. By
            default the name of the function.
        dependencies: The tasks that have to be completed before: their ids or their functions.
        retry: When a failed attempt is followed by another. By default there is one attempt.
        timeout: For how many seconds, or a timedelta, an attempt may hold a slot, from wait to wait and all together.
            Waits do not count.
        heartbeat_timeout: For how many seconds, or a timedelta, an attempt may hold a slot without a heartbeat. The
            time begins with the attempt, with each `handle.heartbeat()`, and with the end of each wait.
        on_cancel: A function, `def` or `async def`, that cleans up the outside world when a user has cancelled the
            execution after the task had begun: `on_cancel(context)`, or `on_cancel(context, cancellation)` for what the
            task has left (`Cancellation`). It is called when the body has ended, with a slot; not when the runner is
            left or its process dies. It may take as long as `timeout` allows, or a minute.
        description: What the task is for, in a line. By default the first line of the docstring.

    Returns:
        The function, or a decorator that returns it.

    Raises:
        InvalidTask: The function cannot be a task: it is a class, a generator function, takes no context, or has
            another parameter without a default.
        WrongHandleType: Its handle is annotated with the type of the other kind of task.
        InvalidName: The id is not usable.
        InvalidOption: Another argument is not usable.

    Example:
        ```python
        from cloacina import Context, RetryPolicy, Workflow, task

        with Workflow("report") as report:

            @task
            def load(context: Context) -> None:
                context["rows"] = [1, 2, 3]

            @task(dependencies=[load], retry=RetryPolicy(attempts=3), timeout=10)
            def count(context: Context) -> None:
                context["count"] = len(context["rows"])


        context = Context()
        load(context)
        count(context)
        print(context["count"])
        #> 3
        ```
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        definition = _define(function, id, dependencies, retry, timeout, heartbeat_timeout, on_cancel, description)
        try:
            setattr(function, _ATTRIBUTE, definition)
        except AttributeError as error:
            raise InvalidTask(
                f"{function!r} cannot be marked as a task: it takes no attributes. Wrap it in a function"
            ) from error
        collect = collector.get()
        if collect is not None:
            collect(definition)
        return function

    return decorate if function is None else decorate(function)


def task_definition(function: Callable[..., Any]) -> TaskDefinition:
    """Return what `@task` found out about a function.

    Raises:
        InvalidTask: The function is not a task.
    """
    definition = getattr(function, _ATTRIBUTE, None)
    if not isinstance(definition, TaskDefinition):
        raise InvalidTask(f"{function!r} is not a task. Put @task on it")
    if definition.function is not function:
        # functools.wraps copies the attributes of what it wraps.
        raise InvalidTask(
            f"{function!r} is a wrapper around the task {definition.id!r}, and not the task itself, so it would be left"
            " out when the task runs. Put @task above the other decorators"
        )
    return definition


def check_name(name: object, what: str) -> str:
    """Return a name of a workflow or an id of a task, checked.

    Args:
        name: The name.
        what: What it names, for an error message.

    Raises:
        InvalidName: The name is not usable.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name!r} cannot be the {what}. Expected 1 to 128 letters, digits, `_`, `-` and `.`, the first a letter or"
            " `_`"
        )
    return name


def _define(
    function: Callable[..., Any],
    id_: str | None,
    dependencies: Iterable[Dependency],
    retry: RetryPolicy | None,
    timeout: float | timedelta | None,
    heartbeat_timeout: float | timedelta | None,
    on_cancel: Callable[..., Any] | None,
    description: str | None,
) -> TaskDefinition:
    given = cast("object", function)
    if not callable(given):
        raise InvalidTask(f"@task was given {given!r}, which is no function. Arguments have names: @task(id='...')")
    name = id_ if id_ is not None else getattr(function, "__name__", None)
    if name is None:
        raise InvalidTask(f"{function!r} has no name of its own. Name the task: task(id='...')({function!r})")
    signature = read_signature(function, str(name))
    previous = getattr(function, _ATTRIBUTE, None)
    if isinstance(previous, TaskDefinition) and previous.function is function:
        raise InvalidTask(
            f"{function!r} is already the task {previous.id!r}. For a second task of the same function, decorate"
            " functools.partial(function) with another id"
        )
    return TaskDefinition(
        id=check_name(name, "id of a task"),
        function=function,
        dependencies=_dependency_ids(dependencies, str(name)),
        retry=_retry_policy(retry),
        timeout=None if timeout is None else _timeout(timeout, "timeout"),
        heartbeat_timeout=_heartbeat_timeout(heartbeat_timeout, signature.handle_parameter),
        on_cancel=None if on_cancel is None else read_on_cancel(on_cancel, str(name)),
        description=description if description is not None else _first_line(function),
        is_async=signature.is_async,
        requires_handle=signature.handle_parameter is not None,
        handle_parameter=signature.handle_parameter,
        snapshot=take_snapshot(function),
        _call=signature.call,
    )


def _dependency_ids(dependencies: Iterable[Dependency], name: str) -> tuple[str, ...]:
    given = cast("Iterable[object] | None", dependencies)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidOption(
            f"dependencies of task {name!r} is {given!r}. Expected a list of ids or task functions: dependencies=[...]"
        )
    ids: dict[str, None] = {}
    for dependency in given:
        if isinstance(dependency, str):
            ids[dependency] = None
        elif callable(dependency):
            ids[task_definition(dependency).id] = None
        else:
            raise InvalidOption(f"dependencies of task {name!r} holds {dependency!r}. Expected ids or task functions")
    return tuple(ids)


def _retry_policy(retry: object) -> RetryPolicy:
    if retry is None:
        return NO_RETRY
    if not isinstance(retry, RetryPolicy):
        raise InvalidOption(f"retry is {retry!r}. Expected a RetryPolicy, such as RetryPolicy(attempts=3)")
    return retry


def _timeout(timeout: float | timedelta, name: str) -> float:
    duration = seconds(timeout, name)
    if duration == 0.0:
        raise InvalidOption(f"{name} is 0, so the task could never run. Expected more than 0 seconds, or None")
    return duration


def _heartbeat_timeout(timeout: float | timedelta | None, handle_parameter: str | None) -> float | None:
    if timeout is None:
        return None
    if handle_parameter is None:
        raise InvalidOption(
            "heartbeat_timeout is given to a task that takes no handle, so it has no heartbeat. Declare a parameter"
            " `handle`, and call handle.heartbeat()"
        )
    return _timeout(timeout, "heartbeat_timeout")


def _first_line(function: Callable[..., Any]) -> str | None:
    documentation = inspect.getdoc(function) if inspect.isroutine(function) else None
    return documentation.partition("\n")[0].strip() or None if documentation else None


def _invalid_result(definition: TaskDefinition, result: object) -> InvalidTaskResult:
    if inspect.iscoroutine(result):
        result.close()
        return InvalidTaskResult(
            f"Task {definition.id!r} returned a coroutine, which nobody awaits. Declare it with `async def` and await"
            " there, or keep functools.wraps on its decorators"
        )
    return InvalidTaskResult(
        f"Task {definition.id!r} returned {type(result).__name__}, which would be lost. Expected None or its context:"
        " write context['key'] = value instead"
    )
