"""A new project: a folder that tests, runs and builds as it is, and that its owner goes on from."""

from __future__ import annotations

from cloacina.packaging.skeleton.creation import NewProject, create_project

__all__ = ["NewProject", "create_project"]
