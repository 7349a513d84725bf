"""Each sentence of docs/reference/timing.md: when a call of the handle looks, waits, and is answered, and what is kept.

A test per column observes all calls at once, in virtual time. Where another file holds more of a promise, as of slots
and of cancellation, the page names it by its promise.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import pytest

from cloacina import (
    After,
    AsyncRunner,
    At,
    BlockingTaskHandle,
    Context,
    Execution,
    RetryPolicy,
    Signal,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.errors import ExecutionEnded, TaskCancelled
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Crashed, Scripted, Until, UntilWait

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "timing.md"

Script = Generator["Call", Any, None]

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

_KEEPS = "if that is enough, the slot is kept"
_LIMIT = "`timeout=` counts from the call"
_ENDS = "It ends at once; `finally` runs without a slot"
_ANSWER = "Nothing can come early: it takes the question's id to answer it"
_SIGNAL_AGAIN = "What a signal has brought is returned again; else it waits anew"
_GOES_ON = "Open: it goes on with its deadline, and finds what was sent meanwhile. Over: it returns the same again"
_MOMENT = "It goes on to the same moment, and returns at once when that has passed"

SENTENCES: Final[dict[str, dict[str, str]]] = {
    "First look": {
        "defer_until": "The condition is called at once; if it holds, the slot is kept",
        "defer_for": "0 returns at once, and the slot is kept",
        "defer_to": "A moment that has passed returns at once, and the slot is kept",
        "wait_for": f"Signals that are there are looked at; {_KEEPS}",
        "wait_any": f"Signals and times are looked at, then each condition is called in order; {_KEEPS}",
        "wait_all": f"Signals and times are looked at, and each condition is called; {_KEEPS}",
        "request_input": "The question can be seen and answered once the task is `Deferred`",
        "request_approval": "The question can be seen and answered once the task is `Deferred`",
        "checkpoint": "The function is called at once, with the slot, which is kept",
        "idempotency_key": "It looks at nothing, and waits for nothing",
    },
    "Time limit": {
        "defer_until": f"{_LIMIT}; the condition is called a last time then",
        "defer_for": "The time counts from the call",
        "defer_to": "The moment is one of the wall clock",
        "wait_for": _LIMIT,
        "wait_any": f"{_LIMIT}, as `After` does",
        "wait_all": f"{_LIMIT}, as `After` does",
        "request_input": _LIMIT,
        "request_approval": _LIMIT,
        "checkpoint": "None of its own; the `timeout` of the task goes on",
    },
    "What came early": {
        "defer_until": "What holds only between two calls is not seen",
        "wait_for": "Signals are kept for it, and taken one a call, the oldest first",
        "wait_any": "Signals are kept for it; only the one that ends the wait is used up",
        "wait_all": "Signals are kept for it; they are used up together, when all is there",
        "request_input": _ANSWER,
        "request_approval": _ANSWER,
    },
    "After a crash": {
        "defer_until": "Open: it goes on with its deadline. Met: a wait with `name=` returns the same, "
        "one without is asked again",
        "defer_for": _MOMENT,
        "defer_to": _MOMENT,
        "wait_for": _GOES_ON,
        "wait_any": f"{_GOES_ON}; conditions without `name=` are asked again if no signal was there",
        "wait_all": f"{_GOES_ON}; conditions without `name=` are asked again if no signal was there",
        "request_input": f"{_GOES_ON}. The question keeps its id",
        "request_approval": f"{_GOES_ON}. The question keeps its id",
        "checkpoint": "Stored: it returns the same, and nothing is called. Not stored: the function is called again",
        "idempotency_key": "The same key",
    },
    "In another attempt": {
        "defer_until": "It is asked anew, with `name=` too",
        "defer_for": "It waits for the whole time again",
        "defer_to": "The moment is the same, and has passed",
        "wait_for": _SIGNAL_AGAIN,
        "wait_any": _SIGNAL_AGAIN,
        "wait_all": _SIGNAL_AGAIN,
        "request_input": "The answer is returned again",
        "request_approval": "The answer is returned again",
        "checkpoint": "The result is returned again, and nothing is called",
        "idempotency_key": "The same key",
    },
    "When cancelled": {
        "defer_until": _ENDS,
        "defer_for": _ENDS,
        "defer_to": _ENDS,
        "wait_for": _ENDS,
        "wait_any": _ENDS,
        "wait_all": _ENDS,
        "request_input": f"{_ENDS}. The question is closed",
        "request_approval": f"{_ENDS}. The question is closed",
        "checkpoint": "A `def` function runs to its end first; an `async def` one is cancelled where it awaits",
    },
}
"""By the rows of the page, then by the method: what it promises."""


def check(row: str, observed: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare what each call did with what its sentence in a row of the page says."""
    assert observed == expected
    assert observed.keys() == SENTENCES[row].keys()


