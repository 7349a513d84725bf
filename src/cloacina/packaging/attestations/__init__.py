"""What a package says of its own making: the bill of materials, and the provenance."""

from __future__ import annotations
