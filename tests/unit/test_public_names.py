"""The public names are sorted, are all there, and are the same for type checkers as at run time."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import cloacina
import cloacina.errors
from cloacina.errors import CommandError, PackageError, error_classes

SOURCE = Path(inspect.getfile(cloacina))
HEAVY = ["sqlalchemy", "pydantic", "alembic", "anyio._backends", "rich", "typer", "asyncio", "trio"]
LAZY = {
    name: module
    for module, names in {
        "cloacina.async_client": ["AsyncClient", "AsyncClientExecution"],
        "cloacina.client": ["Client", "ClientExecution"],
        "cloacina.execution.slots": ["SlotPool", "SlotToken"],
        "cloacina.runner": ["AsyncRunner", "BlockingExecution", "Execution", "Runner"],
        "cloacina.store.records": [
            "ErrorRecord",
            "EventRecord",
            "ExecutionRecord",
            "ExecutionResult",
            "ExecutionStatus",
            "QuestionRecord",
            "SignalKind",
            "SignalRecord",
            "SubStatus",
            "TaskRecord",
            "TaskStatus",
            "WaitKind",
            "WaitPhase",
            "WaitRecord",
        ],
    }.items()
    for name in names
}


def run(program: str) -> str:
    """Run a program in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def static_names() -> dict[str, str]:
    """Return the names that a type checker sees imported, with the modules they come from."""
    names: dict[str, str] = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("cloacina"):
            names |= {alias.asname or alias.name: node.module for alias in node.names}
    return names


def test_the_names_are_sorted_and_unique() -> None:
    assert cloacina.__all__ == sorted(set(cloacina.__all__))


def test_type_checkers_see_the_names_that_exist_at_run_time() -> None:
    assert {*static_names(), "__version__"} == set(cloacina.__all__)


@pytest.mark.parametrize("name", cloacina.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(cloacina, name)
    if name == "__version__":
        return
    assert value.__name__ == name
    assert inspect.getdoc(value)
    assert getattr(sys.modules[static_names()[name]], name) is value
    assert getattr(cloacina, name) is value


def test_the_heavy_names_are_loaded_when_first_used() -> None:
    assert {name: home for name, home in static_names().items() if name in LAZY} == LAZY
    program = (
        "import sys, cloacina; print([name for name in {names} if name in vars(cloacina)], '{module}' in sys.modules)"
    )
    for module in set(LAZY.values()):
        assert run(program.format(names=list(LAZY), module=module)) == "[] False"


def test_importing_cloacina_loads_nothing_heavy() -> None:
    assert run(f"import sys, cloacina; print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_importing_cloacina_needs_the_standard_library_only() -> None:
    folder = SOURCE.parent.parent
    program = f"import sys; sys.path = [{str(folder)!r}, *sys.path]; import cloacina; print(cloacina.Workflow.__name__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "Workflow"


def test_the_names_are_listed_before_they_are_loaded() -> None:
    assert run("import cloacina; print(set(cloacina.__all__) <= set(dir(cloacina)))") == "True"


def test_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from cloacina import *", names)
    assert set(cloacina.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'cloacina' has no attribute 'Scheduler'$"):
        # Type checkers refuse it too: an ignored error that is none is one.
        _ = cloacina.Scheduler  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def test_every_error_of_defining_and_running_workflows_is_public_and_the_base_of_those_about_packages() -> None:
    errors = {
        kind.__name__
        for kind in error_classes()
        if not issubclass(kind, (CommandError, PackageError)) or kind is PackageError
    }
    assert errors <= set(cloacina.__all__)


def test_every_error_is_a_public_name_of_its_own_module() -> None:
    assert {kind.__name__ for kind in error_classes()} <= set(cloacina.errors.__all__)


def test_the_version_is_that_of_the_distribution() -> None:
    assert cloacina.__version__ == importlib.metadata.version("cloacina")
