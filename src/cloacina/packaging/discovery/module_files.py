"""Which file a module of the project is in: the rules of Python's own finder, on one folder."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container

_SDK: Final = "cloacina"
_MOST_SEARCHED: Final = 1_000


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """Where a module of the project is.

    Attributes:
        name: The module's name, with dots.
        path: Its file; None for a namespace package, which is a folder alone.
        is_package: Whether other modules can be in it.
    """

    name: str
    path: Path | None
    is_package: bool


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder holds, by exact name, so that a file system that ignores case makes no difference."""

    files: frozenset[str]
    folders: frozenset[str]


class ModuleFiles:
    """The modules below a folder.

    Args:
        root: The folder that is on `sys.path` when the package runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._folders: dict[str, _Folder] = {}
        self._found: dict[str, ModuleFile | None] = {}

    def find(self, name: str) -> ModuleFile | None:
        """Return where a module is, or None when the project does not hold it.

        What the standard library or Cloacina has a module for is never the project's: they come first on `sys.path`.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def names_in(self, package: str) -> list[str]:
        """Return the names of the modules directly in a package, or at the top for an empty name."""
        folder = self._folder(self._path_of(package))
        stems = {file.removesuffix(".py") for file in folder.files if file.endswith(".py")} - {"__init__"}
        names = sorted(stem for stem in stems | folder.folders if stem.isidentifier())
        return [f"{package}.{name}" if package else name for name in names]

    def first_with(self, text: bytes, package: str, known: Container[str]) -> str | None:
        """Return the first module in a package, or the package itself, that is not known and has a text in its file."""
        pending = [package]
        for _ in range(_MOST_SEARCHED):
            if not pending:
                return None
            name = pending.pop(0)
            file = self.find(name)
            if file is not None and file.is_package:
                pending += self.names_in(name)
            if file is not None and file.path is not None and name not in known and _holds(file.path, text):
                return name
        return None

    def _find(self, name: str) -> ModuleFile | None:
        parent, _, last = name.rpartition(".")
        if not last.isidentifier():
            return None
        if parent:
            above = self.find(parent)
            if above is None or not above.is_package:
                return None
        elif is_foreign(last):
            return None
        path = self._path_of(parent)
        folder = self._folder(path)
        if last in folder.folders:
            inside = f"{path}/{last}"
            if "__init__.py" in self._folder(inside).files:
                return ModuleFile(name, Path(inside, "__init__.py"), is_package=True)
        if f"{last}.py" in folder.files:
            return ModuleFile(name, Path(path, f"{last}.py"), is_package=False)
        return ModuleFile(name, None, is_package=True) if last in folder.folders else None

    def _path_of(self, package: str) -> str:
        return "/".join([self._root, *package.split(".")]) if package else self._root

    def _folder(self, path: str) -> _Folder:
        if path not in self._folders:
            files: list[str] = []
            folders: list[str] = []
            try:
                with os.scandir(path) as entries:
                    for entry in entries:
                        (folders if entry.is_dir() else files).append(entry.name)
            except OSError:
                files, folders = (
                    [],
                    [],
                )  # No folder, or none that may be read: it holds no module that Python could load.
            self._folders[path] = _Folder(frozenset(files), frozenset(folders))
        return self._folders[path]


def _holds(path: Path, text: bytes) -> bool:
    try:
        return text in path.read_bytes()
    except OSError:
        return False  # What cannot be read is no hint.


def is_foreign(top_level: str) -> bool:
    """Return whether a top-level module is of the standard library or Cloacina, whatever the project holds."""
    return top_level in sys.stdlib_module_names or top_level == _SDK
