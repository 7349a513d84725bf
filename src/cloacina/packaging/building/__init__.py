"""From a project to a package: the steps in their order, and what came of them."""

from __future__ import annotations
