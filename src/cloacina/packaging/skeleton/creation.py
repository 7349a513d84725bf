"""Writing a new project into a folder: all of it, or nothing."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloacina import __version__
from cloacina.errors import OutputNotWritable, ProjectExists, join_names
from cloacina.packaging.skeleton.names import module_name
from cloacina.packaging.skeleton.origin import installed_from
from cloacina.packaging.targets import PYTHONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILES: Final = {
    ".gitignore": "gitignore",
    "README.md": "readme",
    "pyproject.toml": "pyproject",
    "src/{{module}}/__init__.py": "package",
    "src/{{module}}/tasks.py": "tasks",
    "tests/test_tasks.py": "tests",
}
_KEPT: Final = frozenset({".git"})  # an empty repository is an empty folder
_MOST_SHOWN: Final = 3  # names, of what is in a folder already


@dataclass(frozen=True, slots=True)
class NewProject:
    """What `create_project` has made.

    Attributes:
        name: The project's name.
        folder: Its folder, as given.
        module: The name of its package in `src`.
        files: Its files, as paths in the folder.
        cloacina_from: The folder from which the project takes Cloacina; None when it takes it from the index.
    """

    name: str
    folder: Path
    module: str
    files: tuple[str, ...]
    cloacina_from: Path | None


def create_project(name: str, folder: Path | None = None) -> NewProject:
    """Make a project whose test passes, which runs, and from which a package can be built.

    Args:
        name: Its name, such as `sales-report`: a letter, then letters, digits, `-`, `_` and `.`.
        folder: Where to put it; by default a folder of the project's name in the current one. It is created, with those
            above it, unless it exists and is empty.

    Raises:
        InvalidName: The name cannot be that of a project, or its module would hide another one.
        ProjectExists: The folder holds something already, or is a file.
        OutputNotWritable: The folder cannot be written. What had been written is removed.

    Example:
        ```python
        from cloacina.packaging.skeleton import create_project

        project = create_project("sales-report")
        print(project.module, project.files[:3])
        #> sales_report ('.gitignore', 'README.md', 'pyproject.toml')
        ```
    """
    module = module_name(name)
    folder = Path(name) if folder is None else folder
    _refuse_what_is_there(folder)
    source = installed_from()
    values = {
        "name": name,
        "module": module,
        "version": __version__,
        "python": _python(),
        "source": "" if source is None else _source_table(source),
    }
    contents = {_filled(path, values): _filled(_template(file), values) for path, file in _FILES.items()}
    _write_all(folder, contents)
    return NewProject(name, folder, module, tuple(contents), source)


def _refuse_what_is_there(folder: Path) -> None:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name not in _KEPT)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise ProjectExists(f"{folder} is, or is below, a file; expected a new or an empty folder.") from error
    except OSError as error:
        raise OutputNotWritable(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if names:
        more = len(names) - _MOST_SHOWN
        found = join_names(names[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise ProjectExists(
            f"The folder {folder} is not empty: it holds {found}. A new project needs a new or an empty folder."
        )


def _python() -> str:
    """Return the version of Python to build for: the one that is running, so that the package can be tried at once."""
    running = f"3.{sys.version_info.minor}"
    return running if running in PYTHONS else PYTHONS[0]


def _source_table(folder: Path) -> str:
    return _filled(_template("source"), {"folder": str(folder).replace("\\", "\\\\").replace('"', '\\"')})


def _template(name: str) -> str:
    return files("cloacina.packaging.skeleton").joinpath("files", f"{name}.template").read_text(encoding="utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return text


def _write_all(folder: Path, contents: Mapping[str, str]) -> None:
    made: list[Path] = []
    try:
        for path, text in contents.items():
            file = folder / path
            _make_folder(file.parent, made)
            with file.open("x", encoding="utf-8", newline="\n") as opened:
                made.append(file)
                opened.write(text)
    except BaseException as error:
        _remove(made)
        if isinstance(error, FileExistsError):
            raise ProjectExists(f"{error.filename} has appeared meanwhile; nothing was overwritten.") from error
        if isinstance(error, OSError):
            raise OutputNotWritable(
                f"The project cannot be written to {folder}: {error.strerror}. Nothing of it is left behind."
            ) from error
        raise


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):  # the failure that led here is the one to tell; somebody else's file stays
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def _make_folder(folder: Path, made: list[Path]) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)
