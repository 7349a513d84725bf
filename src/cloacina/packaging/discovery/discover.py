"""Finds the tasks of a project by reading its source from the entry module on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from cloacina.errors import EntryModuleNotFound, InvalidSource
from cloacina.packaging.discovery.expressions import Expressions
from cloacina.packaging.discovery.imports import resolver
from cloacina.packaging.discovery.module_files import ModuleFiles, is_foreign
from cloacina.packaging.discovery.selection import select_tasks
from cloacina.packaging.discovery.source import Place, Source, UnreadableSource, read_source
from cloacina.packaging.discovery.statements import ModuleReader
from cloacina.packaging.discovery.values import ProjectModule
from cloacina.packaging.discovery.world import Reading, World

if TYPE_CHECKING:
    from pathlib import Path

    from cloacina.packaging.discovery.module_files import ModuleFile


@dataclass(frozen=True, slots=True)
class DiscoveredTask:
    """A task, as it is declared in the source.

    Attributes:
        id: The task's name in its workflow.
        function: Where it is: `package.module:function`.
        dependencies: The ids of the tasks that have to be completed before.
        description: What it is for, in a line, or None.
        retries: How often a failed attempt is followed by another, at most.
        timeout_seconds: For how many seconds an attempt may hold a slot, or None for no limit.
        file: The file that declares it, relative to the project, with `/`.
        line: The line of its `def`, from 1.
        column: The character in that line, from 1.
    """

    id: str
    function: str
    dependencies: tuple[str, ...]
    description: str | None
    retries: int
    timeout_seconds: float | None
    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the source of a project declares.

    Attributes:
        tasks: The tasks, in the order in which an import declares them.
        modules: The modules of the project that were read, in the order in which an import begins them.
        workflow: The name of the workflow, when the source makes one.
    """

    tasks: tuple[DiscoveredTask, ...]
    modules: tuple[str, ...]
    workflow: str | None


def discover(source_root: Path, entry_module: str, *, project_root: Path | None = None) -> Discovery:
    r"""Find the tasks of a project without importing it.

    The entry module is read as Python would import it, and with it the modules of the project that it imports. What
    ids, dependencies and options are follows from literals, constants and f-strings of constants; what only running
    the code would tell is refused, with its place. All problems are reported in one error, whose class fits the first.

    Args:
        source_root: The folder that holds the top-level modules.
        entry_module: The module to begin with, such as `"etl.flow"`.
        project_root: The folder that paths in messages are relative to. By default `source_root`.

    Raises:
        EntryModuleNotFound: There is no file for the entry module.
        InvalidSource: A file is not UTF-8, or is not Python.
        NoTasksFound: There is no task.
        UndiscoverableTask: A declaration is only known by running it, or is not part of the one workflow.
        InvalidName: An id, or the workflow's name, is not usable.
        InvalidTask: Something that has to be a task is not.
        InvalidOption: Another argument is not usable.
        DuplicateTask: Two tasks have the same id.
        UnknownDependency: A task depends on one that is not there.
        DependencyCycle: Tasks depend on each other in a circle.
        EmptyWorkflow: The workflow has no task.
        DefinitionError: A workflow is given tasks twice.

    Example:
        ```python
        from pathlib import Path
        from tempfile import TemporaryDirectory

        from cloacina.packaging.discovery import discover

        source = [
            "from cloacina import Context, task",
            "",
            "@task",
            "def load(context: Context) -> None:",
            "    'Read the rows.'",
            "",
            "@task(id='count-rows', dependencies=[load], timeout=30)",
            "def count(context: Context) -> None:",
            "    'Count them.'",
        ]
        with TemporaryDirectory() as folder:
            Path(folder, "flow.py").write_text("\n".join(source))
            found = discover(Path(folder), "flow")
        for task in found.tasks:
            print(task.id, task.function, task.dependencies, task.description)
            #> load flow:load () Read the rows.
            #> count-rows flow:count ('load',) Count them.
        ```
    """
    modules = _Modules(source_root, project_root or source_root)
    if (problem := modules.missing(entry_module)) is not None:
        raise EntryModuleNotFound(problem)
    with warnings.catch_warnings():
        # What a parser warns of, such as an invalid escape, is for whoever runs the code.
        warnings.simplefilter("ignore")
        modules.load(entry_module)
    tasks, workflow = select_tasks(modules.world, modules.files, entry_module)
    return Discovery(
        tasks=tuple(
            DiscoveredTask(
                id=task.id,
                function=f"{task.module}:{task.name}",
                dependencies=tuple(task.dependencies),
                description=task.description,
                retries=task.retries,
                timeout_seconds=task.timeout,
                file=task.place.file,
                line=task.place.line,
                column=task.place.column,
            )
            for task in tasks
        ),
        modules=tuple(name for name, module in modules.world.modules.items() if module.is_read),
        workflow=workflow,
    )


