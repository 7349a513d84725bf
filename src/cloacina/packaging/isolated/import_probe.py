"""Imports a package's entry module, and reports which tasks that registers.

Run as a script by `cloacina.packaging.isolated.import_check`: `python -I -S import_probe.py`. The request is one JSON
document on standard input, the report one on standard output; what the package itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from cloacina.task import TaskDefinition


class OutsideOfTheSDK(MetaPathFinder):
    """Comes last among the finders, and says why the rest of Cloacina cannot be imported here."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol of finders has it
        target: ModuleType | None = None,  # noqa: ARG002 - as above
        /,
    ) -> ModuleSpec | None:
        """Refuse a module of `cloacina`; leave every other to the usual message."""
        if fullname.startswith("cloacina."):
            raise ModuleNotFoundError(
                f"{fullname} is not available in a package, which has Context, task, Workflow, RetryPolicy, the task "
                "handles and the errors of cloacina. What runs workflows is outside of it",
                name=fullname,
            )
        return None


def main() -> NoReturn:
    """Read the request, import, write the report, and end without waiting for threads that the import has left."""
    request = json.load(sys.stdin.buffer)
    # Both are duplicated as descriptors that no process started by the package inherits.
    report_to = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    root = Path(request["root"])
    report = _probe(root, Path(request["sdk"]), request["entry_module"], request["functions"])
    report["python"] = [sys.implementation.name, *sys.version_info[:2]]
    with os.fdopen(report_to, "wb") as stream:
        stream.write(json.dumps(report).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _probe(root: Path, sdk: Path, entry_module: str, functions: Iterable[str]) -> dict[str, Any]:
    sys.path += [str(root / "workflow"), str(root / "site"), str(sdk)]
    sys.argv = [entry_module]
    sys.meta_path.append(OutsideOfTheSDK())
    from cloacina.task import collector  # noqa: PLC0415 - it can be found from here on
    from cloacina.workflow import Workflow  # noqa: PLC0415

    declared: list[TaskDefinition] = []
    collector.set(declared.append)
    try:
        import_module(entry_module)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: a module must not end who imports it
        return {"error": _describe(error, root)}
    modules = list(sys.modules.values())
    own = [module for module in modules if _is_below(module, root / "workflow")]
    workflows = {id(value): value for module in own for value in vars(module).values() if type(value) is Workflow}
    # A library may declare tasks for those who want them; only a workflow that names them takes them in.
    libraries = {module.__name__ for module in modules if _is_below(module, root / "site")}
    definitions = {id(each): each for each in declared if each.function.__module__ not in libraries}
    for workflow in workflows.values():
        try:
            definitions.update((id(each), each) for each in workflow.tasks.values())
        except Exception as error:  # noqa: BLE001 - a block that was never left; it is the package's defect
            return {"error": _describe(error, root)}
    return {
        "workflows": [workflow.name for workflow in workflows.values()],
        "tasks": [_facts(definition) for definition in definitions.values()],
        "functions": {function: _id_at(function) for function in functions},
    }


def _is_below(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)


def _facts(definition: TaskDefinition) -> dict[str, Any]:
    return {
        "id": definition.id,
        "dependencies": list(definition.dependencies),
        "retries": definition.retry.attempts - 1,
        "timeout_seconds": definition.timeout,
    }


def _id_at(function: str) -> str | None:
    """Return the id of the task that a function's path leads to, or None when it leads to no task."""
    from cloacina.errors import InvalidTask  # noqa: PLC0415 - as above
    from cloacina.task import task_definition  # noqa: PLC0415

    module, _, name = function.partition(":")
    found: Callable[..., Any] | None = getattr(sys.modules.get(module), name, None)
    if found is None:
        return None
    try:
        return task_definition(found).id
    except InvalidTask:
        return None


def _describe(error: BaseException, root: Path) -> dict[str, Any]:
    """Return an error with the lines of the package that led to it, named by their paths in the package."""
    lines: list[str] = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if file.is_relative_to(root):
            lines.append(f"{_place(file, frame.lineno, root)} in {frame.name}: {frame.line}")
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(root):
        lines.append(f"{_place(Path(error.filename), error.lineno, root)}: {(error.text or '').strip()}")
    message = str(error) if not isinstance(error, SyntaxError) else error.msg
    return {
        "type": type(error).__name__,
        "message": message.replace(f"{root}{os.sep}", ""),
        "missing_module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "lines": lines,
    }


def _place(file: Path, line: int | None, root: Path) -> str:
    return f"{file.relative_to(root).as_posix()}:{line}"


if __name__ == "__main__":
    main()
