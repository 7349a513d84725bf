"""Waits for several conditions: each is asked in each round, and counts its errors by itself."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cloacina.context import decode, encode
from cloacina.execution.waiting.answers import NoAnswer, Pending, answer_of
from cloacina.execution.waiting.arguments import SOURCES, check_awaited, returns_awaitable
from cloacina.execution.waiting.payloads import validated
from cloacina.membrane import name_of
from cloacina.waits import Signal

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cloacina.execution.event_loop import EventLoop
    from cloacina.execution.waiting.answers import Answer
    from cloacina.execution.waiting.conditions import ConditionThreads
    from cloacina.handle import Condition
    from cloacina.waits import After, At

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
    """What is known of several things that are waited for.

    Args:
        method: The method of the handle that waits for them.
        awaited: Conditions, signals and times.
        needs_all: Whether each has to have held once, or one is enough.

    Attributes:
        conditions: Those that are polled.
        sources: The others, each with its index among all.
        values: What has held, by index among all, when all are needed.
        texts: What of that signals have carried, JSON, by index.

    Raises:
        InvalidWait: They are no list of functions, signals and times, or none.
    """

    def __init__(self, method: str, awaited: Iterable[Condition | Signal | At | After], *, needs_all: bool) -> None:
        self._awaited = check_awaited(awaited)
        self.sources = [(index, each) for index, each in enumerate(self._awaited) if isinstance(each, SOURCES)]
        polled = [(index, each) for index, each in enumerate(self._awaited) if not isinstance(each, SOURCES)]
        self.conditions: list[Condition] = [condition for _, condition in polled]
        self._indices = [index for index, _ in polled]
        self._method = method
        self._needs_all = needs_all
        self.values: dict[int, Any] = {}
        self.texts: dict[int, str] = {}
        self._errors_in_a_row = [0] * len(self.conditions)

    def __len__(self) -> int:
        return len(self._awaited)

    @property
    def models(self) -> list[Any]:
        """What the payloads of the signals are read by."""
        return [each.model for _, each in self.sources if isinstance(each, Signal)]

    def __repr__(self) -> str:
        names = [repr(each) if isinstance(each, SOURCES) else name_of(each) for each in islice(self._awaited, _SHOWN)]
        if (more := len(self) - len(names)) > 0:
            names.append(f"and {more} more")
        return f"{self._method}([{', '.join(names)}])"

    def encode(self, value: Any) -> str:
        """Return what the wait returns as JSON.

        Raises:
            NotJSONSerializable: A condition has returned what JSON cannot hold.
        """
        what = f"what {self._method} returns"
        if not self._needs_all:
            return encode(list(value), what)
        texts = [
            self.texts[index] if index in self.texts else encode(each, f"{what}[{index}]")
            for index, each in enumerate(value)
        ]
        return f"[{','.join(texts)}]"

    def decode(self, text: str) -> Any:
        """Return what the wait has returned before, from JSON; what signals have carried is read by their models.

        Raises:
            InvalidPayload: It is not what the model of its signal expects.
        """
        found = decode(text)
        if not self._needs_all:
            index, value = found
            return index, self._read(index, value)
        return [self._read(index, value) for index, value in enumerate(found)]

    def _read(self, index: int, value: Any) -> Any:
        awaited = self._awaited[index] if index < len(self) else None
        if not isinstance(awaited, Signal) or awaited.model is None:
            return value
        return validated(awaited.model, encode(value, "a payload"))

    def round(self) -> Generator[int, Answer, Any]:
        """Yield the place of each condition that is to be asked, and be sent its answer.

        Returns:
            What the wait returns, or None.

        Raises:
            FailedRound: Conditions have raised, and the others do not end the wait.
        """
        failed: FailedRound | None = None
        errors = 0
        for place, condition in enumerate(self.conditions):
            index = self._indices[place]
            if index in self.values:
                continue
            value, error = yield place
            if error is not None:
                errors += 1
                self._errors_in_a_row[place] += 1
                round_ = FailedRound(condition, error, self._errors_in_a_row[place])
                if failed is None or _severity(round_) > _severity(failed):
                    failed = round_
                continue
            self._errors_in_a_row[place] = 0
            if value is not None:
                if not self._needs_all:
                    return index, value
                self.values[index] = value
        if failed is not None:
            failed.errors = errors
            raise failed
        if len(self.values) == len(self):
            return [self.values[index] for index in range(len(self))]
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
        try:
            place = next(asked)
            while True:
                place = asked.send(await self._answer(place))
        except StopIteration as end:
            return end.value

    async def _answer(self, place: int) -> Answer:
        condition = self._several.conditions[place]
        if self._is_async[place]:
            return await answer_of(condition, self._loop)
        value, error = await self._threads.call(condition, is_urgent=self.is_urgent)
        return await answer_of(value, self._loop) if type(value) is Pending else (value, error)


def _severity(failed: FailedRound) -> tuple[bool, int]:
    return type(failed.error) is NoAnswer, failed.in_a_row
