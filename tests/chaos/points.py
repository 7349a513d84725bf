"""The places at which a process can be made to kill itself: around what the engine stores, and what it does next.

They are put into the classes of the process that is to die; the engine knows nothing of them.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from cloacina.execution.attempt import Attempt
from cloacina.execution.checkpoints import Checkpoint
from cloacina.execution.slots import SlotToken
from cloacina.execution.waiting.wait import Wait
from cloacina.scheduling.claiming import Claiming
from cloacina.scheduling.execution_run import ExecutionRun
from cloacina.scheduling.scheduler import Scheduler
from cloacina.store.database import Database
from cloacina.store.group_commit import GroupCommit

_METHODS: Final[dict[str, tuple[type, str]]] = {
    "request": (Database, "transact"),
    "release": (SlotToken, "release"),
    "look": (Wait, "look"),
    "wait": (Wait, "until_over"),
    "deferred": (Attempt, "show_deferred"),
    "resuming": (Attempt, "show_resuming"),
    "reclaim": (Attempt, "show_active"),
    "checkpoint": (Checkpoint, "store"),
    "signal": (ExecutionRun, "deliver"),
    "claim": (Claiming, "_claimed"),
    "take_over": (Scheduler, "take_up"),
    "recover": (ExecutionRun, "_recover"),
    "retry": (ExecutionRun, "_retry"),
    "complete": (ExecutionRun, "_complete"),
    "end": (Scheduler, "run_ended"),
}
POINTS: Final = tuple(f"{when}_{name}" for name in ("commit", *_METHODS) for when in ("before", "after"))


def die_at(point: str, nth: int) -> None:
    """Let this process kill itself when it comes to a point for the nth time."""
    left = nth

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    when, name = point.split("_", 1)
    if name == "commit":
        _around_commits(passed, is_before=when == "before")
    else:
        owner, method = _METHODS[name]
        setattr(owner, method, _around(getattr(owner, method), passed, is_before=when == "before"))


def _around(method: Callable[..., Any], passed: Callable[[], None], *, is_before: bool) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @wraps(method)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            if is_before:
                passed()
            result = await method(*args, **kwargs)
            if not is_before:
                passed()
            return result

        return awaited

    @wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        if is_before:
            passed()
        result = method(*args, **kwargs)
        if not is_before:
            passed()
        return result

    return called


class _Cursor:
    """The driver's cursor, with a moment before and behind each commit."""

    def __init__(self, cursor: Any, passed: Callable[[], None], *, is_before: bool) -> None:
        self._cursor = cursor
        self._passed = passed
        self._is_before = is_before

    def execute(self, statement: str, *parameters: Any) -> Any:
        """Execute a statement."""
        is_commit = statement == "COMMIT"
        if is_commit and self._is_before:
            self._passed()
        result = self._cursor.execute(statement, *parameters)
        if is_commit and not self._is_before:
            self._passed()
        return result


def _around_commits(passed: Callable[[], None], *, is_before: bool) -> None:
    initialize = GroupCommit.__init__

    @wraps(initialize)
    def wrapped(self: GroupCommit, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        self._cursor = _Cursor(self._cursor, passed, is_before=is_before)

    GroupCommit.__init__ = wrapped  # type: ignore[method-assign]
