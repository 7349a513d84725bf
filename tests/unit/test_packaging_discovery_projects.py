"""Which modules discovery reads, whose decorators it minds, and how it reports what is wrong."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

import cloacina
from cloacina.errors import (
    EntryModuleNotFound,
    InvalidName,
    InvalidSource,
    NoTasksFound,
    UndiscoverableTask,
)
from cloacina.packaging.discovery import DiscoveredTask, Discovery, discover
from cloacina.packaging.discovery.libraries import UNDERSTOOD
from cloacina.packaging.discovery.values import Constant, Known, Retry
from discovery_views import refusal, write

A_TASK = "from cloacina import task\n@task\ndef a(context): ...\n"


def ids(root: Path, files: Mapping[str, str], entry_module: str = "flow") -> list[str]:
    return [task.id for task in discover(write(root, files), entry_module).tasks]


def test_a_discovery_tells_where_each_task_is(tmp_path: Path) -> None:
    write(tmp_path, {"src/etl/__init__.py": "", "src/etl/flow.py": "import os\n" + A_TASK, "src/etl/other.py": ""})

    found = discover(tmp_path / "src", "etl.flow", project_root=tmp_path)

    assert found == Discovery(
        tasks=(DiscoveredTask("a", "etl.flow:a", (), None, 0, None, "src/etl/flow.py", 4, 1),),
        modules=("etl", "etl.flow"),
        workflow=None,
    )


def test_nothing_is_imported(tmp_path: Path) -> None:
    flow = f"open({str(tmp_path / 'run')!r}, 'w')\n__import__('os').abort()\n" + A_TASK

    assert ids(tmp_path, {"flow.py": flow}) == ["a"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "foreign",
    [
        "from celery import Celery\napp = Celery()\n@app.task(bind=True)\ndef b(self): ...",
        "from huey import SqliteHuey\nhuey = SqliteHuey()\n@huey.task()\ndef b(): ...",
        "from invoke import task as invoke_task\n@invoke_task\ndef b(c): ...",
        "import prefect\n@prefect.task(retries=3)\ndef b(): ...",
        "import luigi\nclass B(luigi.Task):\n    task = 3\n    @property\n    def run(self): ...",
        "def own(function):\n    return function\n@own\ndef b(): ...",
        "import importlib\n@importlib.import_module('x').task\ndef b(): ...",
    ],
    ids=["celery", "huey", "invoke", "prefect", "luigi", "own", "dynamic"],
)
def test_the_tasks_of_other_libraries_are_none_of_ours(foreign: str, tmp_path: Path) -> None:
    assert ids(tmp_path, {"flow.py": A_TASK + foreign}) == ["a"]


def test_a_task_of_another_library_in_place_of_ours_is_not_taken_for_ours(tmp_path: Path) -> None:
    files = {"flow.py": A_TASK + "from invoke import task\n@task(computed=input())\ndef b(c): ...\n"}

    assert ids(tmp_path, files) == ["a"]


def test_modules_of_the_standard_library_are_not_looked_for_in_the_project(tmp_path: Path) -> None:
    files = {
        "flow.py": "import json\nimport cloacina.workflow\n" + A_TASK,
        "json.py": A_TASK,
        "cloacina/workflow.py": A_TASK,
    }

    found = discover(write(tmp_path, files), "flow")

    assert found.modules == ("flow",)


def test_names_are_compared_letter_by_letter(tmp_path: Path) -> None:
    files = {"flow.py": "try:\n    import Other\nexcept ImportError:\n    pass\n" + A_TASK, "other.py": "@broken"}

    assert ids(tmp_path, files) == ["a"]


def test_a_package_comes_before_a_module_and_a_folder_after_both(tmp_path: Path) -> None:
    files = {
        "flow.py": "from one import ID as A\nfrom two import ID as B\nfrom cloacina import task\n"
        "@task(id=A + B)\ndef a(context): ...\n",
        "one/__init__.py": "ID = 'package'",
        "one.py": "ID = 'wrong'",
        "two/data.txt": "",
        "two.py": "ID = '-module'",
    }

    assert ids(tmp_path, files) == ["package-module"]


def test_a_package_that_lists_computed_names_gives_none_for_certain(tmp_path: Path) -> None:
    files = {
        "flow.py": "from sdk import *\n@task\ndef a(context): ...\n",
        "sdk.py": "from cloacina import task\n__all__ = [name for name in dir()]\n",
    }

    error = refusal(tmp_path, files)

    assert error.message.startswith("flow.py:2:2: ")
    assert "`__all__` of sdk is computed, so `import *` may bind `task` or not" in error.message


def test_a_module_that_is_imported_under_a_condition_may_not_hold_tasks(tmp_path: Path) -> None:
    error = refusal(
        tmp_path, {"flow.py": "import sys\nif sys.platform == 'x':\n    import other\n", "other.py": A_TASK}
    )

    assert type(error) is UndiscoverableTask
    assert error.message.startswith(
        "other.py:2:2: the task a() is in a module that is imported under the `if` at flow.py:2:1"
    )


def test_a_module_that_is_only_imported_when_another_is_missing_may_not_hold_tasks(tmp_path: Path) -> None:
    flow = "try:\n    import numpy\n    import fast\nexcept ImportError:\n    import slow\n"

    error = refusal(tmp_path, {"flow.py": flow, "fast.py": A_TASK, "slow.py": A_TASK})

    assert error.message.startswith("slow.py:2:2: ")


def test_relative_imports_that_lead_out_of_the_project_bind_nothing(tmp_path: Path) -> None:
    error = refusal(tmp_path, {"flow.py": "from .. import NAME\n" + A_TASK.replace("@task", "@task(id=NAME)")})

    assert "the relative import leads out of the project" in error.message


@pytest.mark.parametrize(
    ("entry_module", "said"),
    [
        ("flwo", "there is no flwo.py and no flwo/__init__.py. Did you mean 'flow'?"),
        ("etl.steps.laod", "no etl/steps/laod.py and no etl/steps/laod/__init__.py. Did you mean 'etl.steps.load'?"),
        ("nothing.like.it", "there is no nothing/like/it.py"),
        ("etl", "which is a folder without __init__.py"),
        ("etl/steps/load.py", "Expected the dotted name of a module, such as 'etl.steps.load'"),
        ("flow.py", "Expected the dotted name of a module, such as 'flow'"),
        ("", "Expected the dotted name of a module"),
        ("a..b", "Expected the dotted name of a module"),
        ("json", "json is a module of Python or Cloacina itself"),
        ("cloacina.task", "cloacina is a module of Python or Cloacina itself"),
        ("flow.inner", "there is no flow/inner.py"),
    ],
)
def test_a_missing_entry_module_is_named_with_the_nearest(entry_module: str, said: str, tmp_path: Path) -> None:
    files = {"flow.py": A_TASK, "etl/steps/load.py": A_TASK, "etl/steps/__init__.py": ""}

    error = refusal(tmp_path, files, entry_module)

    assert type(error) is EntryModuleNotFound
    assert error.message.startswith(f"entry_module is {entry_module!r}")
    assert said in error.message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"flow.py": ""}, "no function with @task in flow. Put @task on a function, import its module from flow, or"),
        ({"etl/flow.py": "", "etl/x/__init__.py": "", "etl/x/y.py": A_TASK}, "import etl.x.y, which uses cloacina and"),
        ({"flow.py": "import one", "one.py": ""}, "nor in the other module that is read with it"),
        (
            {"flow.py": "import one, two", "one.py": "", "two.py": ""},
            "nor in the 2 other modules that are read with it",
        ),
    ],
)
def test_a_project_without_tasks_is_refused(files: Mapping[str, str], said: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, files, "etl.flow" if "etl/flow.py" in files else "flow")

    assert type(error) is NoTasksFound
    assert said in error.message


def test_all_problems_come_in_one_error_file_by_file_from_top_to_bottom(tmp_path: Path) -> None:
    flow = "import other\nfrom cloacina import task\ndef f():\n    @task\n    def g(context): ...\n"
    flow += "@task(id=str(), timeout=0)\ndef a(context): ...\n@task(id='')\ndef b(context): ...\n"
    flow += "".join(f"@task(id=str({number}))\ndef x{number}(context): ...\n" for number in range(3))
    error = refusal(tmp_path, {"flow.py": flow, "other.py": "from cloacina import task\ntask(print)\n"})

    lines = error.message.splitlines()

    assert type(error) is UndiscoverableTask
    assert lines[0] == "8 problems in the source of the project:"
    places = [line.split(": ")[0] for line in lines[1:6]]
    assert places == [
        f"  {place}" for place in ("other.py:2:1", "flow.py:4:6", "flow.py:6:10", "flow.py:6:25", "flow.py:8:10")
    ]
    assert f"[{InvalidName.code}]" in error.message
    assert lines[6:] == ["  and 3 more"]


def test_what_follows_from_a_refused_task_is_not_reported_too(tmp_path: Path) -> None:
    flow = "from cloacina import Workflow, task\n@task(id=str())\ndef a(context): ...\nb = a\n"
    flow += "@task(dependencies=[a, b])\ndef c(context): ...\nw = Workflow('x', tasks=[a, c])\n"

    assert refusal(tmp_path, {"flow.py": flow}).message.startswith("flow.py:2:10: ")


def test_files_that_cannot_be_parsed_hide_what_follows_from_them(tmp_path: Path) -> None:
    files = {
        "flow.py": "from a import NAME\nimport b\nfrom cloacina import task\n@task(id=NAME)\ndef x(context): ...\n"
    }
    error = refusal(tmp_path, files | {"a.py": "def", "b.py": "("})

    assert type(error) is InvalidSource
    assert [line.split(":")[0].strip() for line in error.message.splitlines()[1:]] == ["a.py", "b.py"]


def test_long_chains_of_imports_are_followed_or_refused_and_never_crash(tmp_path: Path) -> None:
    files = {f"m{number}.py": f"import m{number + 1}\n" for number in range(600)} | {"m600.py": A_TASK}

    error = refusal(tmp_path, files | {"flow.py": "import m0\n"})

    assert type(error) is InvalidSource
    assert "nested deeper than can be followed" in error.message


def test_a_chain_of_imports_that_python_itself_follows_is_followed(tmp_path: Path) -> None:
    files = {f"m{number}.py": f"import m{number + 1}\n" for number in range(60)} | {"m60.py": A_TASK}

    assert ids(tmp_path, files | {"flow.py": "import m0\n"}) == ["a"]


def test_work_on_constants_is_bounded(tmp_path: Path) -> None:
    lines = ["from cloacina import task", "T0 = 'xxxxxxxxxx'", "L0 = ('a', 'b')", "N0 = 10"]
    for number in range(1, 60):
        before = number - 1
        lines.append(f"T{number} = f'{{T{before}}}{{T{before}}}' + T{before}")
        lines.append(f"L{number} = (*L{before}, *L{before}) + L{before}")
        lines.append(f"N{number} = N{before} ** N{before} * N{before}")
    lines.append("@task(id=T59, dependencies=L59, timeout=N59)\ndef a(context): ...")

    error = refusal(tmp_path, {"flow.py": "\n".join(lines)})

    assert "it is longer than 10,000 characters" in error.message


@pytest.mark.parametrize(
    "expression", ["-" * 500 + "1", "1" + " + 1" * 500, "(" * 80 + "1" + ")" * 80, "f()" + "()" * 80, "x" + ".y" * 900]
)
def test_deep_expressions_are_not_known_and_do_no_harm(expression: str, tmp_path: Path) -> None:
    flow = f"from cloacina import task\nX = {expression}\n@task\ndef a(context): ...\n"

    assert ids(tmp_path, {"flow.py": flow}) == ["a"]


def test_a_long_chain_of_elif_is_read(tmp_path: Path) -> None:
    chain = "if X == 'a0':\n    pass\n" + "".join(f"elif X == 'a{number}':\n    pass\n" for number in range(150))

    assert ids(tmp_path, {"flow.py": "import os\nX = os.name\n" + chain + A_TASK}) == ["a"]


def test_what_is_said_to_be_known_of_other_modules_is_so() -> None:
    things = {
        Known.TASK: cloacina.task,
        Known.WORKFLOW: cloacina.Workflow,
        Known.RETRY_POLICY: cloacina.RetryPolicy,
        Known.TIMEDELTA: importlib.import_module("datetime").timedelta,
    }
    for name, members in UNDERSTOOD.items():
        if name == "typing_extensions":
            continue
        module = importlib.import_module(name)
        for member, value in members.items():
            found = getattr(module, member)
            match value:
                case Constant():
                    assert found is value.value
                case Retry():
                    assert found.attempts == value.attempts
                case Known():
                    assert found is things[value]
                case _:
                    pytest.fail(f"{name}.{member} is {value!r}")
