"""A project's tasks seen twice: by an import of it, and by discovery."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cloacina import CloacinaError, TaskDefinition, Workflow
from cloacina.graph import build_graph
from cloacina.packaging.discovery import discover
from cloacina.task import collector

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path
    from types import ModuleType


HEAD = "import cloacina\nfrom cloacina import RetryPolicy, Workflow, task\n"
"""The first two lines of a module; what follows them begins at line 3."""


@dataclass(frozen=True)
class Declared:
    """A task, as both views of it have to agree on."""

    id: str
    function: str
    dependencies: tuple[str, ...]
    description: str | None
    retries: int
    timeout: float | None


@dataclass(frozen=True)
class View:
    """What a project declares."""

    tasks: list[Declared]
    workflow: str | None
    modules: list[str]


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8", newline="")
    return root


@contextmanager
def on_path(root: Path) -> Generator[None]:
    """Import from a folder, and forget what was imported from it."""
    before = set(sys.modules)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(root))
        sys.dont_write_bytecode = writes_bytecode
        for name in [name for name in set(sys.modules) - before if is_below(root, sys.modules[name])]:
            del sys.modules[name]


def is_below(root: Path, module: object) -> bool:
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(place.startswith(str(root)) for place in places)


def dynamic_view(root: Path, entry_module: str) -> View:
    """Import the entry module, and return what that declares."""
    declared: list[TaskDefinition] = []
    before = set(sys.modules)
    with on_path(root):
        token = collector.set(declared.append)
        try:
            importlib.import_module(entry_module)
        finally:
            collector.reset(token)
        modules = [name for name in sys.modules if name not in before and getattr(sys.modules[name], "__file__", None)]
        modules = [name for name in modules if is_below(root, sys.modules[name])]
        held = {id(value): value for name in modules for value in vars(sys.modules[name]).values()}
        workflows = [value for value in held.values() if isinstance(value, Workflow)]
        if workflows:
            (workflow,) = workflows
            declared = list(workflow.tasks.values())
        build_graph("loose", declared)
        return View(
            [declaration(definition, sys.modules[definition.function.__module__]) for definition in declared],
            workflows[0].name if workflows else None,
            sorted(modules),
        )


def declaration(definition: TaskDefinition, module: ModuleType) -> Declared:
    names = [name for name, value in vars(module).items() if value is definition.function]
    return Declared(
        definition.id,
        f"{module.__name__}:{names[0]}",
        definition.dependencies,
        definition.description,
        definition.retry.attempts - 1,
        definition.timeout,
    )


def static_view(root: Path, entry_module: str) -> View:
    found = discover(root, entry_module)
    tasks = [
        Declared(each.id, each.function, each.dependencies, each.description, each.retries, each.timeout_seconds)
        for each in found.tasks
    ]
    return View(tasks, found.workflow, sorted(found.modules))


def refusal(root: Path, files: Mapping[str, str], entry_module: str = "flow") -> CloacinaError:
    """Return the error with which discovery refuses a project."""
    write(root, files)
    with pytest.raises(CloacinaError) as raised:
        discover(root, entry_module)
    return raised.value
