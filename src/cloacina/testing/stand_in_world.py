"""What a stand-in handle knows of the world: the signals and answers that a test has given it, and its checkpoints."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cloacina.context import encode
from cloacina.execution.checkpoints import Checkpoints
from cloacina.execution.waiting.arguments import check_awaited
from cloacina.execution.waiting.payloads import schema_of, validated
from cloacina.execution.waiting.questions import Question
from cloacina.waits import After, At, Signal, check_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloacina.execution.checkpoints import Checkpoint
    from cloacina.handle import AnswerOptions, Condition, WaitOptions
    from cloacina.testing.virtual_clock import VirtualClock
    from cloacina.waits import Awaited


class Held(NamedTuple):
    """What a signal, a time or an answer came to; true whatever the value is."""

    value: Any


class World:
    """Signals and answers, as a test sends them.

    Args:
        clock: The time.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._signals: dict[str, deque[str]] = {}
        self._answers: deque[str] = deque()
        self._checkpoints = Checkpoints()
        self._results: dict[tuple[str, str], str] = {}

    def send(self, name: str, payload: Any) -> None:
        """Let a signal be there."""
        self._signals.setdefault(Signal(name).name, deque()).append(encode(payload, "payload"))

    def answer(self, value: Any) -> None:
        """Let the answer to the next question be there."""
        self._answers.append(encode(value, "answer"))

    def signal(self, name: str, model: Any) -> Callable[[], Held | None]:
        """Return a condition that takes the oldest signal of a name."""
        expected = Signal(name, model)

        def is_there() -> Held | None:
            sent = self._signals.get(expected.name)
            return Held(validated(model, sent.popleft())) if sent else None

        is_there.__qualname__ = f"signal {name!r}"
        return is_there

    def question(self, text: str, model: Any, to: Sequence[str]) -> Callable[[], Held | None]:
        """Return a condition that takes the next answer."""
        Question(text, model, to)
        schema_of(model)

        def is_answered() -> Held | None:
            return Held(validated(model, self._answers.popleft())) if self._answers else None

        is_answered.__qualname__ = f"answer to {text!r}"
        return is_answered

    def moment(self, due_at: float) -> Callable[[], Held | None]:
        """Return a condition that holds from a moment on, in seconds since the epoch."""

        def has_come() -> Held | None:
            return Held(True) if self._clock.time() >= due_at else None

        return has_come

    def milliseconds_until(self, due_at: float) -> int:
        """Return how long it is until a moment, as an interval between two polls."""
        return max(1, math.ceil((due_at - self._clock.time()) * 1000))

    def conditions(self, awaited: Iterable[Awaited]) -> list[Condition]:
        """Return conditions for what is waited for, signals and times among them."""
        found: list[Condition] = []
        for each in check_awaited(awaited):
            if isinstance(each, Signal):
                found.append(self.signal(each.name, each.model))
            elif isinstance(each, After):
                found.append(self.moment(self._clock.time() + check_duration(each.duration, "the time to wait")))
            elif isinstance(each, At):
                found.append(self.moment(each.moment.timestamp()))
            else:
                found.append(each)
        return found

    def enter(self, name: str, key: str | None) -> Checkpoint:
        """Return the next checkpoint of a name."""
        return self._checkpoints.enter("task", name, key)

    def result(self, step: Checkpoint) -> str | None:
        """Return what a checkpoint has come to, JSON; None before it is done."""
        return self._results.get((step.name, step.key))

    def results(self) -> list[tuple[tuple[str, str], str]]:
        """Return name and key of each checkpoint that is done, and what it came to, JSON."""
        return list(self._results.items())

    def keep(self, step: Checkpoint, model: Any, value: Any) -> str:
        """Keep what a checkpoint has come to, and return it as JSON."""
        text = step.encode(model, value)
        self._results[step.name, step.key] = text
        return text


def value_of(found: Any) -> Any:
    """Return a value as the task gets it."""
    if isinstance(found, Held):
        return found.value
    match found:
        case (index, Held(value)):
            return index, value
        case [*values]:
            return [value_of(each) for each in values] if type(found) is list else found
        case _:
            return found


def answer_options(options: AnswerOptions) -> WaitOptions:
    """Return the options of a question that are those of any wait."""
    found: Any = {name: value for name, value in options.items() if name != "to"}
    return cast("WaitOptions", found)
