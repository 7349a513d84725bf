"""The threads of conditions: as few as keep up, the urgent first, and none is left over."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina.errors import ThreadUnavailable
from cloacina.execution.event_loop import EventLoop
from cloacina.execution.waiting import conditions
from cloacina.execution.waiting.conditions import LOOK_SECONDS, ConditionThreads, Growth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 60.0
NEVER = 3_600.0


class Asked:
    """A question that notes in which thread it was called, and that it was answered."""

    def __init__(self, condition: Callable[[], object] = bool, on_answer: Callable[[], object] = bool) -> None:
        self.condition = condition
        self.on_answer = on_answer
        self.thread: threading.Thread | None = None
        self.error: BaseException | None = None
        self.is_answered = threading.Event()

    def call(self) -> tuple[Any, None]:
        self.thread = threading.current_thread()
        self.condition()
        return None, None

    def answered(self, value: Any, error: BaseException | None) -> None:
        self.error = error
        self.is_answered.set()
        self.on_answer()


async def until(claim: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not claim():
            await anyio.sleep(0.001)


async def all_called(*questions: Asked) -> None:
    await until(lambda: all(question.thread for question in questions))


async def all_answered(*questions: Asked) -> None:
    await until(lambda: all(question.is_answered.is_set() for question in questions))


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Return what conditions hang on, until the test is over at the latest."""
    event = threading.Event()
    yield event
    event.set()


def living() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cloacina-conditions"]


@pytest.fixture
async def threads() -> Any:
    """Return a pool, and see in the end that none of its threads is left."""
    await until(lambda: not living())
    pool = ConditionThreads(EventLoop.current())
    yield pool
    pool.close()
    await until(lambda: not living())


def ask(pool: ConditionThreads, *questions: Asked, is_urgent: bool = False) -> tuple[Asked, ...]:
    for question in questions:
        pool.ask(question, is_urgent=is_urgent)
    return questions


async def test_quick_conditions_share_one_thread(threads: ConditionThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "LOOK_SECONDS", NEVER)
    for _ in range(3):
        await all_answered(*ask(threads, *[Asked() for _ in range(100)]))
        assert len(living()) == 1
    assert threads.outstanding == 0


async def test_threads_become_more_while_the_oldest_question_is_too_old_though_answers_come(
    threads: ConditionThreads,
) -> None:
    # As queries of some milliseconds do: each look finds new answers, and yet those behind wait for too long.
    pause = threading.Event()
    questions = ask(threads, *[Asked(partial(pause.wait, LOOK_SECONDS / 4)) for _ in range(80)])
    await all_answered(*questions)
    assert len({question.thread for question in questions}) > 1


async def test_threads_become_more_while_conditions_hang(threads: ConditionThreads, hold: threading.Event) -> None:
    hanging = ask(threads, *[Asked(hold.wait) for _ in range(10)])
    await all_called(*hanging)
    await all_answered(*ask(threads, Asked()))
    assert not any(question.is_answered.is_set() for question in hanging)


async def test_threads_that_rest_are_called_before_others_are_started(
    threads: ConditionThreads, hold: threading.Event
) -> None:
    # On a busy machine there may be more of them than there are questions.
    lived: list[set[threading.Thread]] = []
    for _ in range(2):
        hold.clear()
        hanging = ask(threads, *[Asked(hold.wait) for _ in range(3)])
        await all_called(*hanging)
        hold.set()
        await all_answered(*hanging)
        await until(lambda: len(threads._resting) == len(threads._threads))
        lived.append(set(living()))
        assert {question.thread for question in hanging} <= lived[-1]
    assert lived[0] == lived[1]


