"""Conditions made of several conditions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cloacina.execution.waiting.arguments import check_conditions, returns_awaitable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from cloacina.execution.waiting.conditions import ConditionThreads
    from cloacina.handle import Condition


def any_of(conditions: Iterable[Condition], threads: ConditionThreads) -> Callable[[], Awaitable[Any]]:
    """Return a condition that is met by the first of several that holds: by its index and value."""
    calls = _calls(conditions, threads)

    async def first_met() -> tuple[int, Any] | None:
        for index, call in enumerate(calls):
            if value := await call():
                return index, value
        return None

    return first_met


def all_of(conditions: Iterable[Condition], threads: ConditionThreads) -> Callable[[], Awaitable[Any]]:
    """Return a condition that is met when each of several has held once: by their values in order."""
    calls = _calls(conditions, threads)
    values: dict[int, Any] = {}

    async def each_met() -> list[Any] | None:
        for index, call in enumerate(calls):
            if index not in values and (value := await call()):
                values[index] = value
        return [values[index] for index in range(len(calls))] if len(values) == len(calls) else None

    return each_met


def _calls(conditions: Iterable[Condition], threads: ConditionThreads) -> list[Callable[[], Awaitable[Any]]]:
    return [call if returns_awaitable(call) else partial(threads.call, call) for call in check_conditions(conditions)]
