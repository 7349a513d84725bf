"""The threads that call synchronous conditions, so that a slow one stalls neither the loop nor another wait.

As long as conditions are quick, one thread calls all that are due and hands the answers back in one go. When one
overruns, another thread takes the rest of the queue, and what was answered already is fetched without waiting for it.
"""

from __future__ import annotations

import contextvars
import inspect
import queue
import threading
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import anyio

if TYPE_CHECKING:
    from cloacina.execution.event_loop import EventLoop, OneShot
    from cloacina.handle import Condition

Answer: TypeAlias = tuple[Any, BaseException | None]
"""What a condition returned if that is truthy or awaitable, otherwise None; and what it raised."""

OVERRUN_SECONDS = 0.02
_HAND_BACK_SECONDS = 0.001
_MAX_THREADS = 1_000


class Question(Protocol):
    """A condition that is to be called once."""

    def call(self) -> Answer:
        """Call the condition, in a thread; `call_condition` does it."""
        ...

    def answered(self, value: Any, error: BaseException | None) -> None:
        """Take the answer, on the loop's thread.

        Args:
            value: What the condition returned if that is truthy or awaitable, otherwise None.
            error: What it raised.
        """
        ...


class ConditionThreads:
    """Calls conditions in as few threads as keep up."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._asked: list[Question] = []
        self._questions: deque[Question] = deque()
        self._calls_to_work: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: deque[tuple[Question, Any, BaseException | None]] = deque()
        self._delivery_is_due = False
        self._outstanding = 0
        self._delivered = 0
        self._threads = 0
        self._idle = 0
        self._counting = threading.Lock()
        self._is_watched = False
        self._is_closed = False
        self._watch_context = contextvars.copy_context()

    @property
    def outstanding(self) -> int:
        """How many questions have not been answered yet."""
        return self._outstanding

    def ask(self, question: Question) -> None:
        """Call the question's condition in a thread; its `answered` is called on the loop's thread."""
        self._outstanding += 1
        if not self._asked:
            # One hand-over for all that are due in this turn of the loop.
            self._loop.call_soon(self._hand_over)
        self._asked.append(question)
        if not self._is_watched:
            self._is_watched = True
            self._loop.spawn(self._watch, self._watch_context)

    async def call(self, condition: Condition) -> Any:
        """Call a condition once in a thread, await what it returns if that is awaitable, and return the answer.

        Raises:
            Exception: What the condition raised.
        """
        single = _SingleCall(condition, self._loop.one_shot())
        self.ask(single)
        value, error = await single.answer
        if error is not None:
            raise error
        return await value if inspect.isawaitable(value) else value

    def close(self) -> None:
        """Let the threads end once they are idle; one that hangs in a condition is left behind."""
        self._is_closed = True
        for _ in range(self._threads):
            self._calls_to_work.put(False)

    async def _watch(self) -> None:
        """While answers are due, see to it that a condition that overruns holds up no other."""
        delivered = -1
        while self._outstanding and not self._is_closed:
            await anyio.sleep(OVERRUN_SECONDS)
            self._deliver()
            self._loop.after_callback()  # a thread whose answers were fetched here posts no callback for them
            if self._delivered == delivered and self._questions and self._threads < _MAX_THREADS:
                self._start_thread()
            delivered = self._delivered
        self._is_watched = False

    def _hand_over(self) -> None:
        self._questions.extend(self._asked)
        self._asked.clear()
        if self._threads:
            self._calls_to_work.put(True)
        else:
            self._start_thread()

    def _start_thread(self) -> None:
        with self._counting:
            self._threads += 1
        self._calls_to_work.put(True)
        threading.Thread(target=self._serve, name="cloacina-conditions", daemon=True).start()

    def _serve(self) -> None:
        while self._may_idle():
            is_work = self._calls_to_work.get()
            with self._counting:
                self._idle -= 1
            if not is_work:
                break
            self._answer_all()
        with self._counting:
            self._threads -= 1

    def _answer_all(self) -> None:
        handed_back = perf_counter()
        while True:
            try:
                question = self._questions.popleft()
            except IndexError:  # Another thread may have taken the last one.
                break
            try:
                value, error = question.call()
            except BaseException as failure:  # noqa: BLE001 - an unanswered question would wait for ever
                value, error = None, failure
            self._answers.append((question, value, error))
            # Dropped before the thread parks: what they hold must not live until the next poll.
            del question, value, error
            if perf_counter() - handed_back > _HAND_BACK_SECONDS:
                handed_back = perf_counter()
                self._hand_back()
        self._hand_back()

    def _hand_back(self) -> None:
        if self._answers and not self._delivery_is_due:
            self._delivery_is_due = True
            self._loop.post(self._deliver)

    def _may_idle(self) -> bool:
        # One idle thread is enough: two would only compete for the next question. While one hangs in a condition, there
        # is another that idles.
        with self._counting:
            if self._idle:
                return False
            self._idle += 1
            return True

    def _deliver(self) -> None:
        self._delivery_is_due = False
        answers = self._answers
        while answers:
            question, value, error = answers.popleft()
            self._outstanding -= 1
            self._delivered += 1
            question.answered(value, error)


class _SingleCall:
    __slots__ = ("_condition", "_context", "answer")

    def __init__(self, condition: Condition, answer: OneShot[Answer]) -> None:
        self._condition = condition
        self._context = contextvars.copy_context()
        self.answer = answer

    def call(self) -> Answer:
        return self._context.run(call_condition, self._condition)

    def answered(self, value: Any, error: BaseException | None) -> None:
        if not self.answer.done():
            self.answer.set_result((value, error))


def call_condition(condition: Condition) -> Answer:
    """Call a condition, and ask for the truth of what it returns: that may run code too."""
    try:
        value = condition()
        if value is None or value is False:
            return None, None
        if inspect.isawaitable(value) or value:
            return value, None
    except BaseException as error:  # noqa: BLE001 - handed on whole, to fail the wait
        return None, error
    return None, None
