"""What a task sees of the tasks before it, and what the result holds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import AsyncRunner, Context, ContextConflict, NotJSONSerializable, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloacina import ExecutionResult


def _step(name: str, body: Callable[[Context], Any], after: Sequence[str] = ()) -> Callable[..., Any]:
    def run(context: Context) -> None:
        body(context)

    return task(id=name, dependencies=after)(run)


def _sets(**values: Any) -> Callable[[Context], None]:
    return lambda context: context.update(values)


def _deletes(*keys: str) -> Callable[[Context], None]:
    def delete(context: Context) -> None:
        for key in keys:
            del context[key]

    return delete


def _nothing(context: Context) -> None:
    pass


class _Seen(dict[str, dict[str, Any]]):
    """What tasks saw, by their names."""

    def step(self, name: str, after: Sequence[str] = ()) -> Callable[..., Any]:
        return _step(name, lambda context: self.__setitem__(name, context.to_dict()), after)


async def _run(
    tasks: Sequence[Callable[..., Any]], initial: dict[str, Any] | None = None, **options: Any
) -> ExecutionResult:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        return await runner.execute(Workflow("merges", tasks=tasks, **options), initial)


async def test_a_task_sees_the_initial_context_and_what_all_its_ancestors_changed() -> None:
    seen = _Seen()
    tasks = [
        _step("root", _sets(root=1)),
        _step("left", _sets(left=[1]), ["root"]),
        _step("right", _sets(right={"a": 1}), ["root"]),
        seen.step("join", ["left", "right"]),
        seen.step("only_left", ["left"]),
        _step("aside", _sets(aside=True)),
    ]
    result = (await _run(tasks, {"initial": 0})).raise_for_status()
    assert seen["join"] == {"initial": 0, "root": 1, "left": [1], "right": {"a": 1}}
    assert seen["only_left"] == {"initial": 0, "root": 1, "left": [1]}
    assert result.context == {"initial": 0, "root": 1, "left": [1], "right": {"a": 1}, "aside": True}


async def test_keys_reach_tasks_the_result_and_the_store_in_the_order_in_which_they_were_written(
    tmp_path: Path,
) -> None:
    seen: dict[str, list[str]] = {}
    row = {"name": "Ada", "id": 7, "born": {"year": 1815, "month": 12}}

    def look(context: Context) -> None:
        seen.update(initial=list(context["initial"]), row=list(context["row"]), born=list(context["row"]["born"]))
        seen["context"] = list(context)

    tasks = [
        _step("load", _sets(zeta=1, row=row, alpha=1)),
        _step("rewrite", _sets(zeta=2, beta=1), ["load"]),
        _step("look", look, ["rewrite"]),
    ]
    initial = {"later": 1, "initial": {"b": 1, "a": 2}}
    async with AsyncRunner(tmp_path / "order.db") as runner:
        context = (await runner.execute(Workflow("order", tasks=tasks), initial)).context
    with closing(sqlite3.connect(tmp_path / "order.db")) as database:
        ((stored,),) = database.execute("SELECT final_context FROM workflow_executions")
    assert seen == {
        "initial": ["b", "a"],
        "row": ["name", "id", "born"],
        "born": ["year", "month"],
        "context": ["later", "initial", "zeta", "row", "alpha", "beta"],
    }
    for found in (context, json.loads(stored)):
        assert list(found) == seen["context"]
        assert json.dumps(found["row"]) == json.dumps(row)


async def test_an_ancestor_s_value_is_superseded_by_its_descendant_s() -> None:
    seen = _Seen()
    tasks = [
        _step("root", _sets(key="root")),
        _step("left", _sets(key="left"), ["root"]),
        _step("right", _nothing, ["root"]),
        seen.step("join", ["left", "right"]),
    ]
    result = (await _run(tasks, {"key": "initial"})).raise_for_status()
    assert seen["join"] == {"key": "left"}
    assert result.context == {"key": "left"}


async def test_the_value_of_a_descendant_stands_whatever_the_topological_order() -> None:
    # In topological order, `late` comes behind `left_child`, but it is only the ancestor of nobody who wrote the key.
    tasks = [
        _step("a", _sets(key="a")),
        _step("b", _sets(other="b")),
        _step("a_child", _sets(key="a_child"), ["a"]),
        _step("join", _nothing, ["a_child", "b"]),
    ]
    assert (await _run(tasks)).raise_for_status().context == {"key": "a_child", "other": "b"}


async def test_a_conflict_fails_the_joining_task_and_names_the_writers() -> None:
    seen = _Seen()
    tasks = [
        _step("left", _sets(key=1, mine="left")),
        _step("right", _sets(key=2)),
        seen.step("join", ["left", "right"]),
        seen.step("after", ["join"]),
    ]
    result = await _run(tasks)
    assert result.error is not None
    assert (result.error.task_id, result.error.attempt, result.error.code) == ("join", None, ContextConflict.code)
    for word in ("'key'", "left", "right"):
        assert word in result.error.message
    assert (result.tasks["join"].status, result.tasks["after"].status) == ("Failed", "Skipped")
    assert (result.tasks["join"].attempt, result.tasks["join"].started_at) == (0, None)
    assert seen == {}
    assert result.context == {"mine": "left"}


async def test_a_conflict_at_the_end_fails_the_execution_whose_result_holds_the_undisputed_keys() -> None:
    tasks = [_step("left", _sets(key=1, mine="left")), _step("right", _sets(key=2, yours="right"))]
    result = await _run(tasks, {"key": 0, "initial": True})
    assert result.status == "Failed"
    assert result.error is not None
    assert (result.error.task_id, result.error.code) == (None, ContextConflict.code)
    assert {record.status for record in result.tasks.values()} == {"Completed"}
    assert result.context == {"initial": True, "mine": "left", "yours": "right"}


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), ([1], [1.0]), (None, False)])
async def test_values_that_json_tells_apart_are_a_conflict(one: Any, other: Any) -> None:
    result = await _run([_step("left", _sets(key=one)), _step("right", _sets(key=other))])
    assert result.error is not None
    assert result.error.code == ContextConflict.code


@pytest.mark.parametrize("value", [1, None, "text", {"b": 1, "a": [2]}])
async def test_equal_values_are_no_conflict(value: Any) -> None:
    def reordered(context: Context) -> None:
        context["key"] = dict(reversed(value.items())) if isinstance(value, dict) else value

    result = await _run([_step("left", _sets(key=value)), _step("right", reordered)])
    assert result.raise_for_status().context == {"key": value}


async def test_writing_the_value_that_is_there_is_no_change() -> None:
    tasks = [
        _step("root", _sets(key=1)),
        _step("left", _sets(key=1), ["root"]),
        _step("right", _sets(key=2), ["root"]),
        _step("join", _nothing, ["left", "right"]),
    ]
    assert (await _run(tasks)).raise_for_status().context == {"key": 2}


async def test_a_deletion_is_a_change() -> None:
    seen = _Seen()
    tasks = [
        _step("root", _sets(by_root=1)),
        _step("left", _deletes("by_root", "initial"), ["root"]),
        _step("right", _nothing, ["root"]),
        seen.step("join", ["left", "right"]),
    ]
    result = (await _run(tasks, {"initial": 0, "kept": 1})).raise_for_status()
    assert seen["join"] == {"kept": 1}
    assert result.context == {"kept": 1}


async def test_a_deletion_against_a_write_is_a_conflict() -> None:
    result = await _run([_step("left", _deletes("key")), _step("right", _sets(key=2))], {"key": 1})
    assert result.error is not None
    assert result.error.code == ContextConflict.code
    assert result.context == {}


async def test_two_deletions_agree() -> None:
    result = await _run([_step("left", _deletes("key")), _step("right", _deletes("key"))], {"key": 1})
    assert result.raise_for_status().context == {}


async def test_a_mutated_container_never_reaches_a_sibling() -> None:
    seen = _Seen()

    def append(value: int) -> Callable[[Context], None]:
        return lambda context: context["rows"].append(value)

    tasks = [
        _step("left", append(1)),
        seen.step("right"),
        _step("left_child", append(2), ["left"]),
        seen.step("last", ["left_child"]),
    ]
    initial = {"rows": [0]}
    result = (await _run(tasks, initial)).raise_for_status()
    assert seen["right"] == {"rows": [0]}
    assert seen["last"] == {"rows": [0, 1, 2]}
    assert result.context == {"rows": [0, 1, 2]}
    assert initial == {"rows": [0]}


async def test_merge_last_takes_the_last_in_the_declared_order() -> None:
    seen = _Seen()
    tasks = [_step("left", _sets(key="left")), _step("right", _sets(key="right")), seen.step("join", ["right", "left"])]
    result = (await _run(tasks, merge="last")).raise_for_status()
    assert seen["join"] == {"key": "right"}
    assert result.context == {"key": "right"}


async def test_a_merge_function_makes_one_value_of_many() -> None:
    seen = _Seen()
    tasks = [
        _step("one", _sets(total=1)),
        _step("two", _sets(total=20)),
        _step("three", _sets(total=300)),
        seen.step("join", ["one", "three", "two"]),
    ]
    result = (await _run(tasks, merge={"total": sum})).raise_for_status()
    assert seen["join"] == {"total": 321}
    assert result.context == {"total": 321}


async def test_a_merge_function_gets_no_deletions_and_other_keys_still_conflict() -> None:
    tasks = [_step("one", _deletes("total")), _step("two", _sets(total=2, key=1)), _step("three", _sets(key=2))]
    result = await _run(tasks, {"total": 0}, merge={"total": sum})
    assert result.error is not None
    assert result.error.code == ContextConflict.code
    assert "'total'" not in result.error.message
    assert result.context == {"total": 2}


def _raise(values: list[Any]) -> Any:
    raise ValueError(f"cannot merge {values}")


async def test_a_merge_function_that_raises_fails_the_joining_task() -> None:
    tasks = [_step("left", _sets(key=1)), _step("right", _sets(key=2)), _step("join", _nothing, ["left", "right"])]
    result = await _run(tasks, merge={"key": _raise})
    assert result.error is not None
    assert (result.error.task_id, result.error.type) == ("join", "ValueError")
    assert "cannot merge [1, 2]" in result.error.message


async def test_a_merge_function_that_raises_at_the_end_leaves_the_undisputed_keys() -> None:
    tasks = [_step("left", _sets(key=1, mine="left")), _step("right", _sets(key=2))]
    result = await _run(tasks, {"initial": 0}, merge={"key": _raise})
    assert result.error is not None
    assert (result.error.task_id, result.error.type) == (None, "ValueError")
    assert result.context == {"initial": 0, "mine": "left"}


async def test_what_a_merge_function_returns_is_checked() -> None:
    tasks = [_step("left", _sets(key=1)), _step("right", _sets(key=2))]
    result = await _run(tasks, merge={"key": set})
    assert result.error is not None
    assert result.error.code == NotJSONSerializable.code


async def test_failed_and_skipped_tasks_contribute_nothing() -> None:
    def fail(context: Context) -> None:
        context["failed"] = True
        raise OSError("broken")

    tasks = [_step("fails", fail), _step("works", _sets(works=True)), _step("skipped", _sets(skipped=True), ["fails"])]
    assert (await _run(tasks)).context == {"works": True}


async def test_a_join_of_many() -> None:
    many = 200
    tasks = [_step("root", _sets(root=1))]
    names = [f"branch_{number}" for number in range(many)]
    tasks += [_step(name, _sets(**{name: True}), ["root"]) for name in names]
    tasks.append(_step("join", lambda context: context.update(count=len(context)), names))
    result = (await _run(tasks)).raise_for_status()
    assert result.context["count"] == many + 1