def test_page_says_what_is_tested_and_nothing_else() -> None:
    said: dict[str, dict[str, str]] = {}
    for method, table in re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for row, sentence in re.findall(r"^\| ([A-Z][\w ]+) \| (.+)\. \|$", table, re.MULTILINE):
            said.setdefault(row, {})[method] = sentence
    assert said == SENTENCES


class World:
    """What the calls below are about: a condition, a step, and how often each of them was called."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.holds = True
        self.asked = 0
        self.made = 0

    def condition(self) -> int:
        """Return how often it was called, when it holds."""
        self.asked += 1
        return self.asked if self.holds else 0

    def step(self) -> int:
        """Return how often it was made."""
        self.made += 1
        return self.made

    def calls(self) -> dict[str, Call]:
        """Return a call of each method."""
        return {
            "defer_until": ("defer_until", self.condition, {"name": "met"}),
            "defer_for": ("defer_for", 3600),
            "defer_to": ("defer_to", self.clock.now() + timedelta(hours=1)),
            "wait_for": ("wait_for", "paid"),
            "wait_any": ("wait_any", [lambda: False, Signal("paid")]),
            "wait_all": ("wait_all", [Signal("paid"), self.condition]),
            "request_input": ("request_input", "How many?", {"model": int}),
            "request_approval": ("request_approval", "Go?"),
            "checkpoint": ("checkpoint", "charge", self.step),
            "idempotency_key": ("idempotency_key", "charge"),
        }


def split(call: Call) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional part of a call, and its keywords."""
    *positional, last = call
    return (positional, cast("dict[str, Any]", last)) if isinstance(last, dict) else ([*call], {})


async def provide(runner: AsyncRunner, executions: Iterable[str]) -> None:
    """Send what executions wait for, by their ids; once, however often this is called."""
    for execution_id in executions:
        await runner.signal(execution_id, "paid", 7, key="once")
    for question in await runner.questions():
        await runner.answer(question.id, True if question.text == "Go?" else 3)


