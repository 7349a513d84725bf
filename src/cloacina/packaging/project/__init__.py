"""pyproject.toml, read strictly: what is packaged, under which name, for which platforms and Pythons."""

from __future__ import annotations

from cloacina.packaging.project.reading import FILE_NAME, Project, read_project

__all__ = ["FILE_NAME", "Project", "read_project"]
