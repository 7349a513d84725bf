"""A build that fails puts back its own lock file, and touches no other one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloacina.errors import ImportCheckFailed
from cloacina.packaging import build_package

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


class DuringTheImport:
    """A display that lets somebody else write a file while the build is at its import check."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.text = text

    def begin(self, step: str) -> None:
        if step == "import":
            self.file.write_text(self.text, encoding="utf-8")

    def detail(self, step: str, text: str) -> None: ...
    def advance(self, step: str, done: int, total: int) -> None: ...
    def end(self, step: str, summary: str) -> None: ...
    def note(self, text: str) -> None: ...


@pytest.fixture
def failing(project: Path) -> Path:
    with (project / "src" / "figures" / "flow.py").open("a", encoding="utf-8") as flow:
        flow.write("import not_there\n")
    return project


@pytest.mark.parametrize("is_there_before", [True, False], ids=["changed", "made"])
def test_what_somebody_else_writes_to_a_lock_file_above_the_project_stays(
    failing: Path, *, is_there_before: bool
) -> None:
    above = failing.parent / "uv.lock"
    if is_there_before:
        above.write_text("version = 1\n", encoding="utf-8")

    with pytest.raises(ImportCheckFailed):
        build_package(failing, progress=DuringTheImport(above, "version = 1\n# of another project\n"))

    assert above.read_text(encoding="utf-8") == "version = 1\n# of another project\n"


def test_a_build_of_a_locked_project_leaves_what_somebody_else_writes_to_its_lock_file(failing: Path) -> None:
    lock = failing / "uv.lock"
    text = lock.read_text(encoding="utf-8") + "# a comment\n"

    with pytest.raises(ImportCheckFailed):
        build_package(failing, locked=True, progress=DuringTheImport(lock, text))

    assert lock.read_text(encoding="utf-8") == text


def test_a_folder_above_the_project_that_is_called_as_a_lock_file_is_none_of_its_business(project: Path) -> None:
    (project.parent / "uv.lock").mkdir()

    assert build_package(project).path.is_file()


def test_the_projects_own_lock_file_is_as_it_was(failing: Path) -> None:
    lock = failing / "uv.lock"
    lock.unlink()

    with pytest.raises(ImportCheckFailed):
        build_package(failing)

    assert not lock.exists()
