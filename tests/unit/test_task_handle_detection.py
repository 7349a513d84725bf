"""Which parameter takes the handle, whatever form it has, and that the handle arrives there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Optional, Protocol, Union, cast

import pytest

import cloacina
from cloacina import (
    BlockingTaskHandle,
    Context,
    InvalidTask,
    TaskHandle,
    WrongHandleType,
    task,
    with_task_handle,
)
from cloacina.handle import call_with_task_handle
from cloacina.task import task_definition

Alias = TaskHandle
BlockingAlias = BlockingTaskHandle


class OwnHandle(TaskHandle, Protocol):
    """A handle type of a user, such as a stand-in."""


class Handle:
    """As much of a handle as the context-variable protocol needs."""

    is_consumed = False


SEEN: list[tuple[object, object]] = []


def by_name(context: Context, handle) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # pyright: ignore[reportMissingParameterType]
    SEEN.append((context, handle))


def by_long_name(context: Context, task_handle: object) -> None:
    SEEN.append((context, task_handle))


def by_type(context: Context, control: BlockingTaskHandle) -> None:
    SEEN.append((context, control))


def first(handle: BlockingTaskHandle, context: Context) -> None:
    SEEN.append((context, handle))


def first_positional_only(handle: BlockingTaskHandle, context: Context, /) -> None:
    SEEN.append((context, handle))


def second_positional_only(context: Context, handle: BlockingTaskHandle, /) -> None:
    SEEN.append((context, handle))


def third_positional_only(context: Context, flag: bool = False, handle: object = None, /) -> None:
    assert flag is False
    SEEN.append((context, handle))


def behind_a_default(context: Context, flag: bool = False, handle: object = None) -> None:
    assert flag is False
    SEEN.append((context, handle))


def keyword_only(context: Context, *, control: BlockingTaskHandle) -> None:
    SEEN.append((context, control))


def optional(context: Context, control: Optional[BlockingTaskHandle] = None) -> None:  # noqa: UP045
    SEEN.append((context, control))


def union(context: Context, control: Union[BlockingTaskHandle, None]) -> None:  # noqa: UP007
    SEEN.append((context, control))


def new_union(context: Context, control: BlockingTaskHandle | None) -> None:
    SEEN.append((context, control))


def either_kind(context: Context, control: TaskHandle | BlockingTaskHandle) -> None:
    SEEN.append((context, control))


def annotated(context: Context, control: Annotated[BlockingTaskHandle | None, "control"] = None) -> None:
    SEEN.append((context, control))


def dotted(context: Context, control: cloacina.BlockingTaskHandle) -> None:
    SEEN.append((context, control))


def alias(context: Context, control: BlockingAlias) -> None:
    SEEN.append((context, control))


def quoted_twice(context: Context, control: "BlockingTaskHandle | None") -> None:  # noqa: UP037
    SEEN.append((context, control))


def name_wins_over_a_foreign_type(context: Context, handle: int) -> None:
    SEEN.append((context, handle))


def type_before_name(context: Context, handle: BlockingTaskHandle) -> None:
    SEEN.append((context, handle))


BLOCKING: list[Callable[..., None]] = [
    by_name,
    by_long_name,
    by_type,
    first,
    first_positional_only,
    second_positional_only,
    third_positional_only,
    behind_a_default,
    keyword_only,
    optional,
    union,
    new_union,
    either_kind,
    annotated,
    dotted,
    alias,
    quoted_twice,
    name_wins_over_a_foreign_type,
    type_before_name,
]


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a fresh partial, since a function is one task."""
    return task(id="task")(functools.partial(function))


@pytest.mark.parametrize("function", BLOCKING, ids=lambda function: function.__name__)
def test_the_handle_arrives_at_its_parameter(function: Callable[..., None]) -> None:
    definition = task_definition(decorated(function))
    assert definition.requires_handle is True
    assert definition.is_async is False
    SEEN.clear()
    context, handle = Context(), cast("BlockingTaskHandle", Handle())
    assert call_with_task_handle(handle, definition.run_blocking, context) == (None, handle)
    assert [(context, handle)] == SEEN
    assert SEEN[0][1] is handle


async def async_by_name(context: Context, handle: object) -> None:
    SEEN.append((context, handle))


async def async_by_type(context: Context, control: TaskHandle) -> None:
    SEEN.append((context, control))


async def async_first(control: Alias, context: Context) -> None:
    SEEN.append((context, control))


async def async_own_type(context: Context, *, control: OwnHandle | None = None) -> None:
    SEEN.append((context, control))


class AsyncObject:
    async def __call__(self, context: Context, control: TaskHandle) -> None:
        SEEN.append((context, control))


def wrapped_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as most decorators do: a `def` wrapper that returns what the function returns."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def wrapped_with_await(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


async def with_more(number: int, context: Context, control: TaskHandle) -> None:
    assert number == 3
    SEEN.append((context, control))