class _Modules:
    """Reads modules, each once, in the order in which Python would import them."""

    def __init__(self, source_root: Path, project_root: Path) -> None:
        self.files = ModuleFiles(source_root)
        self._project_root = project_root
        self.world = World(self.load)

    def load(self, name: str) -> ProjectModule | None:
        """Read a module and those above it; return None when the project does not hold it."""
        modules = self.world.modules
        if name in modules:
            return modules[name]
        parent, _, last = name.rpartition(".")
        if parent and self.load(parent) is None:
            return None
        if name in modules:  # The package above has imported it.
            return modules[name]
        file = self.files.find(name)
        if file is None:
            return None
        source = self._read(file)
        module = modules[name] = ProjectModule(name, file.is_package, source is not None)
        if source is not None:
            self._run(module, source)
        if parent:
            modules[parent].bind(last, module)
        return module

    def missing(self, entry_module: str) -> str | None:
        """Return what is wrong with the name of the entry module; None when there is a file for it."""
        file = self.files.find(entry_module)
        if file is not None and file.path is not None:
            return None
        shown = f"entry_module is {entry_module!r}"
        parts = entry_module.split(".")
        guess = entry_module.removesuffix(".py").replace("/", ".").replace("\\", ".").removeprefix("src.")
        is_path = guess != entry_module and self.files.find(guess) is not None
        if is_path or not all(part.isidentifier() for part in parts):
            return f"{shown}. Expected the dotted name of a module, such as {guess if is_path else 'etl.flow'!r}"
        if is_foreign(parts[0]):
            return f"{shown}, but {parts[0]} is a module of Python or Cloacina itself. Give the project's another name"
        path = "/".join(parts)
        if file is not None:
            return f"{shown}, which is a folder without __init__.py. Name a module in it, or add {path}/__init__.py"
        parent = entry_module.rpartition(".")[0]
        near = self.files.names_in(parent) if not parent or self.files.find(parent) else self.files.names_in("")
        close = get_close_matches(entry_module, near, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"{shown}, and there is no {path}.py and no {path}/__init__.py.{hint}"

    def _read(self, file: ModuleFile) -> Source | None:
        if file.path is None:
            return None
        try:
            return read_source(file.path, self._shown(file.path))
        except UnreadableSource as error:
            self.world.problems.add(error.place, InvalidSource, error.message)
            return None

    def _run(self, module: ProjectModule, source: Source) -> None:
        resolve = resolver(module, self.world)
        expressions = Expressions(module, source, self.world.problems, resolve)
        try:
            ModuleReader(Reading(module, source, self.world, expressions)).read()
        except RecursionError:
            # Python itself would not get through it either: an import takes more calls there than here.
            self.world.problems.add(
                Place(source.file, 1, 1),
                InvalidSource,
                "the module, or the imports that lead to it, are nested deeper than can be followed. Import modules"
                " from the entry module directly",
            )

    def _shown(self, path: Path) -> str:
        try:
            return path.relative_to(self._project_root).as_posix()
        except ValueError:
            return path.name
