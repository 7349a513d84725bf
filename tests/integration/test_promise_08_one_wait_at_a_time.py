"""Promise 8: two waits at once on one handle are refused; `wait_all` and `wait_any` exist for that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    ConcurrentWait,
    ConditionError,
    Context,
    InvalidWait,
    TaskHandle,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


async def test_a_second_wait_at_the_same_time_is_refused() -> None:
    is_open = anyio.Event()

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        async def opened() -> bool:
            return is_open.is_set()

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: handle.defer_until(opened, poll_interval_ms=1))
            while handle.is_slot_held():
                await anyio.sleep(0.001)
            with pytest.raises(ConcurrentWait):
                await handle.defer_until(lambda: True)
            with pytest.raises(ConcurrentWait):
                await handle.yield_slot()
            with pytest.raises(ConcurrentWait):
                handle.into_slot_token()
            is_open.set()
        assert handle.is_slot_held()
        await handle.defer_until(lambda: True)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        (await runner.execute(Workflow("waits", tasks=[wait]))).raise_for_status()


async def test_a_second_wait_of_another_thread_is_refused() -> None:
    is_open = threading.Event()
    refused: list[str] = []

    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        def also_wait() -> None:
            while handle.is_slot_held():
                pass
            try:
                handle.defer_until(lambda: True)
            except ConcurrentWait as error:
                refused.append(error.code)
            is_open.set()

        thread = threading.Thread(target=also_wait)
        thread.start()
        handle.defer_until(is_open.is_set, poll_interval_ms=1)
        thread.join()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        (await runner.execute(Workflow("waits", tasks=[wait]))).raise_for_status()
    assert refused == [ConcurrentWait.code]


class _Script:
    """Conditions of all kinds that hold from their nth call on, and count their calls."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def sync(self, name: str, holds_from: int) -> Callable[[], object]:
        def condition() -> str | None:
            self.calls[name] = self.calls.get(name, 0) + 1
            return f"{name} {self.calls[name]}" if self.calls[name] >= holds_from else None

        return condition

    def asynchronous(self, name: str, holds_from: int) -> Callable[[], object]:
        answer = self.sync(name, holds_from)

        async def condition() -> object:
            return answer()

        return condition

    def awaitable(self, name: str, holds_from: int) -> Callable[[], object]:
        condition = self.asynchronous(name, holds_from)
        return lambda: condition()


def _task(kind: str, method: str, conditions: object, **options: object) -> Callable[..., object]:
    options = {"poll_interval_ms": 1, **options}

    async def wait(context: Context, handle: TaskHandle) -> None:
        context["found"] = await getattr(handle, method)(conditions, **options)

    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        context["found"] = getattr(handle, method)(conditions, **options)

    return task(id="wait")(wait if kind == "async def" else wait_blocking)


@_BOTH_KINDS
async def test_wait_any_returns_the_first_that_holds(kind: str) -> None:
    script = _Script()
    conditions = [script.sync("a", 99), script.asynchronous("b", 3), script.awaitable("c", 3), script.sync("d", 99)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[_task(kind, "wait_any", conditions)]))
    assert result.raise_for_status().context == {"found": [1, "b 3"]}
    assert script.calls == {"a": 3, "b": 3, "c": 2, "d": 2}


@_BOTH_KINDS
async def test_wait_all_returns_what_each_returned_when_it_held(kind: str) -> None:
    script = _Script()
    conditions = [script.sync("a", 1), script.asynchronous("b", 3), script.awaitable("c", 2)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[_task(kind, "wait_all", conditions)]))
    assert result.raise_for_status().context == {"found": ["a 1", "b 3", "c 2"]}
    assert script.calls == {"a": 1, "b": 3, "c": 2}


@_BOTH_KINDS
@pytest.mark.parametrize("method", ["wait_any", "wait_all"])
async def test_waits_for_several_take_the_options_of_all_waits(kind: str, method: str) -> None:
    waiting = _task(kind, method, [lambda: False, lambda: True, lambda: False][::2], timeout=0.01, default="nothing")
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[waiting]))
    assert result.raise_for_status().context == {"found": "nothing"}


def _scripted(name: str, script: str, is_async: bool) -> Callable[[], object]:
    """Return a condition that says what its script does, one letter a call: e raises, y holds, and . does not."""
    steps = iter(script)

    def condition() -> str | None:
        step = next(steps)
        if step == "e":
            raise OSError(f"{name} is not reachable")
        return name if step == "y" else None

    async def condition_async() -> str | None:
        return condition()

    made = condition_async if is_async else condition
    made.__qualname__ = name
    return made


_FAILS = "the condition {0} raised OSError: {0} is not reachable"


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("method", "scripts", "tolerated", "expected", "errors"),
    [
        ("wait_any", {"a": "e", "b": "y"}, 0, [1, "b"], 0),  # None hides another that holds, …
        ("wait_any", {"a": "eee", "b": "..y"}, 5, [1, "b"], 2),  # … as long as errors are borne.
        ("wait_any", {"a": "e", "b": "."}, 0, _FAILS.format("a"), 1),
        ("wait_any", {"a": ".e.e.y", "b": "e.e.e."}, 1, [0, "a"], 5),  # Each is counted by itself, …
        ("wait_any", {"a": "e.eee", "b": "e..e."}, 2, _FAILS.format("a") + ", the last of 3 errors in a row", 6),
        ("wait_all", {"a": "e.y", "b": "y", "c": ".ey"}, 1, ["a", "b", "c"], 2),
        ("wait_all", {"a": "y", "b": "..e", "c": "eee"}, 2, _FAILS.format("c") + ", the last of 3 errors in a row", 4),
        ("wait_all", {"a": "e", "b": "e"}, 0, _FAILS.format("a"), 2),
    ],
)
async def test_each_of_several_conditions_is_asked_and_its_errors_are_counted_by_themselves(
    method: str,
    scripts: dict[str, str],
    tolerated: int,
    expected: object,
    errors: int,
    is_async: bool,
    kind: str,
) -> None:
    conditions = [_scripted(name, script, is_async) for name, script in scripts.items()]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        waiting = _task(kind, method, conditions, tolerate_errors=tolerated)
        result = await runner.execute(Workflow("waits", tasks=[waiting]))
        waits = await runner.waits(result.id)
    if isinstance(expected, str):
        assert result.error is not None
        assert (result.error.code, result.error.message.split(" [")[0]) == (ConditionError.code, expected)
        assert "OSError" in result.error.traceback
    else:
        assert result.raise_for_status().context == {"found": expected}
    assert [record.errors for record in waits] in ([], [errors])


@_BOTH_KINDS
async def test_messages_name_the_conditions_of_a_wait_for_several(kind: str) -> None:
    conditions = [_scripted(f"condition_{number}", "...", is_async=False) for number in range(1, 8)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[_task(kind, "wait_all", conditions, timeout=0)]))
    assert result.error is not None
    names = ", ".join(f"condition_{number}" for number in range(1, 6))
    assert f"the condition wait_all([{names}, and 2 more]) was not met within 0 s" in result.error.message


@_BOTH_KINDS
@pytest.mark.parametrize("method", ["wait_any", "wait_all"])
@pytest.mark.parametrize("conditions", [lambda: True, [True], "text", None], ids=["function", "value", "text", "none"])
async def test_what_is_no_list_of_conditions_is_refused(kind: str, method: str, conditions: object) -> None:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[_task(kind, method, conditions)]))
    assert result.error is not None
    assert result.error.code == InvalidWait.code
