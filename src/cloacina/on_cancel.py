"""How the function that cleans up behind a cancelled task is called: `@task(on_cancel=...)`."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.errors import InvalidOption
from cloacina.signature import is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Callable

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_MOST_ARGUMENTS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class OnCancel:
    """An `on_cancel` function, and how it is called.

    Attributes:
        function: The function.
        is_async: Whether its result is awaited, and it is not called in a thread.
        takes_cancellation: Whether it takes a `Cancellation` behind the context.
    """

    function: Callable[..., Any]
    is_async: bool
    takes_cancellation: bool


def read_on_cancel(function: object, task_id: str) -> OnCancel:
    """Find out how an `on_cancel` function is called.

    Args:
        function: The function.
        task_id: The task, for error messages.

    Raises:
        InvalidOption: It is none, or takes other arguments.
    """
    if not callable(function) or isinstance(function, type):
        raise InvalidOption(f"on_cancel of task {task_id!r} is {function!r}. Expected a function, def or async def")
    found = cast("Callable[..., Any]", function)
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"on_cancel of task {task_id!r} has no signature: wrap it in a function") from error
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    required = [each for each in parameters if each.default is each.empty and each.kind not in _VARIADIC]
    if not positional or len(required) > _MOST_ARGUMENTS or any(each not in positional for each in required):
        raise InvalidOption(
            f"on_cancel of task {task_id!r} cannot be called with a context and a Cancellation. Expected"
            " on_cancel(context), or on_cancel(context, cancellation)"
        )
    return OnCancel(found, is_coroutine_function(found), len(positional) >= _MOST_ARGUMENTS)
