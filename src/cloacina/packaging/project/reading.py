"""From a project's folder to a `Project`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.errors import ProjectNotFound
from cloacina.packaging.project.metadata import read_metadata
from cloacina.packaging.project.settings import read_settings
from cloacina.packaging.project.table import Problems, Table, describe
from cloacina.packaging.project.toml_document import read_toml
from cloacina.packaging.targets import targets_of

if TYPE_CHECKING:
    from pathlib import Path

    from cloacina.packaging.project.toml_document import TomlDocument
    from cloacina.packaging.targets import Target

FILE_NAME: Final = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Project:
    """What pyproject.toml says about the package to build.

    Attributes:
        root: The project's folder, absolute.
        name: The package's name, as written.
        version: Its version, as written.
        description: What it is for, in one line, or None.
        requires_python: The Pythons that it runs with, as a specifier such as `>=3.11`.
        entry_module: The module from which its tasks are found, such as `pipeline.tasks`.
        source_root: The folder in which modules are looked for: `src` where there is one, else the project's own.
        include: Patterns of files that are packed in addition, as in a .gitignore in `root`.
        exclude: Patterns of files that are left out, of the same kind; they win over `include`.
        platforms: The platforms that it is built for, sorted.
        pythons: The Pythons that it is built for, such as `3.11`, sorted.
        dependencies: Its requirements, as written.
    """

    root: Path
    name: str
    version: str
    description: str | None
    requires_python: str
    entry_module: str
    source_root: Path
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    platforms: tuple[str, ...]
    pythons: tuple[str, ...]
    dependencies: tuple[str, ...]

    def targets(self) -> tuple[Target, ...]:
        """Return what the package is built for: each platform with each Python.

        Raises:
            InvalidOption: A Python is none that a package can be built for.
        """
        return targets_of(self.platforms, self.pythons)


def read_project(folder: Path) -> Project:
    """Read the pyproject.toml of a project that is to be packaged.

    `[project]` has to hold `name`, `version` and `requires-python`, all written out: nothing of the project is run to
    find them, and two machines have to find the same. `[tool.cloacina]` has to hold `entry_module`; `include`,
    `exclude`, `targets` and `python` are optional, and any other key is refused.

    Args:
        folder: The project's folder.

    Raises:
        ProjectNotFound: The folder does not exist, or holds no pyproject.toml.
        InvalidProject: The file cannot be used; the message has all problems, with their lines.

    Example:
        ```python
        from pathlib import Path

        from cloacina.packaging.project import read_project

        Path("pyproject.toml").write_text(
            '''
            [project]
            name = "sales-report"
            version = "1.0"
            requires-python = ">=3.12"

            [tool.cloacina]
            entry_module = "sales.tasks"
            targets = ["linux-x86_64", "macos-arm64"]
            '''
        )
        project = read_project(Path())
        print(project.name, project.entry_module)
        #> sales-report sales.tasks
        print([target.name for target in project.targets()])
        #> ['linux-x86_64-cp312', 'macos-arm64-cp312']
        ```
    """
    root = folder.resolve()
    try:
        document = read_toml(root / FILE_NAME, str(folder / FILE_NAME))
    except (FileNotFoundError, NotADirectoryError):
        raise ProjectNotFound(_not_found(folder)) from None
    problems = Problems(document)
    source_root = root / "src" if (root / "src").is_dir() else root
    metadata = read_metadata(_metadata_table(document, problems))
    settings = read_settings(_settings_table(document, problems, source_root), source_root, metadata.requires_python)
    problems.raise_if_any()
    return Project(
        root=root,
        name=metadata.name,
        version=metadata.version,
        description=metadata.description,
        requires_python=metadata.requires_python,
        entry_module=settings.entry_module,
        source_root=source_root,
        include=settings.include,
        exclude=settings.exclude,
        platforms=settings.platforms,
        pythons=settings.pythons,
        dependencies=metadata.dependencies,
    )


def _not_found(folder: Path) -> str:
    if folder.is_file():
        return f"{folder} is a file; expected the folder of a project."
    if not folder.is_dir():
        return f"There is no folder {folder}; expected the folder of a project."
    for parent in folder.resolve().parents:
        if (parent / FILE_NAME).is_file():
            return f"The folder {folder} has no {FILE_NAME}; the nearest one is in {parent}. Name that folder?"
    return f"The folder {folder} has no {FILE_NAME}; expected a project. `cloacina new NAME` makes one."


def _metadata_table(document: TomlDocument, problems: Problems) -> Table:
    poetry = " [tool.poetry] is not read." if "poetry" in _tables(document, "tool") else ""
    return _table(
        document, problems, ("project",), f"There is no [project] table with name, version and requires-python.{poetry}"
    )


def _settings_table(document: TomlDocument, problems: Problems, source_root: Path) -> Table:
    entry_module = _likely_entry_module(source_root)
    return _table(
        document,
        problems,
        ("tool", "cloacina"),
        "There is no [tool.cloacina] table. Add it, and below it the module that declares the tasks:"
        f' entry_module = "{entry_module}".',
    )


def _table(document: TomlDocument, problems: Problems, path: tuple[str, ...], missing: str) -> Table:
    """Return a table; an empty one, and one problem, when there is none."""
    around = document.values
    for position, name in enumerate(path, 1):
        found: object = around.get(name)
        if found is None:
            problems.add(missing)
            break
        if not isinstance(found, dict):
            problems.add(f"{'.'.join(path[:position])} is {describe(found)}; expected a table.", *path[:position])
            break
        around = cast("dict[str, Any]", found)
    else:
        return Table(path, around, problems)
    # What an absent table lacks goes without saying.
    return Table(path, {}, Problems(document))


def _tables(document: TomlDocument, name: str) -> dict[str, Any]:
    found: object = document.values.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _likely_entry_module(source_root: Path) -> str:
    for name in ("tasks", "workflow", "workflows", "pipeline"):
        for file in sorted(source_root.glob(f"*/{name}.py")):
            return f"{file.parent.name}.{name}"
        if (source_root / f"{name}.py").is_file():
            return name
    return "package.tasks"
