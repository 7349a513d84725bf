"""A file is imported as a script is, and the workflow in it is found by name, by variable, or because it is alone."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cloacina.cli.loading import Target, load_workflow
from cloacina.errors import DependencyCycle, FileNotLoadable, UnknownDependency, WorkflowNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[..., Target]

ONE = """
    from cloacina import Context, Workflow, task

    with Workflow("first") as one:
        @task
        def a(context: Context) -> None: ...
"""
TWO = (
    ONE
    + """
    two = Workflow("second", tasks=[a])
"""
)


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(source: str, workflow: str | None = None, *, name: str = "flow.py") -> Target:
        (tmp_path / name).write_text(dedent(source), encoding="utf-8")
        return Target(tmp_path / name, workflow)

    return write_file


@pytest.mark.parametrize(
    ("text", "path", "workflow"),
    [
        ("flow.py", "flow.py", None),
        ("flow.py:daily", "flow.py", "daily"),
        ("folder/flow.py:täglich", "folder/flow.py", "täglich"),
        ("C:/flows/flow.py", "C:/flows/flow.py", None),
        ("C:/flows/flow.py:daily", "C:/flows/flow.py", "daily"),
    ],
)
def test_target_is_a_file_and_maybe_a_workflow(text: str, path: str, workflow: str | None) -> None:
    assert Target.parse(text) == Target(Path(path), workflow)


def test_colon_in_the_name_of_an_existing_file_belongs_to_the_name(tmp_path: Path) -> None:
    file = tmp_path / "a:b.py"
    file.touch()
    assert Target.parse(str(file)) == Target(file, None)
    assert Target.parse(f"{file}:daily") == Target(file, "daily")


def test_only_workflow_of_a_file_needs_no_name(write: Write) -> None:
    assert load_workflow(write(ONE)).name == "first"


@pytest.mark.parametrize("name", ["second", "two"])
def test_workflow_is_found_by_its_name_and_by_its_variable(write: Write, name: str) -> None:
    assert load_workflow(write(TWO, name)).name == "second"


def test_two_variables_for_one_workflow_are_one_workflow(write: Write) -> None:
    assert load_workflow(write(ONE + "\n    alias = one\n")).name == "first"


def test_several_workflows_of_which_none_is_named_are_refused(write: Write) -> None:
    with pytest.raises(
        WorkflowNotFound, match=r"holds 'first', 'second'; name the one to run, such as .*flow\.py:first"
    ):
        load_workflow(write(TWO))


def test_unknown_name_is_refused_with_those_that_there_are(write: Write) -> None:
    with pytest.raises(WorkflowNotFound, match=r"holds no workflow 'third'; it holds 'first', 'second'"):
        load_workflow(write(TWO, "third"))


def test_two_workflows_of_one_name_are_told_apart_by_variable(write: Write) -> None:
    source = ONE + '\n    other = Workflow("first", tasks=[a])\n'
    with pytest.raises(WorkflowNotFound, match="2 workflows named 'first'; name the variable instead: 'one', 'other'"):
        load_workflow(write(source, "first"))
    assert load_workflow(write(source, "other")).name == "first"


def test_file_without_a_workflow_is_refused(write: Write) -> None:
    with pytest.raises(WorkflowNotFound, match="holds no workflow; expected"):
        load_workflow(write("x = 1"))


def test_folder_of_the_file_is_importable_and_the_module_is_not_main(write: Write) -> None:
    write("NAME = 'from_neighbour'", name="neighbour_of_flow.py")
    target = write("""
        from cloacina import Workflow, task
        from neighbour_of_flow import NAME
        assert __name__ == "flow"

        @task
        def a(context): ...

        workflow = Workflow(NAME, tasks=[a])
    """)
    assert load_workflow(target).name == "from_neighbour"


def test_file_named_as_a_loaded_module_does_not_replace_it(write: Write) -> None:
    import json

    assert load_workflow(write(ONE, name="json.py")).name == "first"
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def broken(:\n    pass", r"flow\.py, line 1 is not valid Python"),
        ("x = 1\n1 / 0", r"flow\.py, line 2 raised while it was imported: ZeroDivisionError: division by zero"),
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("raise ValueError('two\\nlines')", r"ValueError: two lines\."),
        ("raise ValueError", r"imported: ValueError\."),
        ("import sys\nsys.exit(3)", r"flow\.py, line 2 calls sys\.exit\(\) while it is imported"),
    ],
)
def test_file_that_cannot_be_imported_is_refused_with_the_line(write: Write, source: str, expected: str) -> None:
    with pytest.raises(FileNotLoadable, match=expected):
        load_workflow(write(source))


def test_workflow_that_cannot_be_built_is_refused_with_its_own_error_and_the_line(write: Write) -> None:
    source = """
        from cloacina import Workflow, task

        @task(dependencies=["nowhere"])
        def a(context): ...

        workflow = Workflow("x", tasks=[a])
    """
    with pytest.raises(UnknownDependency, match=r"flow\.py, line 7: "):
        load_workflow(write(source))


def test_cycle_is_refused_with_its_own_error(write: Write) -> None:
    source = """
        from cloacina import Workflow, task

        @task(dependencies=["b"])
        def a(context): ...

        @task(dependencies=["a"])
        def b(context): ...

        workflow = Workflow("x", tasks=[a, b])
    """
    with pytest.raises(DependencyCycle):
        load_workflow(write(source))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.py", None, "There is no file .*missing.py; expected FILE or FILE:workflow"),
        ("x" * 1_000, None, "There is no file .*x, and no module of that name; expected FILE"),
        ("nowhere.flows", None, "There is no file nowhere.flows, and no module of that name"),
        ("flows", "", "flows is a folder; expected a Python file, such as 'a.py', 'b.py' in it"),
        ("notes.txt", b"", r"notes\.txt is not a Python file: its name has to end in \.py"),
        (
            "w-1.0.cloacina",
            b"",
            "is a package; expected a Python file. Running packages comes later: `cloacina inspect`",
        ),
        ("renamed", b"\x28\xb5\x2f\xfdrest", "renamed is a package"),
        ("flow.ipynb", b"{}", r"flow\.ipynb is a notebook; .*`jupyter nbconvert --to script`"),
        ("flow.py", b"x = '\xff'", r"flow\.py(, line 1)? is not valid Python"),
        ("flow.py", b"class E(BaseException): ...\nraise E('odd')", r"flow\.py, line 2 raised .* imported: E: odd"),
        ("flow.py", b"class E(Exception):\n def __str__(self): 1 / 0\nraise E", "line 3 raised .*E: <its text cannot"),
    ],
)
def test_what_is_no_python_file_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | str | None, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.py").touch()
        (tmp_path / name / "a.py").touch()
    with pytest.raises(FileNotLoadable, match=told):
        load_workflow(Target.parse(name))


IN_PACKAGE = """
    from cloacina import Workflow, task
    from .neighbour import NAME
    from ..above import VERSION
    import beside_it
    assert __name__ == "outer_package.inner.flows"

    @task
    def a(context): ...

    workflow = Workflow(NAME, tasks=[a], version=VERSION)
