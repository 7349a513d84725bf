"""Workflows that do what their context says: a script for each task, of every primitive that there is.

Each step tells outside of the store what it does and what it was answered, with a value that no other call has.
"""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import Any
from uuid import uuid4

from tests.chaos.effects import Effects

from cloacina import After, BlockingTaskHandle, Context, RetryPolicy, Signal, TaskHandle, Workflow, task

Step = list[Any]
Script = dict[str, list[Step]]

TASKS = ("load", "settle", "review", "insist")
ATTEMPTS = 3
_PAUSES = (0.0, 0.001, 0.02, 0.1)


# ── Making scripts ───────────────────────────────────────────────────────────────────────────────────────────────────


def make_script(random: random.Random) -> Script:
    """Return what the tasks of one execution do."""
    script: Script = {name: [_step(random, name, number) for number in range(random.randint(1, 5))] for name in TASKS}
    if random.random() < 0.7:
        # Behind what has to be kept for the next attempt.
        script["insist"].append(["fail", random.randint(2, ATTEMPTS) if random.random() < 0.85 else ATTEMPTS + 1])
        script["insist"].append(_step(random, "insist", len(script["insist"])))
    return script


def _step(random: random.Random, task_id: str, number: int) -> Step:
    name = f"{task_id}{number}"
    shared = random.choice(("paid", "shipped"))
    return random.choice(
        (
            ["checkpoint", "step", None],
            ["checkpoint", "step", name],
            ["checkpoint", name, None],
            ["once", name],
            ["signal", name],
            ["signal", shared],
            ["brief", name, random.choice(_PAUSES)],
            ["poll", name, random.randint(1, 6)],
            ["poll", None, random.randint(1, 6)],
            ["sleep", random.choice((name, None)), random.choice(_PAUSES)],
            ["any", name, random.choice(_PAUSES)],
            ["all", name],
            ["ask", name],
            ["approve", name],
            ["yield"],
        )
    )


def signals_for(random: random.Random, script: Script) -> list[str]:
    """Return the names of the signals that an execution needs, one for each that it waits for."""
    names: list[str] = []
    for steps in script.values():
        for kind, *arguments in steps:
            if kind == "signal":
                names.append(arguments[0])
            elif kind == "all":
                names += [f"{arguments[0]}-one", f"{arguments[0]}-two"]
            elif kind in {"brief", "any"} and random.random() < 0.5:
                names.append(arguments[0])
    random.shuffle(names)
    return names


# ── Doing what they say ──────────────────────────────────────────────────────────────────────────────────────────────

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
# A step that may happen once asks a person when its process died in it.
PARKING = frozenset({"signal", "brief", "poll", "sleep", "any", "all", "ask", "approve", "yield", "once"})


def _call(step: Step, tell: Callable[..., None], counts: Counter[str]) -> Call:
    kind, *rest = step
    if kind in {"checkpoint", "once"}:
        name, key = (rest[0], rest[1]) if kind == "checkpoint" else (rest[0], None)
        counts[name] += key is None
        place = f"#{counts[name]}" if key is None else f"={key}"

        def make() -> str:
            made = uuid4().hex
            tell("made", step=step, name=name, place=place, value=made)
            return made

        return "checkpoint", (name, make), {"key": key, "at_most_once": kind == "once"}
    if kind == "signal":
        return "wait_for", (rest[0],), {}
    if kind == "brief":
        return "wait_for", (rest[0],), {"timeout": rest[1], "default": None}
    if kind == "poll":
        name, calls = rest
        left = [calls]

        def has_happened() -> str | None:
            left[0] -= 1
            return None if left[0] else uuid4().hex

        return "defer_until", (has_happened,), {"name": name, "poll_interval_ms": 2}
    if kind == "sleep":
        return "defer_for", (rest[1],), {"name": rest[0]}
    if kind == "any":
        return "wait_any", ([Signal(rest[0]), After(rest[1])],), {"name": rest[0]}
    if kind == "all":
        both = [Signal(f"{rest[0]}-one"), After(0.001), Signal(f"{rest[0]}-two")]
        return "wait_all", (both,), {"name": rest[0]}
    if kind == "ask":
        return "request_input", (f"What of {rest[0]}?",), {"model": dict[str, str], "name": rest[0]}
    if kind == "approve":
        return "request_approval", (f"May {rest[0]}?",), {"name": rest[0]}
    return "yield_slot", (), {}


def _steps(task_id: str, context: Context, handle: Any, effects: Effects) -> Generator[Call, Any, None]:
    where = {"execution": context["number"], "task": task_id, "te": handle.task_execution_id()}

    def tell(what: str, **fields: Any) -> None:
        effects.add(what, **where, attempt=handle.attempt, **fields)

    tell("enter", begins=True)
    is_inside = True
    counts: Counter[str] = Counter()
    try:
        for index, step in enumerate(context["script"][task_id]):
            if step[0] == "fail":
                if handle.attempt < step[1]:
                    raise ConnectionError(f"attempt {handle.attempt} fails")
                continue
            if step[0] in PARKING:
                tell("leave")
                is_inside = False
            value = yield _call(step, partial(tell, index=index), counts)
            if step[0] in PARKING:
                tell("enter")
                is_inside = True
            tell("answered", index=index, step=step, value=value)
            context[f"{task_id}-{index}"] = value
        context["tally"] = [*context.get("tally", []), task_id]
    finally:
        if is_inside:
            tell("leave")


def _task(task_id: str, *, blocking: bool, effects: Effects, **options: Any) -> Callable[..., Any]:
    async def body(context: Context, handle: TaskHandle) -> None:
        steps = _steps(task_id, context, handle, effects)
        try:
            call = next(steps, None)
            while call is not None:
                method, arguments, keywords = call
                value = getattr(handle, method)(*arguments, **keywords)
                call = _sent(steps, await value if inspect.isawaitable(value) else value)
        finally:
            steps.close()

    def blocking_body(context: Context, handle: BlockingTaskHandle) -> None:
        steps = _steps(task_id, context, handle, effects)
        try:
            call = next(steps, None)
            while call is not None:
                method, arguments, keywords = call
                call = _sent(steps, getattr(handle, method)(*arguments, **keywords))
        finally:
            steps.close()

    return task(id=task_id, **options)(blocking_body if blocking else body)


def _sent(steps: Generator[Call, Any, None], value: Any) -> Call | None:
    try:
        return steps.send(value)
    except StopIteration:
        return None


def tallies(values: list[list[str]]) -> list[str]:
    """Merge what several tasks have counted."""
    return sorted({name for value in values for name in value})


def make_workflow(effects: Effects) -> Workflow:
    """Return the workflow: a task of each kind behind the first, one that fails at first, and one that joins them."""
    with Workflow("mixed", merge={"tally": tallies}) as mixed:
        load = _task("load", blocking=False, effects=effects)
        behind = {"dependencies": [load]}
        _task("settle", blocking=False, effects=effects, **behind)
        _task("review", blocking=True, effects=effects, **behind)
        retry = RetryPolicy(attempts=ATTEMPTS, delay=0.005)
        _task("insist", blocking=False, effects=effects, retry=retry, **behind)

        @task(dependencies=["settle", "review", "insist"])
        def join(context: Context, handle: BlockingTaskHandle) -> None:
            where = {"execution": context["number"], "task": "join", "te": handle.task_execution_id()}
            effects.add("enter", **where, attempt=handle.attempt, begins=True)
            context["joined"] = sorted(key for key in context if "-" in key)
            effects.add("leave", **where, attempt=handle.attempt)

    return mixed
