"""Sizes as people read them."""

from __future__ import annotations


def readable_size(size: int) -> str:
    """Return a number of bytes in the largest unit that it fills: `48.1 MB`, `2.5 kB`, `17 B`."""
    for unit, bytes_of_it in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_of_it:
            return f"{size / bytes_of_it:,.1f} {unit}"
    return f"{size} B"
