"""`cloacina new`: make a project, and say what to type next."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cloacina.packaging.skeleton import NewProject

_ABOUT = {
    "pyproject.toml": "the package's name, needs and targets",
    "tasks.py": "three tasks; the first waits without a slot",
    "test_tasks.py": "their tests, in virtual time",
    "README.md": "how to test, run and build it",
}


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The project's name, such as sales-report.")],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Where to put it: a new or an empty folder. Default: ./NAME."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout.")] = False,
) -> None:
    """Make a project with three tasks and their tests, from which `cloacina build` builds a package."""
    from cloacina.packaging.skeleton import create_project  # noqa: PLC0415 - the other commands do without

    project = create_project(name, folder)
    if as_json:
        document = {
            "name": project.name,
            "folder": str(project.folder),
            "module": project.module,
            "files": list(project.files),
            "cloacina_from": None if project.cloacina_from is None else str(project.cloacina_from),
            "next": _next_commands(project),
        }
        print(json.dumps(document, indent=2))
    else:
        _show(project)


def _show(project: NewProject) -> None:
    print(f"Made {project.name} in {project.folder}:\n")
    width = max(len(file) for file in project.files)
    for file in project.files:
        print(f"  {file:{width}}  {_ABOUT.get(Path(file).name, '')}".rstrip())
    print("\nNext:\n")
    for command in _next_commands(project):
        print(f"  {command}")
    if project.cloacina_from is not None:
        print(
            f"\nCloacina is taken from {project.cloacina_from}, where this one was installed from:\n"
            "see [tool.uv.sources] in pyproject.toml."
        )


def _next_commands(project: NewProject) -> list[str]:
    context = shlex.quote(json.dumps({"text": "README.md"}))
    return [
        *([] if project.folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(project.folder))}"]),
        "uv run pytest",
        f"uv run cloacina run src/{project.module}/tasks.py --context {context}",
        "uv run cloacina build",
    ]