"""


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        (".", "outer_package/inner/flows.py"),
        ("outer_package/inner", "flows.py:inside"),
        (".", "outer_package.inner.flows:workflow"),
        (".", "outer_package.inner.flows"),
    ],
)
def test_file_of_a_package_and_module_are_imported_as_part_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, text: str
) -> None:
    inner = tmp_path / "outer_package" / "inner"
    inner.mkdir(parents=True)
    for package in (inner, inner.parent):
        (package / "__init__.py").touch()
    (inner / "flows.py").write_text(dedent(IN_PACKAGE))
    (inner / "neighbour.py").write_text("NAME = 'inside'")
    # A script's neighbours are found as well, but take the place of no other module.
    (inner / "json.py").write_text("raise AssertionError")
    (inner / "beside_it.py").touch()
    (inner.parent / "above.py").write_text("VERSION = '2'")
    monkeypatch.chdir(tmp_path / folder)
    monkeypatch.syspath_prepend(inner if "/" not in text and ".py" not in text else tmp_path / "elsewhere")
    workflow = load_workflow(Target.parse(text))
    assert (workflow.name, workflow.version) == ("inside", "2")


def test_module_that_lacks_something_itself_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.py").write_text("x = 1\nimport no_such_module_anywhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotLoadable, match=r"half\.py, line 2 raised .* No module named 'no_such_module_anywhere'"):
        load_workflow(Target.parse("half"))


def test_relative_import_of_a_file_in_no_package_is_refused_with_the_way_out(write: Write) -> None:
    target = write("from .helper import VALUE")
    mend = rf"{target.path.parent.name} has no __init__\.py.*: cloacina run {target.path.parent.name}\.flow"
    with pytest.raises(FileNotLoadable, match=mend):
        load_workflow(target)
