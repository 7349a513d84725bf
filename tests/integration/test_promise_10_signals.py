"""Promise 10: signals and answers are stored before anyone is woken, and each is delivered once."""

from __future__ import annotations

import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel

from cloacina import (
    After,
    AsyncRunner,
    At,
    ConditionError,
    Context,
    Execution,
    InvalidAnswer,
    RetryPolicy,
    Signal,
    WaitTimeout,
    Workflow,
    task,
)
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Scripted, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

Script = Generator["Call", Any, None]


@_BOTH_KINDS
async def test_signal_sent_while_the_task_waits_wakes_it_and_frees_no_second_slot(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    def waits(context: Context) -> Script:
        context["payload"] = yield "wait_for", "paid"
        context["holds a slot"] = yield ("is_slot_held",)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        (wait,) = await runner.waits(execution.id)
        assert (wait.kind, wait.name, wait.poll_interval_ms) == ("signal", "paid", None)

        assert await runner.signal(execution.id, "paid", {"amount": 7})
        result = (await execution.wait()).raise_for_status()
        (sent,) = await runner.signals(execution.id)
        (wait,) = await runner.waits(execution.id)

    assert result.context == {"payload": {"amount": 7}, "holds a slot": True}
    assert sent.wait_id == wait.id
    assert sent.consumed_at is not None
    assert (wait.phase, wait.outcome) == ("ended", "met")


@_BOTH_KINDS
async def test_signals_sent_before_the_wait_are_returned_in_their_order_without_a_slot_change(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    def waits(context: Context) -> Script:
        yield "wait_for", "begin"
        context["got"] = [(yield "wait_for", "go"), (yield "wait_for", "go")]
        context["third"] = yield "wait_for", "go", {"timeout": 0, "default": "none"}

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        for number in (1, 2):
            await runner.signal(execution.id, "go", number)
        await runner.signal(execution.id, "begin")
        result = (await execution.wait()).raise_for_status()
        deferrals = [event for event in await runner.events(execution.id) if event.type == "task_deferred"]

    assert result.context == {"got": [1, 2], "third": "none"}
    assert len(deferrals) == 1, "only the first wait gave the slot back"


@_BOTH_KINDS
async def test_payload_is_validated_and_one_that_is_refused_is_recorded(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    def waits(context: Context) -> Script:
        context["days"] = str((yield "wait_for", "pause", {"model": timedelta}))

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        await runner.signal(execution.id, "pause", "soon")
        await runner.signal(execution.id, "pause", "P3D")
        result = (await execution.wait()).raise_for_status()
        refused, taken = await runner.signals(execution.id)

    assert result.context == {"days": "3 days, 0:00:00"}
    assert refused.refusal is not None
    assert "timedelta" in refused.refusal or "duration" in refused.refusal
    assert refused.wait_id is None
    assert taken.refusal is None


@_BOTH_KINDS
async def test_time_of_a_wait_for_a_signal_is_bounded(scripted: Scripted, kind: str) -> None:
    clock = VirtualClock()

    def waits(context: Context) -> Script:
        try:
            yield "wait_for", "never", {"timeout": timedelta(days=2)}
        except WaitTimeout as error:
            context["told"] = error.message
        context["default"] = yield "wait_for", "never", {"deadline": clock.now() + timedelta(days=1), "default": [1]}

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = (await runner.execute(Workflow("w", tasks=[scripted(kind, waits)]))).raise_for_status()

    assert result.context["told"] == "the signal 'never' did not come within 172800 s"
    assert result.context["default"] == [1]
    assert timedelta(days=3) <= clock.elapsed < timedelta(days=3, seconds=2)


@_BOTH_KINDS
async def test_any_takes_the_first_and_uses_up_no_other_signal(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    def waits(context: Context) -> Script:
        sources = [lambda: None, Signal("approved"), Signal("rejected"), After(timedelta(days=9))]
        context["first"] = yield "wait_any", sources
        context["second"] = yield "wait_for", "approved"

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        await runner.signal(execution.id, "rejected", "too dear")
        await until_wait(runner, execution, "waiting")
        await runner.signal(execution.id, "approved", "after all")
        result = (await execution.wait()).raise_for_status()

    assert result.context == {"first": [2, "too dear"], "second": "after all"}


@_BOTH_KINDS
async def test_all_uses_signals_up_when_everything_is_there_and_gives_them_back_when_time_is_up(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    clock = VirtualClock(auto=False)

    def waits(context: Context) -> Script:
        both = [Signal("a"), Signal("b")]
        context["too early"] = yield "wait_all", both, {"timeout": 60, "default": None}
        context["all"] = yield "wait_all", [*both, lambda: "c", At(clock.now())], {"poll_interval_ms": 1}

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        await runner.signal(execution.id, "a", 1)
        clock.advance(61)
        await until_wait(runner, execution, "waiting", meanwhile=lambda: None)
        while (await runner.waits(execution.id))[0].phase != "ended":
            clock.advance(1)
        assert all(sent.consumed_at is None for sent in await runner.signals(execution.id))
        await runner.signal(execution.id, "b", 2)
        result = (await execution.wait()).raise_for_status()

    assert result.context == {"too early": None, "all": [1, 2, "c", True]}


class Order(BaseModel):
    number: int


@_BOTH_KINDS
@pytest.mark.parametrize("is_condition_last", [False, True])
async def test_what_signals_carried_is_read_by_its_model_again_in_another_attempt(
    scripted: Scripted,
    kind: str,
    is_condition_last: bool,
) -> None:
    heard: list[list[Any]] = []
    answers = iter([None, None, "c"] if is_condition_last else ["c"])

    def waits(context: Context) -> Script:
        every = {"poll_interval_ms": 1}
        heard.append([])
        heard[-1].append((yield "wait_any", [lambda: None, Signal("a", Order), Signal("never")], every))
        both = [Signal("a", Order), lambda: next(answers), Signal("b", bool)]
        heard[-1].append((yield "wait_all", both, every))
        if len(heard) == 1:
            raise RuntimeError
        context["left"] = yield "wait_for", "a"

    workflow = Workflow("w", tasks=[scripted(kind, waits, retry=RetryPolicy(attempts=2, delay=0.001))])
    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(workflow)
        for number, name in enumerate("aaba"):
            await runner.signal(execution.id, name, True if name == "b" else {"number": number})
        result = (await execution.wait()).raise_for_status()

    assert heard == [[(1, Order(number=0)), [Order(number=1), "c", True]]] * 2
    assert result.context == {"left": {"number": 3}}


@_BOTH_KINDS
async def test_value_that_cannot_be_stored_with_signals_fails_the_wait_and_gives_them_back(
    scripted: Scripted, kind: str
) -> None:
    def waits(context: Context) -> Script:
        try:
            yield "wait_all", [Signal("a"), lambda: {1}]
        except ConditionError as error:
            context["told"] = str(error)
        context["a"] = yield "wait_for", "a"

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await runner.signal(execution.id, "a", 1)
        result = (await execution.wait()).raise_for_status()

    assert "JSON cannot hold" in result.context["told"]
    assert result.context["a"] == 1


@_BOTH_KINDS
async def test_signal_that_was_used_up_is_given_again_when_its_cancelled_execution_is_retried(
    scripted: Scripted, until: Until, until_wait: UntilWait, tmp_path: Path, kind: str
) -> None:
    is_free = threading.Event()

    @task
    def hold(context: Context) -> None:
        is_free.wait(60)

    def waits(context: Context) -> Script:
        context["got"] = yield "wait_for", "go"

    async with AsyncRunner(tmp_path / "runs.db", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        holding = await runner.submit(Workflow("h", tasks=[hold]))
        await until(lambda: _is_active(runner, holding))
        await runner.signal(execution.id, "go", 7)
        await until_wait(runner, execution, "resuming")
        await execution.cancel()
        await execution.wait()
        is_free.set()
        await runner.retry(execution.id)
        result = await runner.wait(execution.id)
        kinds = [event.type for event in await runner.events(execution.id)]

    assert result.raise_for_status().context == {"got": 7}
    assert kinds[-1] == "execution_completed"


async def _is_active(runner: AsyncRunner, execution: Execution) -> bool:
    return (await runner.tasks(execution.id))[0].sub_status == "Active"


@_BOTH_KINDS
async def test_question_is_shown_answered_once_and_kept_with_who_and_when(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    def asks(context: Context) -> Script:
        context["approved"] = yield "request_approval", "Pay 7 €?", {"to": ["ada", "finance"]}

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, asks)]))
        await until_wait(runner, execution)
        (question,) = await runner.questions()
        assert (question.text, question.addressees, question.schema) == (
            "Pay 7 €?",
            ("ada", "finance"),
            {"type": "boolean"},
        )

        assert await runner.answer(question.id, True, by="ada")
        result = (await execution.wait()).raise_for_status()
        (answer,) = await runner.signals(execution.id)

        assert await runner.questions() == []

    assert result.context == {"approved": True}
    assert (answer.kind, answer.sender, answer.name) == ("answer", "ada", question.id)


@_BOTH_KINDS
@pytest.mark.parametrize(("refused", "why"), [(3, "it is odd"), (1, "KeyError")])
async def test_answer_that_only_the_model_refuses_is_recorded_and_leaves_the_question_open(
    scripted: Scripted, until: Until, until_wait: UntilWait, kind: str, refused: int, why: str
) -> None:
    def even(value: int) -> int:
        if value == 1:
            raise KeyError(value)
        if value % 2:
            raise ValueError("it is odd")
        return value

    def asks(context: Context) -> Script:
        context["n"] = yield "request_input", "How many?", {"model": Annotated[int, AfterValidator(even)]}

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, asks)]))
        await until_wait(runner, execution)
        (question,) = await runner.questions()
        with pytest.raises(InvalidAnswer):
            await runner.answer(question.id, "three")
        assert await runner.answer(question.id, refused, by="ada")

        async def is_refused() -> bool:
            return bool((await runner.signals(execution.id))[0].refusal)

        await until(is_refused)
        assert [each.id for each in await runner.questions()] == [question.id]
        assert await runner.answer(question.id, 4, by="ada")
        result = (await execution.wait()).raise_for_status()
        first, second = await runner.signals(execution.id)

    assert result.context == {"n": 4}
    assert why in (first.refusal or "")
    assert (first.wait_id, second.wait_id, second.refusal) == (None, question.id, None)


@_BOTH_KINDS
async def test_times_are_waited_for_without_a_slot_and_stored_as_moments(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    clock = VirtualClock(auto=False)
    moment = clock.now() + timedelta(days=400)

    def waits(context: Context) -> Script:
        yield "defer_for", timedelta(hours=3)
        context["after"] = clock.elapsed.total_seconds()
        yield "defer_to", moment
        yield "defer_to", datetime(2020, 1, 1, tzinfo=UTC)
        context["at"] = clock.elapsed.total_seconds()

    async with AsyncRunner("sqlite://", clock=clock, max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, waits)]))
        await until_wait(runner, execution)
        (wait,) = await runner.waits(execution.id)
        assert wait.kind == "time"
        assert wait.due_at == clock.now() + timedelta(hours=3)
        clock.advance(timedelta(hours=3))
        while len(await runner.waits(execution.id)) < 2:
            """The second wait has not begun."""
        await until_wait(runner, execution)
        clock.advance(timedelta(days=400))
        result = (await execution.wait()).raise_for_status()

    assert result.context["after"] == timedelta(hours=3).total_seconds()
    assert result.context["at"] >= timedelta(days=400).total_seconds()
