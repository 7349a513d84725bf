"""A package's own process: what it gets of Cloacina, how it is started, and the check that imports a package there."""

from __future__ import annotations