@_BOTH_KINDS
async def test_first_look(scripted: Scripted, until_wait: UntilWait, kind: str) -> None:
    clock = VirtualClock(auto=False)
    calls = World(clock).calls() | {
        "defer_for": ("defer_for", 0),
        "defer_to": ("defer_to", clock.now()),
        "wait_any": ("wait_any", [lambda: "c", Signal("paid"), At(clock.now())]),
        "wait_all": ("wait_all", [lambda: "c", Signal("paid"), At(clock.now())]),
    }
    observed: dict[str, Any] = {}
    executions: dict[str, Execution] = {}

    def looks(context: Context) -> Script:
        yield "wait_for", "begin"
        value = yield calls[context["method"]]
        observed[context["method"]] = value if context["method"] != "idempotency_key" else value.split(":")[1]

    workflow = Workflow("looks", tasks=[scripted(kind, looks)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        for method in calls:
            executions[method] = await runner.submit(workflow, {"method": method})
            await until_wait(runner, executions[method])
        await provide(runner, [execution.id for execution in executions.values()])
        for execution in executions.values():
            await runner.signal(execution.id, "begin")
        for method in ("request_input", "request_approval"):
            while not (questions := await runner.questions(executions[method].id)):
                """It has not begun."""
            await runner.answer(questions[0].id, method == "request_approval" or 3)
        deferred = {}
        for method, execution in executions.items():
            (await execution.wait()).raise_for_status()
            events = [str(event.type) for event in await runner.events(execution.id)]
            deferred[method] = events.count("task_deferred") - 1

    asks = {"request_input", "request_approval"}
    assert deferred == {method: int(method in asks) for method in calls}
    check(
        "First look",
        observed,
        {
            "defer_until": 1,
            "defer_for": None,
            "defer_to": None,
            "wait_for": 7,
            "wait_any": (1, 7),
            "wait_all": ["c", 7, True],
            "request_input": 3,
            "request_approval": True,
            "checkpoint": 1,
            "idempotency_key": "charge",
        },
    )


@_BOTH_KINDS
async def test_time_limit(scripted: Scripted, kind: str) -> None:
    observed: dict[str, Any] = {}

    async def run(method: str, call: Call, world: World, clock: VirtualClock) -> None:
        def waits(context: Context) -> Script:
            yield "defer_for", 100  # what passes before the call does not count
            value = yield call
            observed[method] = (clock.elapsed.total_seconds() - 100, value)

        options: dict[str, Any] = {"timeout": 3} if method == "checkpoint" else {}
        async with AsyncRunner("sqlite://", clock=clock) as runner:
            result = await runner.execute(Workflow("waits", tasks=[scripted(kind, waits, **options)]))
            if (error := result.tasks["waits"].error) is not None:
                observed[method] = error.type

    for method in SENTENCES["Time limit"]:
        clock = VirtualClock()
        world = World(clock)
        limited = {"timeout": 60, "default": "late"}
        calls: dict[str, Call] = {
            # An hour lies between two calls: the one that meets it is the last one, when the time is up.
            "defer_until": (
                "defer_until",
                lambda clock=clock: clock.elapsed.total_seconds() >= 160,
                {"poll_interval_ms": 3_600_000, "timeout": 60},
            ),
            "defer_to": ("defer_to", clock.now() + timedelta(seconds=160)),
            "defer_for": ("defer_for", 60),
            "wait_for": ("wait_for", "paid", limited),
            "wait_any": ("wait_any", [Signal("paid"), After(61)], limited),
            "wait_all": ("wait_all", [Signal("paid"), After(59)], limited),
            "request_input": ("request_input", "How many?", limited),
            "request_approval": ("request_approval", "Go?", limited),
            "checkpoint": ("checkpoint", "slow", lambda clock=clock: clock.advance(4)),
        }
        await run(method, calls[method], world, clock)

    limit = {"defer_until": True, "defer_for": None, "defer_to": None}
    check(
        "Time limit",
        observed,
        {
            method: "cloacina.errors.TaskTimeout" if method == "checkpoint" else (60.0, limit.get(method, "late"))
            for method in SENTENCES["Time limit"]
        },
    )


@_BOTH_KINDS
async def test_what_came_early(scripted: Scripted, until_wait: UntilWait, kind: str) -> None:
    clock = VirtualClock(auto=False)
    times = iter([False, False])  # at the first call and at the last one
    late = {"timeout": 60, "default": "late"}
    calls: dict[str, list[Call]] = {
        "defer_until": [("defer_until", lambda: next(times), late | {"poll_interval_ms": 3_600_000})],
        "wait_for": [("wait_for", "a"), ("wait_for", "a"), ("wait_for", "b")],
        "wait_any": [("wait_any", [Signal("b"), Signal("a")]), ("wait_for", "a"), ("wait_for", "a")],
        "wait_all": [
            ("wait_all", [Signal("a"), Signal("never")], {"timeout": 0, "default": "late"}),
            ("wait_all", [Signal("b"), Signal("a")]),
            ("wait_for", "a"),
        ],
    }
    observed: dict[str, Any] = {}

    def takes(context: Context) -> Script:
        yield "wait_for", "begin"
        heard = observed.setdefault(context["method"], [])
        for call in calls[context["method"]]:
            value = yield call
            heard.append(value)

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        executions = {}
        workflow = Workflow("takes", tasks=[scripted(kind, takes)])
        for method in calls:
            executions[method] = execution = await runner.submit(workflow, {"method": method})
            await until_wait(runner, execution)
            for name, payload in [("a", 1), ("a", 2), ("b", 3)]:
                await runner.signal(execution.id, name, payload)
        # Nobody has asked yet.
        observed |= dict.fromkeys(["request_input", "request_approval"], await runner.questions())
        for execution in executions.values():
            await runner.signal(execution.id, "begin")
        await until_wait(runner, executions["defer_until"], "waiting")
        while not executions["defer_until"].is_over:
            clock.advance(30)
            await runner.waits()
        for execution in executions.values():
            (await execution.wait()).raise_for_status()

    check(
        "What came early",
        observed,
        {
            "defer_until": ["late"],
            "wait_for": [1, 2, 3],
            "wait_any": [(0, 3), 1, 2],
            "wait_all": ["late", [3, 1], 2],
            "request_input": [],
            "request_approval": [],
        },
    )


@_BOTH_KINDS
async def test_after_a_crash_what_was_over_is_returned_again(
    scripted: Scripted, until: Until, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    clock = VirtualClock(auto=False)
    world = World(clock)
    calls = world.calls()
    calls["late"] = ("wait_for", "never", {"timeout": 60, "default": "late"})
    unnamed: dict[str, Call] = {
        "unnamed": ("defer_until", lambda: world.condition() and "asked"),
        "unnamed any": ("wait_any", [lambda: world.condition() and "asked"]),
        "unnamed all": ("wait_all", [lambda: world.condition() and "asked"]),
    }
    calls |= unnamed
    heard: dict[str, list[Any]] = {method: [] for method in calls}

    def goes_on(context: Context) -> Script:
        heard[context["method"]].append((yield calls[context["method"]]))
        yield "wait_for", "hold"

    workflow = Workflow("goes_on", tasks=[scripted(kind, goes_on)])
    async with AsyncRunner(path := tmp_path / "runs.db", clock=clock) as runner:
        ids = [(await runner.submit(workflow, {"method": method})).id for method in calls]

        async def all_hold() -> bool:
            clock.advance(600)
            await provide(runner, ids)
            return [wait.name for wait in await runner.waits(phase="waiting")] == ["hold"] * len(ids)

        await until(all_hold)
        left = crashed(path)
        for each in ids:
            await runner.cancel(each)

    asked, made = world.asked, world.made
    async with AsyncRunner(left, clock=clock) as runner:
        runner.register(workflow)
        for each in ids:
            await runner.signal(each, "hold")
            (await runner.wait(each)).raise_for_status()

    assert [heard.pop(method) for method in unnamed] == [["asked"] * 2, [(0, "asked")] * 2, [["asked"]] * 2]
    assert (world.asked, world.made) == (asked + len(unnamed), made), "of what has a name, nothing is called again"
    assert heard.pop("late") == ["late", "late"], "and no time has passed"
    key = heard["idempotency_key"][0]
    check(
        "After a crash",
        heard,
        {
            "defer_until": [heard["defer_until"][0]] * 2,
            "defer_for": [None, None],
            "defer_to": [None, None],
            "wait_for": [7, 7],
            "wait_any": [(1, 7), (1, 7)],
            "wait_all": [heard["wait_all"][0]] * 2,
            "request_input": [3, 3],
            "request_approval": [True, True],
            "checkpoint": [1, 1],
            "idempotency_key": [key, key],
        },
    )


@_BOTH_KINDS
async def test_after_a_crash_what_was_open_goes_on(
    scripted: Scripted, until: Until, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    clock = VirtualClock(auto=False)
    world = World(clock)
    world.holds = False
    is_making, may_end = threading.Event(), threading.Event()

    def make() -> int:
        is_making.set()
        may_end.wait(60)
        return world.step()

    calls = world.calls() | {"checkpoint": ("checkpoint", "charge", make), "late": ("wait_for", "never")}
    del calls["idempotency_key"]
    for method, call in calls.items():
        if method not in {"defer_for", "defer_to", "checkpoint"}:
            arguments, options = split(call)
            calls[method] = (*arguments, options | {"timeout": 7200, "default": "late"})
    heard: dict[str, Any] = {}

    def goes_on(context: Context) -> Script:
        heard[context["method"]] = yield calls[context["method"]]

    async def waits() -> dict[str, tuple[Any, ...]]:
        return {each.execution_id: (each.id, each.kind, each.deadline, each.due_at) for each in await runner.waits()}

    workflow = Workflow("goes_on", tasks=[scripted(kind, goes_on)])
    async with AsyncRunner(path := tmp_path / "runs.db", clock=clock) as runner:
        ids = [(await runner.submit(workflow, {"method": method})).id for method in calls]

        async def all_wait() -> bool:
            return is_making.is_set() and len(await runner.waits(phase="waiting")) == len(ids) - 1

        await until(all_wait)
        before = await waits()
        left = crashed(path)
        for each in ids:
            await runner.cancel(each)
        may_end.set()

    heard.clear()
    world.holds, made = True, world.made
    clock.advance(1800)
    async with AsyncRunner(left, clock=clock) as runner:
        await provide(runner, ids)  # before anybody goes on with them
        runner.register(workflow)
        clock.advance(5400)  # Whoever counts anew from here is not over then.

        async def all_over() -> bool:
            return not await runner.executions(status="Running")

        await until(all_over)
        assert await waits() == before, "the same waits, with their deadlines and moments"

    assert heard.pop("late") == "late"
    assert world.made == made + 1
    heard["idempotency_key"] = "is never open"
    check(
        "After a crash",
        heard,
        {
            "defer_until": heard["defer_until"],
            "defer_for": None,
            "defer_to": None,
            "wait_for": 7,
            "wait_any": (1, 7),
            "wait_all": [7, heard["wait_all"][1]],
            "request_input": 3,
            "request_approval": True,
            "checkpoint": world.made,
            "idempotency_key": "is never open",
        },
    )


@_BOTH_KINDS
async def test_in_another_attempt(scripted: Scripted, until: Until, kind: str) -> None:
    observed: dict[str, Any] = {}
    late = {"timeout": 60, "default": "late"}
    # What no signal has brought, of the waits that keep what one has.
    others: dict[str, Callable[[World], Call]] = {
        "a signal that was late": lambda _: ("wait_for", "never", late),
        "any without a signal": lambda world: ("wait_any", [world.condition], {"name": "any"}),
        "all without a signal": lambda world: ("wait_all", [world.condition], {"name": "all"}),
    }
    for method in [*SENTENCES["In another attempt"], *others]:
        # Where somebody sends something, no time is to pass before it is there.
        clock = VirtualClock(auto=method.startswith(("defer", "a signal")))
        world = World(clock)
        call = others[method](world) if method in others else world.calls()[method]
        heard: list[tuple[Any, float]] = []

        def fails_once(context: Context, call: Call = call, heard: Any = heard, clock: Any = clock) -> Script:
            began = clock.elapsed.total_seconds()
            value = yield call
            heard.append((value, clock.elapsed.total_seconds() - began))
            if len(heard) == 1:
                raise RuntimeError

        again = RetryPolicy(attempts=2, delay=0)
        async with AsyncRunner("sqlite://", clock=clock) as runner:
            execution = await runner.submit(Workflow("w", tasks=[scripted(kind, fails_once, retry=again)]))

            async def is_over(runner: Any = runner, execution: Execution = execution, method: str = method) -> bool:
                if not execution.is_over and method.startswith(("wait", "request")):
                    with suppress(ExecutionEnded):
                        await provide(runner, [execution.id])
                return execution.is_over

            await until(is_over)
            (await execution.wait()).raise_for_status()
        observed[method] = heard if method != "idempotency_key" else [value == heard[0][0] for value, _ in heard]

    anew = {method: observed.pop(method) for method in others}
    assert anew == {
        "a signal that was late": [("late", 60), ("late", 60)],
        "any without a signal": [((0, 1), 0), ((0, 2), 0)],
        "all without a signal": [([1], 0), ([2], 0)],
    }
    check(
        "In another attempt",
        observed,
        {
            "defer_until": [(1, 0), (2, 0)],
            "defer_for": [(None, 3600), (None, 3600)],
            "defer_to": [(None, 3600), (None, 0)],
            "wait_for": [(7, 0), (7, 0)],
            "wait_any": [((1, 7), 0), ((1, 7), 0)],
            "wait_all": [([7, 1], 0), ([7, 1], 0)],
            "request_input": [(3, 0), (3, 0)],
            "request_approval": [(True, 0), (True, 0)],
            "checkpoint": [(1, 0), (1, 0)],
            "idempotency_key": [True, True],
        },
    )


@_BOTH_KINDS
async def test_when_cancelled(until: Until, kind: str) -> None:
    clock = VirtualClock(auto=False)
    world = World(clock)
    world.holds = False
    is_making, may_end = threading.Event(), threading.Event()
    observed: dict[str, Any] = {}
    journal: list[str] = []

    def make() -> None:
        is_making.set()
        may_end.wait(60)
        journal.append("the function ends")

    async def make_async() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            journal.append("the coroutine is cancelled")

    calls = world.calls() | {"checkpoint": ("checkpoint", "charge", make)}
    del calls["idempotency_key"]
    if kind == "async def":
        calls["async checkpoint"] = ("checkpoint", "charge", make_async)

    @task(id="ends")
    async def ends(context: Context, handle: TaskHandle) -> None:
        (name, *arguments), options = split(calls[context["method"]])
        try:
            await getattr(handle, name)(*arguments, **options)
        finally:
            observed[context["method"]] = handle.is_slot_held()

    @task(id="ends")
    def ends_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        (name, *arguments), options = split(calls[context["method"]])
        try:
            getattr(handle, name)(*arguments, **options)
        except TaskCancelled:
            observed[context["method"]] = name == "checkpoint"  # whose thread has had the slot all the time
            raise

    workflow = Workflow("ends", tasks=[ends if kind == "async def" else ends_blocking])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        executions = [await runner.submit(workflow, {"method": method}) for method in calls]

        async def all_wait() -> bool:
            return is_making.is_set() and len(await runner.waits(phase="waiting")) == 8

        await until(all_wait)
        assert len(await runner.questions()) == 2
        for execution in executions:
            await execution.cancel()
        assert journal == []
        may_end.set()
        statuses = {(await execution.wait()).status for execution in executions}
        await until(lambda: len(observed) == len(calls))
        outcomes = {wait.outcome for wait in await runner.waits()}
        questions = await runner.questions()

    assert (statuses, outcomes, questions, clock.elapsed) == ({"Cancelled"}, {"cancelled"}, [], timedelta())
    assert sorted(journal) == ["the coroutine is cancelled", "the function ends"][kind == "def" :]
    observed.pop("async checkpoint", None)
    check("When cancelled", observed, {method: method == "checkpoint" for method in SENTENCES["When cancelled"]})
