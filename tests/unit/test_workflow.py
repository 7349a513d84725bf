"""How a workflow collects its tasks, what it refuses, and what it then is."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cloacina import (
    Context,
    DefinitionError,
    DependencyCycle,
    DuplicateTask,
    EmptyWorkflow,
    InvalidName,
    InvalidOption,
    InvalidTask,
    UnknownDependency,
    Workflow,
    task,
)
from cloacina.task import task_definition


def make_task(name: str, *dependencies: str | Callable[..., Any]) -> Callable[[Context], None]:
    @task(id=name, dependencies=dependencies)
    def body(context: Context) -> None: ...

    return body


def test_the_block_collects_its_tasks() -> None:
    with Workflow("report", description="Daily") as report:
        load = make_task("load")
        make_task("count", load)

    assert report.name == "report"
    assert report.description == "Daily"
    assert report.merge == "fail"
    assert report.input is None
    assert list(report.tasks) == ["load", "count"]
    assert report.tasks["load"] is task_definition(load)
    assert [definition.id for definition in report.graph.tasks] == ["load", "count"]
    assert repr(report) == "<Workflow 'report' of 2 tasks>"


def test_tasks_can_be_passed_instead() -> None:
    load = make_task("load")
    count = make_task("count", "load")
    report = Workflow("report", tasks=(function for function in (count, load)))
    assert list(report.tasks) == ["count", "load"]
    assert [definition.id for definition in report.graph.tasks] == ["load", "count"]


def test_a_task_declared_outside_of_the_block_is_not_collected() -> None:
    make_task("before")
    with Workflow("report") as report:
        make_task("inside")
    make_task("after")
    assert list(report.tasks) == ["inside"]


def test_blocks_nest_and_a_task_belongs_to_the_innermost() -> None:
    with Workflow("outer") as outer:
        make_task("a")
        with Workflow("inner") as inner:
            make_task("b")
        make_task("c")
    assert list(outer.tasks) == ["a", "c"]
    assert list(inner.tasks) == ["b"]


def test_a_thread_does_not_declare_into_the_block_of_another() -> None:
    with Workflow("report") as report:
        make_task("here")
        thread = threading.Thread(target=contextvars.Context().run, args=(make_task, "there"))
        thread.start()
        thread.join()
    assert list(report.tasks) == ["here"]


def test_a_function_belongs_to_several_workflows() -> None:
    load = make_task("load")
    first = Workflow("first", tasks=[load])
    second = Workflow("second", tasks=[load, make_task("count", load)])
    assert first.tasks["load"] is second.tasks["load"]


@pytest.mark.parametrize("name", ["", "1st", "a b", "x" * 129, None, 3])
def test_unusable_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidName, match="cannot be the name of a workflow"):
        Workflow(name)


def test_an_unknown_dependency_is_refused_with_the_likely_meaning() -> None:
    tasks = [make_task("load_rows"), make_task("count", "load_row")]
    message = r"^Task 'count' of workflow 'report' depends on 'load_row', .* Did you mean 'load_rows'\?"
    with pytest.raises(UnknownDependency, match=message):
        Workflow("report", tasks=tasks)


def test_an_unknown_dependency_is_refused_with_the_known_tasks() -> None:
    with pytest.raises(UnknownDependency, match="Its tasks are 'a'"):
        Workflow("report", tasks=[make_task("a", "something")])
    many = [make_task(f"t{number}") for number in range(30)]
    with pytest.raises(UnknownDependency, match=r"'t9' and more") as caught:
        Workflow("report", tasks=[*many, make_task("a", "something")])
    assert "'t10'" not in caught.value.message


@pytest.mark.parametrize(
    ("edges", "path"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"a": [], "b": ["a", "d"], "c": ["b"], "d": ["c"], "e": ["d"]}, "b -> d -> c -> b"),
        ({"z": ["b"], "a": ["b"], "b": ["a"]}, "a -> b -> a"),
        ({"z": ["y"], "a": ["b"], "b": ["c"], "c": ["a"], "y": ["a"]}, "a -> b -> c -> a"),
    ],
    ids=str,
)
def test_a_cycle_is_refused_with_its_path(edges: dict[str, list[str]], path: str) -> None:
    tasks = [make_task(name, *dependencies) for name, dependencies in edges.items()]
    with pytest.raises(DependencyCycle, match=rf": {path} \(each depends on the next\)"):
        Workflow("report", tasks=tasks)


def test_two_tasks_with_one_id_are_refused() -> None:
    report = Workflow("report")
    report.__enter__()
    make_task("load")
    make_task("load")
    with pytest.raises(DuplicateTask, match="two tasks with the id 'load'"):
        report.__exit__(None, None, None)
    load = make_task("load")
    with pytest.raises(DuplicateTask):
        Workflow("report", tasks=[load, load])


def test_a_workflow_without_task_is_refused() -> None:
    with pytest.raises(EmptyWorkflow, match="has no task"), Workflow("report"):
        pass
    with pytest.raises(EmptyWorkflow):
        Workflow("report", tasks=[])


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(InvalidTask, match="Put @task on it"):
        Workflow("report", tasks=[lambda context: None])


@pytest.mark.parametrize("tasks", [3, "load", make_task("single")], ids=["number", "text", "one task"])
def test_tasks_are_a_list(tasks: Any) -> None:
    with pytest.raises(InvalidOption, match="Expected a list of @task functions"):
        Workflow("report", tasks=tasks)


def test_an_error_in_the_block_passes_and_nothing_is_checked() -> None:
    report = Workflow("report")
    with contextlib.suppress(ZeroDivisionError), report:
        make_task("a", "missing")
        raise ZeroDivisionError
    with pytest.raises(DefinitionError, match="is not built yet"):
        _ = report.graph
    make_task("elsewhere")
    with report:
        make_task("b")
    assert list(report.tasks) == ["b"]


@pytest.mark.parametrize("attribute", ["graph", "tasks", "version"])
def test_a_workflow_cannot_be_used_before_it_is_built(attribute: str) -> None:
    with Workflow("report") as report:
        with pytest.raises(DefinitionError, match="Workflow 'report' is not built yet"):
            getattr(report, attribute)
        assert repr(report) == "<Workflow 'report', not built>"
        make_task("a")
    assert getattr(report, attribute)


def test_a_workflow_is_built_once() -> None:
    with Workflow("report") as report:
        make_task("a")
        with pytest.raises(DefinitionError, match="has its tasks already"):
            report.__enter__()
    with pytest.raises(DefinitionError, match="has its tasks already"), report:
        pass
    with pytest.raises(DefinitionError, match="has its tasks already"), Workflow("other", tasks=[make_task("b")]):
        pass
    assert list(report.tasks) == ["a"]


def test_merge_is_fail_or_last_or_functions_by_key() -> None:
    load = make_task("load")
    assert Workflow("report", tasks=[load], merge="last").merge == "last"
    functions = {"total": sum}
    merge = Workflow("report", tasks=[load], merge=functions).merge
    functions.clear()
    assert merge == {"total": sum}


@pytest.mark.parametrize("merge", ["first", None, {"total": 3}, {1: sum}, sum], ids=repr)
def test_another_merge_is_refused(merge: Any) -> None:
    with pytest.raises(InvalidOption, match="Expected 'fail', 'last', or a dict of functions by key"):
        Workflow("report", merge=merge)


def test_the_input_is_a_model_class() -> None:
    class Model:
        @classmethod
        def model_validate(cls, values: object) -> object:
            return values

    assert Workflow("report", input=Model).input is Model
    refused: list[Any] = [Model(), dict, "Model"]
    for model in refused:
        with pytest.raises(InvalidOption, match="Expected a pydantic model class"):
            Workflow("report", input=model)


def test_the_tasks_cannot_be_changed_afterwards() -> None:
    report = Workflow("report", tasks=[make_task("a")])
    with pytest.raises(TypeError):
        report.tasks["b"] = report.tasks["a"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        report.graph.tasks = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
