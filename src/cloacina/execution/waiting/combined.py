"""Waits for several conditions: each is asked in each round, and counts its errors by itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cloacina.execution.waiting.answers import NoAnswer, Pending, answer_of
from cloacina.execution.waiting.arguments import check_conditions, returns_awaitable
from cloacina.membrane import name_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cloacina.execution.event_loop import EventLoop
    from cloacina.execution.waiting.answers import Answer
    from cloacina.execution.waiting.conditions import ConditionThreads
    from cloacina.handle import Condition

_SHOWN: Final = 5


class FailedRound(Exception):
    """Raised by a round in which conditions have raised, and none held; names the one that is nearest to failing.

    Attributes:
        condition: The one that has raised most often in a row.
        error: What it raised.
        in_a_row: How often.
        errors: How many conditions have raised in this round.
    """

    def __init__(self, condition: Condition, error: BaseException, in_a_row: int) -> None:
        super().__init__()
        self.condition = condition
        self.error = error
        self.in_a_row = in_a_row
        self.errors = 1


class Several:
    """What is known of several conditions.

    Args:
        method: The method of the handle that waits for them.
        conditions: The conditions.
        needs_all: Whether each has to have held once, or one is enough.

    Raises:
        InvalidWait: They are no list of functions, or none.
    """

    def __init__(self, method: str, conditions: Iterable[Condition], *, needs_all: bool) -> None:
        self.conditions = check_conditions(conditions)
        self._method = method
        self._needs_all = needs_all
        self._values: dict[int, Any] = {}
        self._errors_in_a_row = [0] * len(self.conditions)

    def __repr__(self) -> str:
        names = [name_of(condition) for condition in islice(self.conditions, _SHOWN)]
        if (more := len(self.conditions) - len(names)) > 0:
            names.append(f"and {more} more")
        return f"{self._method}([{', '.join(names)}])"

    def round(self) -> Generator[int, Answer, Any]:
        """Yield the index of each condition that is to be asked, and be sent its answer.

        Returns:
            What the wait returns, or None.

        Raises:
            FailedRound: Conditions have raised, and the others do not end the wait.
        """
        failed: FailedRound | None = None
        errors = 0
        for index, condition in enumerate(self.conditions):
            if index in self._values:
                continue
            value, error = yield index
            if error is not None:
                errors += 1
                self._errors_in_a_row[index] += 1
                round_ = FailedRound(condition, error, self._errors_in_a_row[index])
                if failed is None or _severity(round_) > _severity(failed):
                    failed = round_
                continue
            self._errors_in_a_row[index] = 0
            if value is not None:
                if not self._needs_all:
                    return index, value
                self._values[index] = value
        if failed is not None:
            failed.errors = errors
            raise failed
        if len(self._values) == len(self.conditions):
            return [self._values[index] for index in range(len(self.conditions))]
        return None


class Combination:
    """A condition made of several: each round asks them in their order.

    Args:
        several: The conditions.
        threads: What calls those that are not async.
        loop: The event loop.

    Attributes:
        is_urgent: Whether the next round is one that a slot is held for, or the last one.
    """

    def __init__(self, several: Several, threads: ConditionThreads, loop: EventLoop) -> None:
        self._several = several
        self._is_async = [returns_awaitable(condition) for condition in several.conditions]
        self._threads = threads
        self._loop = loop
        self.is_urgent = True

    def __repr__(self) -> str:
        return repr(self._several)

    async def __call__(self) -> Any:
        """Ask each condition once, and return what the wait returns, or None."""
        asked = self._several.round()
        index = next(asked)
        try:
            while True:
                index = asked.send(await self._answer(index))
        except StopIteration as end:
            return end.value

    async def _answer(self, index: int) -> Answer:
        condition = self._several.conditions[index]
        if self._is_async[index]:
            return await answer_of(condition, self._loop)
        value, error = await self._threads.call(condition, is_urgent=self.is_urgent)
        return await answer_of(value, self._loop) if type(value) is Pending else (value, error)


def _severity(failed: FailedRound) -> tuple[bool, int]:
    return type(failed.error) is NoAnswer, failed.in_a_row
