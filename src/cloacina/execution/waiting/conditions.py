"""The threads that call synchronous conditions, so that a slow one stalls neither the loop nor another wait.

As long as conditions are quick, one thread calls all that are due and hands the answers back in one go. When the oldest
of those that are due has waited for too long, another thread joins in, and so on; those that have nothing to do end
again. More threads help conditions that wait for a disk or a network. Ones that compute would only take turns in them,
and keep the event loop from its own.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from cloacina.errors import ThreadUnavailable
from cloacina.execution.waiting.answers import Pending, call_condition

if TYPE_CHECKING:
    from cloacina.execution.event_loop import EventLoop, OneShot
    from cloacina.execution.waiting.answers import Answer
    from cloacina.handle import Condition

LOOK_SECONDS = 0.02
"""How often somebody looks whether the threads keep up, while anything is due."""

IDLE_SECONDS = 10.0
"""How long a thread waits for work before it ends: longer than the interval of most polls."""

_HAND_BACK_SECONDS: Final = 0.001
_FEW_THREADS: Final = 4
_MAX_THREADS: Final = 1_000
_STUCK_SECONDS: Final = 1.0


class Question(Protocol):
    """A condition that is to be called once."""

    def call(self) -> Answer:
        """Call the condition, in a thread; `call_condition` does it."""
        ...

    def answered(self, value: Any, error: BaseException | None) -> None:
        """Take the answer, on the loop's thread.

        Args:
            value: What the condition returned if that is truthy, `Pending` if it is to be awaited, otherwise None.
            error: What it raised.
        """
        ...


class _Line(deque[Question]):
    """Questions that wait for a thread, and how many have come to the line so far."""

    asked = 0

    @property
    def taken(self) -> int:
        return self.asked - len(self)


class ConditionThreads:
    """Calls conditions in as few threads as keep up."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._urgent = _Line()
        self._polls = _Line()
        self._hand_over_is_due = False
        # Each thread waits on a lock of its own, and puts it here when it rests. The last is the first to be called.
        self._threads: set[threading.Lock] = set()
        self._resting: deque[threading.Lock] = deque()
        self._answers: deque[tuple[Question, Any, BaseException | None]] = deque()
        self._delivery_is_due = False
        self._delivered = 0
        self._growth = Growth()
        self._is_watched = False
        self._is_closed = False
        self._watch_context = contextvars.copy_context()

    @property
    def outstanding(self) -> int:
        """How many questions have not been answered yet."""
        return self._urgent.asked + self._polls.asked - self._delivered

    def ask(self, question: Question, *, is_urgent: bool) -> None:
        """Call the question's condition in a thread; its `answered` is called on the loop's thread.

        Args:
            question: What is to be called.
            is_urgent: Whether it comes before the others: a slot is held meanwhile, or time is up.
        """
        line = self._urgent if is_urgent else self._polls
        line.append(question)
        line.asked += 1
        if not self._hand_over_is_due:
            # One call of a thread for all that are due in this turn of the loop.
            self._hand_over_is_due = True
            self._loop.call_soon(self._hand_over)
        if not self._is_watched:
            self._is_watched = True
            self._loop.spawn(self._watch, self._watch_context)

    async def call(self, condition: Condition, *, is_urgent: bool) -> Answer:
        """Call a condition once in a thread, and return the answer."""
        single = _SingleCall(condition, self._loop.one_shot())
        self.ask(single, is_urgent=is_urgent)
        try:
            return await single.answer
        except BaseException:
            single.close()  # The answer may have come in the moment of the cancellation.
            raise

    def close(self) -> None:
        """Let the threads end once they have nothing to do; one that hangs in a condition is left behind."""
        self._is_closed = True
        while self._call_a_thread():
            pass

    # ── On the loop's thread ─────────────────────────────────────────────────────────────────────────────────────────

    def _hand_over(self) -> None:
        self._hand_over_is_due = False
        if not self._call_a_thread() and not self._threads:
            self._start_a_thread()

    async def _watch(self) -> None:
        """While answers are due, see to it that a condition that takes long holds up no other."""
        looked_at = perf_counter()
        try:
            while self.outstanding and not self._is_closed:
                urgent, polls = self._urgent.asked, self._polls.asked
                await anyio.sleep(LOOK_SECONDS)
                self._deliver()
                seconds = perf_counter() - looked_at
                looked_at += seconds
                # What was there at the last look is too old.
                if self._urgent.taken < urgent or self._polls.taken < polls:
                    self._relieve(seconds)
                self._loop.after_callback()  # a thread whose answers were fetched here posts no callback for them
        finally:
            self._is_watched = False

    def _relieve(self, seconds: float) -> None:
        """Let one more thread work, if that helps those that do."""
        working = len(self._threads) - len(self._resting)
        if self._growth.helps(seconds, self._delivered, working) and not self._call_a_thread():
            self._start_a_thread()

    def _call_a_thread(self) -> bool:
        try:
            self._resting.pop().release()
        except IndexError:
            return False
        return True

    def _start_a_thread(self) -> None:
        if len(self._threads) >= _MAX_THREADS:
            return
        bell = threading.Lock()
        bell.acquire()
        self._threads.add(bell)
        try:
            threading.Thread(target=self._serve, args=(bell,), name="cloacina-conditions", daemon=True).start()
        except Exception as refusal:  # noqa: BLE001 - Python has several
            self._threads.discard(bell)
            if not self._threads:
                self._refuse_all(refusal)

    def _refuse_all(self, refusal: Exception) -> None:
        """Answer for all who ask: there is no thread to be had. As long as there is one, they wait for that."""
        for line in (self._urgent, self._polls):
            while line:
                error = ThreadUnavailable(
                    f"a condition needs a thread, and none could be started: {refusal}; raise the limit of the process"
                )
                error.__cause__ = refusal
                self._answers.append((line.popleft(), None, error))
        self._deliver()

    def _deliver(self) -> None:
        self._delivery_is_due = False
        answers = self._answers
        while answers:
            question, value, error = answers.popleft()
            self._delivered += 1
            question.answered(value, error)

    # ── In the threads ───────────────────────────────────────────────────────────────────────────────────────────────

    def _serve(self, bell: threading.Lock) -> None:
        is_needed = True
        while is_needed:
            self._answer_all()
            self._resting.append(bell)
            # Nobody calls a thread that rests after the end, or for what was asked before it rested.
            may_rest = not (self._is_closed or self._urgent or self._polls)
            if bell.acquire(timeout=IDLE_SECONDS if may_rest else 0):
                continue
            try:
                self._resting.remove(bell)
            except ValueError:  # It is being called in this moment.
                bell.acquire()
                continue
            self._threads.discard(bell)
            # What was asked before that has started no other.
            if is_needed := bool(self._urgent or self._polls):
                self._threads.add(bell)

    def _answer_all(self) -> None:
        handed_back = perf_counter()
        while True:
            try:
                question = (self._urgent or self._polls).popleft()
            except IndexError:  # Another thread may have taken the last one.
                if self._urgent or self._polls:
                    continue
                break
            try:
                value, error = question.call()
            except BaseException as failure:  # noqa: BLE001 - an unanswered question would wait for ever
                value, error = None, failure
            self._answers.append((question, value, error))
            # Dropped before the thread rests: what they hold must not live until the next poll.
            del question, value, error
            if perf_counter() - handed_back > _HAND_BACK_SECONDS:
                handed_back = perf_counter()
                self._hand_back()
        self._hand_back()

    def _hand_back(self) -> None:
        if self._answers and not self._delivery_is_due:
            self._delivery_is_due = True
            self._loop.post(self._deliver)


