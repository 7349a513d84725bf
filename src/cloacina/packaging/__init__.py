"""Workflow packages: from a project to one file that another machine verifies and runs."""

from __future__ import annotations
