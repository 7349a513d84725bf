"""A project of more tasks than a package holds is refused with a message, before anything is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloacina.errors import ProjectError
from cloacina.packaging import build_package, plan_build
from cloacina.packaging.building import making

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def test_too_many_tasks_are_refused_by_the_build_and_its_plan(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MAXIMUM_TASKS", 1)
    for make in (build_package, plan_build):
        with pytest.raises(ProjectError, match="has 2 tasks, and a package holds 1 at most"):
            make(project)
    assert not (project / "dist").exists()