ASYNC: dict[str, Callable[..., Any]] = {
    "by name": async_by_name,
    "by type": async_by_type,
    "first": async_first,
    "own type": async_own_type,
    "object": AsyncObject(),
    "wrapped": wrapped_plainly(async_by_type),
    "wrapped twice": wrapped_plainly(wrapped_with_await(async_first)),
    "wrapped with await": wrapped_with_await(async_by_name),
    "partial": functools.partial(with_more, 3),
    "partial of wrapped": functools.partial(wrapped_plainly(with_more), 3),
    "static method": staticmethod(async_by_type),
}


@pytest.mark.parametrize("name", ASYNC)
async def test_the_handle_arrives_at_the_parameter_of_an_async_task(name: str) -> None:
    definition = task_definition(decorated(ASYNC[name]))
    assert definition.requires_handle is True
    assert definition.is_async is True
    SEEN.clear()
    context, handle = Context(), cast("TaskHandle", Handle())
    assert await with_task_handle(handle, definition.run(context)) == (None, handle)
    assert len(SEEN) == 1
    assert SEEN[0][0] is context
    assert SEEN[0][1] is handle


def test_a_wrapped_def_task_takes_its_handle() -> None:
    definition = task_definition(decorated(wrapped_plainly(keyword_only)))
    SEEN.clear()
    context, handle = Context(), cast("BlockingTaskHandle", Handle())
    call_with_task_handle(handle, definition.run_blocking, context)
    assert [(context, handle)] == SEEN


def annotated_as(annotation: str, *, is_async: bool) -> Callable[..., Any]:
    """Return a task function whose parameter `control` has an annotation that no name of this module explains."""

    async def run_async(context: Context, control: object = None) -> None: ...

    def run(context: Context, control: object = None) -> None: ...

    function: Callable[..., Any] = run_async if is_async else run
    function.__annotations__ = {"context": "Missing", "control": annotation}
    return function


UNRESOLVABLE = [
    "elsewhere.TaskHandle",
    "Optional[elsewhere.TaskHandle]",
    "Union[Missing, TaskHandle]",
    "typing.Union[TaskHandle, Missing]",
    "typing.Annotated[TaskHandle, Missing]",
    "Missing | TaskHandle | None",
    "'Missing | TaskHandle'",
    "Missing | 'TaskHandle'",
]


@pytest.mark.parametrize("annotation", UNRESOLVABLE)
def test_annotations_that_cannot_be_resolved_are_read_by_name(annotation: str) -> None:
    assert task_definition(decorated(annotated_as(annotation, is_async=True))).handle_parameter == "control"
    with pytest.raises(WrongHandleType, match="'control' is annotated with TaskHandle"):
        decorated(annotated_as(annotation, is_async=False))


@pytest.mark.parametrize(
    "annotation",
    ["Missing", "Missing[TaskHandle]", "list[TaskHandle | Missing]", "Annotated[Missing, TaskHandle]", "not readable"],
)
def test_other_annotations_that_cannot_be_resolved_are_none_of_a_handle(annotation: str) -> None:
    assert task_definition(decorated(annotated_as(annotation, is_async=True))).requires_handle is False


def plain(context: Context) -> None: ...
def callback(context: Context, on_wait: Callable[[TaskHandle], None] | None = None) -> None: ...
def several(context: Context, handles: list[BlockingTaskHandle] | None = None) -> None: ...
def metadata(context: Context, note: Annotated[str, BlockingTaskHandle] = "") -> None: ...


@pytest.mark.parametrize("function", [plain, callback, several, metadata])
def test_a_type_that_only_contains_a_handle_type_takes_no_handle(function: Callable[..., Any]) -> None:
    definition = task_definition(decorated(function))
    assert definition.requires_handle is False
    definition.run_blocking(Context())


def test_the_context_may_have_any_name() -> None:
    def run(data: Context, handle: BlockingTaskHandle) -> None: ...

    assert task_definition(task(run)).handle_parameter == "handle"


async def wrong_async(context: Context, handle: BlockingTaskHandle) -> None: ...
async def wrong_async_optional(context: Context, handle: BlockingTaskHandle | None = None) -> None: ...
def wrong_blocking(context: Context, handle: TaskHandle) -> None: ...
def wrong_own(context: Context, control: OwnHandle) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            wrong_async,
            "is an `async def` task, whose handle is a TaskHandle, .* Change the annotation, or make it a `def`",
        ),
        (wrong_async_optional, "annotated with BlockingTaskHandle"),
        (wrong_blocking, "is a `def` task, whose handle is a BlockingTaskHandle, .* or make it an `async def` task"),
        (wrong_own, "annotated with TaskHandle"),
    ],
)
def test_the_handle_type_of_the_other_kind_of_task_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(WrongHandleType, match=message):
        decorated(function)


def test_two_handles_are_refused_when_one_has_the_type_and_one_the_name() -> None:
    def run(context: Context, control: BlockingTaskHandle, handle: object = None) -> None: ...

    with pytest.raises(InvalidTask, match="takes the handle twice, as 'control' and 'handle'"):
        task(run)
