"""From `FILE[:workflow]` to a `Workflow`: import the file or the module, and find the workflow in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloacina.cli.importing import exists, import_target
from cloacina.errors import WorkflowNotFound, join_names
from cloacina.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Target:
    """What to run."""

    path: Path
    """The Python file; or the name of a module, where no file is."""
    workflow: str | None
    """The workflow's name, or the variable that holds it; None for the only one in the file."""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `FILE` or `FILE:workflow`. A colon in the name of a file that exists belongs to the name."""
        path, colon, workflow = text.rpartition(":")
        if not colon or exists(text) or "/" in workflow or "\\" in workflow:
            return cls(Path(text), None)
        return cls(Path(path), workflow)


def load_workflow(target: Target) -> Workflow:
    """Import the file and return the workflow that was asked for.

    The file's folder comes first on `sys.path`, as for a script, but `__name__` is not `"__main__"`. A file of a
    package is imported as part of it, and a module from the working directory, as by `python -m`.

    Raises:
        FileNotLoadable: The file does not exist, is not Python, or raised while it was imported.
        WorkflowNotFound: There is none, none of that name, or several of which none was named.
        DefinitionError: The file declares a workflow that cannot run.
    """
    workflows = load_workflows(target)
    if len(workflows) > 1:
        example = f"{target.path}:{workflows[0].name}"
        raise WorkflowNotFound(f"{target.path} holds {_names(workflows)}; name the one to run, such as {example}.")
    return workflows[0]


def load_workflows(target: Target) -> list[Workflow]:
    """Import the file and return the workflow that was asked for, or all of them if none was named.

    Raises:
        FileNotLoadable: As for `load_workflow`.
        WorkflowNotFound: There is none, or none of that name.
        DefinitionError: As for `load_workflow`.
    """
    found = {name: value for name, value in vars(import_target(target.path)).items() if isinstance(value, Workflow)}
    workflows = list({id(workflow): workflow for workflow in found.values()}.values())
    if not workflows:
        raise WorkflowNotFound(
            f"{target.path} holds no workflow; expected a Workflow(...) in a variable of the module."
        )
    if target.workflow is None:
        return workflows
    named = [workflow for workflow in workflows if workflow.name == target.workflow]
    if len(named) > 1:
        variables = join_names([name for name, workflow in found.items() if workflow in named])
        raise WorkflowNotFound(
            f"{target.path} holds {len(named)} workflows named {target.workflow!r};"
            f" name the variable instead: {variables}."
        )
    if named:
        return named
    if target.workflow in found:
        return [found[target.workflow]]
    raise WorkflowNotFound(f"{target.path} holds no workflow {target.workflow!r}; it holds {_names(workflows)}.")


def _names(workflows: list[Workflow]) -> str:
    return join_names([workflow.name for workflow in workflows])