async def test_threads_are_bounded(
    threads: ConditionThreads, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_MAX_THREADS", 3)
    monkeypatch.setattr(conditions, "LOOK_SECONDS", 0.001)
    looks: list[float] = []
    helps = Growth.helps

    def note(growth: Growth, seconds: float, answers: int, working: int) -> bool:
        looks.append(seconds)
        return helps(growth, seconds, answers, working)

    monkeypatch.setattr(Growth, "helps", note)
    questions = ask(threads, *[Asked(hold.wait) for _ in range(6)])
    await until(lambda: len(looks) >= 10)
    assert [question.thread is not None for question in questions] == [True] * 3 + [False] * 3
    hold.set()
    await all_answered(*questions)


async def test_what_is_urgent_comes_before_polls(
    threads: ConditionThreads, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "LOOK_SECONDS", NEVER)
    order: list[str] = []
    (first,) = ask(threads, Asked(hold.wait))
    await until(lambda: first.thread)
    polls = ask(threads, *[Asked(partial(order.append, "poll")) for _ in range(2)])
    urgent = ask(threads, Asked(partial(order.append, "urgent")), is_urgent=True)
    hold.set()
    await all_answered(*polls, *urgent)
    assert order == ["urgent", "poll", "poll"]


@pytest.mark.parametrize(("look", "hand_back"), [(NEVER, 0.0), (0.001, NEVER)])
async def test_answers_are_not_held_back_until_the_batch_ends(
    look: float, hand_back: float, threads: ConditionThreads, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the thread, when some time has passed; by a look, when the thread hangs before it has.
    monkeypatch.setattr(conditions, "LOOK_SECONDS", look)
    monkeypatch.setattr(conditions, "_HAND_BACK_SECONDS", hand_back)
    quick, hanging = ask(threads, Asked(), Asked(hold.wait))
    await all_answered(quick)
    assert not hanging.is_answered.is_set()


async def test_threads_end_when_they_have_been_idle_for_a_while(
    threads: ConditionThreads, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "IDLE_SECONDS", 0.001)
    for _ in range(2):  # And begin again.
        hold.clear()
        hanging = ask(threads, *[Asked(hold.wait) for _ in range(3)])
        await all_called(*hanging)
        hold.set()
        await all_answered(*hanging)
        await until(lambda: not living())


async def test_threads_end_when_the_pool_is_closed_and_one_that_hangs_when_it_returns(
    threads: ConditionThreads, hold: threading.Event
) -> None:
    hanging, quick = ask(threads, Asked(hold.wait), Asked())
    await all_answered(quick)
    threads.close()
    assert hanging.thread is not None
    await until(lambda: living() == [hanging.thread])
    hold.set()
    await until(lambda: not living())


class NoThreads:
    """The system lets no more threads start than so many."""

    def __init__(self, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = most
        self._start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: self._try(thread))

    def _try(self, thread: threading.Thread) -> None:
        if thread.name == "cloacina-conditions" and len(living()) >= self.most:
            message = "can't start new thread"
            raise RuntimeError(message)
        self._start(thread)


async def test_without_any_thread_each_question_is_answered_with_that(
    threads: ConditionThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = NoThreads(0, monkeypatch)
    refused = [*ask(threads, Asked(), Asked()), *ask(threads, Asked(), is_urgent=True)]
    await all_answered(*refused)
    assert {type(question.error) for question in refused} == {ThreadUnavailable}
    assert threads.outstanding == 0
    limit.most = 1
    (served,) = ask(threads, Asked())
    await all_answered(served)
    assert served.error is None


async def test_without_further_threads_those_that_there_are_go_on(
    threads: ConditionThreads, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    NoThreads(1, monkeypatch)
    monkeypatch.setattr(conditions, "LOOK_SECONDS", 0.001)
    looks: list[int] = []

    def note(_growth: Growth, _seconds: float, answers: int, _working: int) -> bool:
        looks.append(answers)
        return True

    monkeypatch.setattr(Growth, "helps", note)
    questions = ask(threads, Asked(hold.wait), *[Asked() for _ in range(5)])
    await until(lambda: len(looks) >= 3)
    hold.set()
    await all_answered(*questions)
    assert {question.error for question in questions} == {None}


@pytest.mark.parametrize(
    ("seconds", "answers", "working", "expected"),
    [
        (LOOK_SECONDS, 1, 50, True),  # They wait: the loop gets its turns.
        (10 * LOOK_SECONDS, 1, 3, True),  # A few do no harm.
        (10 * LOOK_SECONDS, 1, 4, False),  # They compute.
        (10 * LOOK_SECONDS, 0, 4, True),  # They are stuck, and something else computes.
    ],
)
def test_more_threads_help_those_that_wait_and_not_those_that_compute(
    seconds: float, answers: int, working: int, expected: bool
) -> None:
    growth = Growth()
    given = 0
    found: list[bool] = []
    for _ in range(50):
        given += answers
        found.append(growth.helps(seconds, given, working))
    assert (found[-1] if answers else any(found[10:])) is expected