class Growth:
    """Decides whether threads that do not keep up are to be more.

    It does not help if they compute: then the event loop gets its turns late too, as the looks show. A few threads do
    no harm; and when none of them gives an answer for a second, they are stuck.
    """

    def __init__(self) -> None:
        self._pace = LOOK_SECONDS
        self._answers = 0
        self._silence = 0.0

    def helps(self, seconds: float, answers: int, working: int) -> bool:
        """Return whether one more thread helps; asked at a look that found a question too old.

        Args:
            seconds: How long ago the look before was, which is `LOOK_SECONDS` if the loop gets its turns.
            answers: How many answers the threads have given so far.
            working: How many there are that do not rest.
        """
        self._pace += (seconds - self._pace) / 8  # Single looks are late for many reasons.
        self._silence = self._silence + seconds if answers == self._answers else 0.0
        self._answers = answers
        is_stuck = self._silence >= _STUCK_SECONDS
        if is_stuck:
            self._silence = 0.0
        return working < _FEW_THREADS or self._pace < 2 * LOOK_SECONDS or is_stuck


class _SingleCall:
    __slots__ = ("_condition", "_context", "_value", "answer")

    def __init__(self, condition: Condition, answer: OneShot[Answer]) -> None:
        self._condition = condition
        self._context = contextvars.copy_context()
        self._value: Any = None
        self.answer = answer

    def call(self) -> Answer:
        if self.answer.done():  # Who asked was cancelled.
            return None, None
        return self._context.run(call_condition, self._condition)

    def answered(self, value: Any, error: BaseException | None) -> None:
        self._value = value
        if self.answer.done():
            self.close()
        else:
            self.answer.set_result((value, error))

    def close(self) -> None:
        if type(self._value) is Pending:
            self._value.close()
