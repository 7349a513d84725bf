"""Which files are packed unless `include` and `exclude` say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloacina.packaging.project import Project

_NOT_OF_A_PACKAGE: Final = frozenset({"tests", "test", "docs", "examples", "benchmarks", "scripts", "build", "dist"})
_NOT_OF_A_PACKAGE_MODULES: Final = frozenset({"setup.py", "conftest.py", "noxfile.py"})
_ADDED: Final = "`include` adds it"


def why_left_out(project: Project, name: str) -> str | None:
    """Return why a file or folder is not packed by default, nor what is in it, or None when it is.

    Args:
        project: The project.
        name: Its name, in the project's folder.
    """
    if project.source_root != project.root:
        source = project.source_root.name
        return None if name == source else f"outside of {source}/; {_ADDED}"
    path = project.root / name
    is_folder = path.is_dir()
    module = name if is_folder else name.removesuffix(".py")
    if module == project.entry_module.partition(".")[0] and (is_folder or name.endswith(".py")):
        return None
    if name.startswith("."):
        return f"hidden; {_ADDED}"
    if name in (_NOT_OF_A_PACKAGE if is_folder else _NOT_OF_A_PACKAGE_MODULES):
        return f"not part of a package by default; {_ADDED}"
    is_python = any(path.glob("*.py")) if is_folder else name.endswith(".py")
    return None if is_python and module.isidentifier() else f"no Python module or package; {_ADDED}"
