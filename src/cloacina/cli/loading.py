"""From `FILE[:workflow]` to a `Workflow`: import the file as a script is imported, and find the workflow in it."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.errors import CloacinaError, DefinitionError, FileNotLoadable, WorkflowNotFound, join_names
from cloacina.workflow import Workflow

if TYPE_CHECKING:
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Target:
    """What to run."""

    path: Path
    """The Python file."""
    workflow: str | None
    """The workflow's name, or the variable that holds it; None for the only one in the file."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `FILE` or `FILE:workflow`. A colon in the name of a file that exists belongs to the name."""
        path, colon, workflow = text.rpartition(":")
        if not colon or Path(text).exists() or "/" in workflow or "\\" in workflow:
            return cls(Path(text), None)
        return cls(Path(path), workflow)


def load_workflow(target: Target) -> Workflow:
    """Import the file and return the workflow that was asked for.

    The file's folder comes first on `sys.path`, as for a script, but `__name__` is not `"__main__"`.

    Raises:
        FileNotLoadable: The file does not exist, is not Python, or raised while it was imported.
        WorkflowNotFound: There is none, none of that name, or several of which none was named.
        DefinitionError: The file declares a workflow that cannot run.
    """
    found = {name: value for name, value in vars(_import(target.path)).items() if isinstance(value, Workflow)}
    workflows = list({id(workflow): workflow for workflow in found.values()}.values())
    if not workflows:
        raise WorkflowNotFound(
            f"{target.path} holds no workflow; expected a Workflow(...) in a variable of the module."
        )
    if target.workflow is None:
        if len(workflows) > 1:
            example = f"{target.path}:{workflows[0].name}"
            raise WorkflowNotFound(f"{target.path} holds {_names(workflows)}; name the one to run, such as {example}.")
        return workflows[0]
    named = [workflow for workflow in workflows if workflow.name == target.workflow]
    if len(named) > 1:
        variables = join_names([name for name, workflow in found.items() if workflow in named])
        raise WorkflowNotFound(
            f"{target.path} holds {len(named)} workflows named {target.workflow!r};"
            f" name the variable instead: {variables}."
        )
    if named:
        return named[0]
    if target.workflow in found:
        return found[target.workflow]
    raise WorkflowNotFound(f"{target.path} holds no workflow {target.workflow!r}; it holds {_names(workflows)}.")


def _names(workflows: list[Workflow]) -> str:
    return join_names([workflow.name for workflow in workflows])


def _import(path: Path) -> ModuleType:
    if not path.exists():
        raise FileNotLoadable(f"There is no file {path}; expected FILE or FILE:workflow, where FILE is a Python file.")
    if path.is_dir():
        raise FileNotLoadable(f"{path} is a folder; expected a Python file.")
    path = path.resolve()
    # A file called json.py must not take the place of a module that is loaded already.
    name = path.stem if path.stem not in sys.modules else f"{path.stem} (run by cloacina)"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotLoadable(f"{path.name} is not a Python file: its name has to end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BrokenPipeError:
        raise  # the file printed something, and nobody reads it
    except DefinitionError as error:
        error.message = f"{_place(error, path)}: {error.message}"
        raise
    except SyntaxError as error:
        place = f"{Path(error.filename or path).name}, line {error.lineno}"
        raise FileNotLoadable(f"{place} is not valid Python: {error.msg}.") from error
    except SystemExit as error:
        raise FileNotLoadable(
            f"{_place(error, path)} calls sys.exit() while it is imported; put it under `if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        text = error.message if isinstance(error, CloacinaError) else " ".join(str(error).split())
        raised = f"{type(error).__name__}: {text}".rstrip(": ")
        raise FileNotLoadable(f"{_place(error, path)} raised while it was imported: {raised}.") from error
    return module


def _place(error: BaseException, path: Path) -> str:
    """Return the innermost line of the user's own file that was running."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path.name}, line {lines[-1]}" if lines else path.name
