"""Programs that run in a package's own process: each is one file, on the standard library and the SDK alone."""

from __future__ import annotations
