"""What the engine refuses when it runs a declaration, discovery refuses with the same class, and with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloacina.errors import (
    CloacinaError,
    DefinitionError,
    DependencyCycle,
    DuplicateTask,
    EmptyWorkflow,
    InvalidName,
    InvalidOption,
    InvalidTask,
    UnknownDependency,
)
from discovery_views import HEAD, refusal

WRONG: dict[str, tuple[str, type[CloacinaError], str, str]] = {
    "an empty id": ("@task(id='')\ndef a(context): ...", InvalidName, "3:10", "'' cannot be the id of a task"),
    "a long id": (f"@task(id='{'x' * 129}')\ndef a(context): ...", InvalidName, "3:10", "1 to 128"),
    "a number as an id": ("@task(id=3)\ndef a(context): ...", InvalidName, "3:10", "3 cannot be the id"),
    "an id without a name": ("@task('a')\ndef a(context): ...", InvalidTask, "3:7", "@task(id='...')"),
    "a class": ("@task\nclass A: ...", InvalidTask, "3:2", "Task 'A' is a class"),
    "@task twice": ("@task\n@task(id='x')\ndef a(context): ...", InvalidTask, "3:2", "a() has @task twice"),
    "a misspelt argument": ("@task(retries=3)\ndef a(context): ...", InvalidOption, "3:15", "Did you mean retry?"),
    "an unknown argument": (
        "@task(q=3)\ndef a(context): ...",
        InvalidOption,
        "3:9",
        "It takes id, dependencies, retry",
    ),
    "a text of dependencies": (
        "@task(dependencies='b')\ndef a(context): ...",
        InvalidOption,
        "3:20",
        "Expected a list",
    ),
    "no dependencies": ("@task(dependencies=None)\ndef a(context): ...", InvalidOption, "3:20", "dependencies is None"),
    "a number as a dependency": ("@task(dependencies=[3])\ndef a(context): ...", InvalidOption, "3:21", "holds 3"),
    "a function that is no task": (
        "def f(context): ...\n@task(dependencies=[f])\ndef a(context): ...",
        InvalidTask,
        "4:21",
        "f() is not a task. Put @task on it",
    ),
    "a number as a policy": ("@task(retry=3)\ndef a(context): ...", InvalidOption, "3:13", "retry is 3"),
    "no attempts": ("@task(retry=RetryPolicy(0))\ndef a(context): ...", InvalidOption, "3:13", "attempts is 0"),
    "a negative delay": ("P = RetryPolicy(delay=-1)", InvalidOption, "3:5", "delay is -1"),
    "an unknown argument of a policy": (
        "P = RetryPolicy(tries=1)",
        InvalidOption,
        "3:5",
        "unexpected keyword argument",
    ),
    "no time": (
        "@task(timeout=0)\ndef a(context): ...",
        InvalidOption,
        "3:15",
        "timeout is 0, so the task could never run",
    ),
    "a negative timeout": ("@task(timeout=-5)\ndef a(context): ...", InvalidOption, "3:15", "timeout is -5"),
    "a text as a timeout": ("@task(timeout='5')\ndef a(context): ...", InvalidOption, "3:15", "timeout is '5'"),
    "an endless timeout": ("@task(timeout=1e999)\ndef a(context): ...", InvalidOption, "3:15", "timeout is inf"),
    "a number as a description": (
        "@task(description=5)\ndef a(context): ...",
        InvalidOption,
        "3:19",
        "description is 5",
    ),
    "the same id twice": (
        "@task\ndef a(context): ...\n@task(id='a')\ndef b(context): ...",
        DuplicateTask,
        "5:10",
        "a task with the id 'a' already, at flow.py:4:1",
    ),
    "the same function twice": (
        "@task\ndef a(context): ...\n@task\ndef a(context): ...",
        DuplicateTask,
        "6:1",
        "a task with the id 'a' already",
    ),
    "a task twice in a workflow": (
        "@task\ndef a(context): ...\nw = Workflow('x', tasks=[a, a])",
        DuplicateTask,
        "5:5",
        "the task 'a' is passed to its Workflow twice",
    ),
    "a misspelt dependency": (
        "@task\ndef load(context): ...\n@task(dependencies=['laod'])\ndef a(context): ...",
        UnknownDependency,
        "5:21",
        "task 'a' depends on 'laod', which no task has as its id. Did you mean 'load'?",
    ),
    "a dependency by the function's name": (
        "@task(id='fetch-it')\ndef load(context): ...\n@task(dependencies=['load'])\ndef a(context): ...",
        UnknownDependency,
        "5:21",
        "The id of load() is 'fetch-it'",
    ),
    "an unknown dependency": (
        "@task(dependencies=['zzz'])\ndef a(context): ...",
        UnknownDependency,
        "3:21",
        "The ids are 'a'",
    ),
    "a circle": (
        "@task\ndef x(_): ...\n@task(dependencies=[x, 'b'])\ndef a(_): ...\n@task(dependencies=[a])\ndef b(_): ...",
        DependencyCycle,
        "5:24",
        "a -> b -> a",
    ),
    "a task that depends on itself": (
        "@task(dependencies=['a'])\ndef a(context): ...",
        DependencyCycle,
        "3:21",
        "a -> a",
    ),
    "an empty workflow": ("with Workflow('x'):\n    pass", EmptyWorkflow, "3:6", "Workflow 'x' has no task"),
    "a name that no workflow can have": (
        "w = Workflow('a b')",
        InvalidName,
        "3:14",
        "'a b' cannot be the name of a workflow",
    ),
    "a workflow without a name": ("w = Workflow()", InvalidOption, "3:5", "Workflow('name', tasks=[...])"),
    "a workflow of a function": (
        "def f(): ...\nw = Workflow('x', tasks=[f])",
        InvalidTask,
        "4:26",
        "f() is not a task",
    ),
    "a workflow of ids": ("w = Workflow('x', tasks=['a'])", InvalidTask, "3:26", "'a' is not a task"),
    "a workflow of a number": ("w = Workflow('x', tasks=3)", InvalidOption, "3:25", "tasks is 3"),
    "a workflow that has its tasks": (
        "@task\ndef a(context): ...\nw = Workflow('x', tasks=[a])\nwith w:\n    pass",
        DefinitionError,
        "6:6",
        "Workflow 'x' has its tasks already",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_engine_refuses_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    source, kind, place, part = WRONG[name]

    error = refusal(tmp_path, {"flow.py": HEAD + source})

    assert type(error) is kind
    assert error.message.startswith(f"flow.py:{place}: ")
    assert part in error.message
