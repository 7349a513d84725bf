"""An extension of the docstring reader: the `::` that opens a literal block in a docstring is not shown.

Editors and `help()` know the indented block behind `::` as literal text. Markdown does too, by the indentation alone,
and would show the colons.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    import ast

_OPENS_BLOCK = re.compile(r"::$(?=\n\n[ ]{4})", re.MULTILINE)


class LiteralBlocks(griffe.Extension):
    """Write `like this::` as `like this:`, and leave out a line that holds only the colons."""

    def on_instance(self, *, node: ast.AST | griffe.ObjectNode, obj: griffe.Object, **_: Any) -> None:  # noqa: ARG002
        """Change the docstring of an object that has been read."""
        if obj.docstring is not None:
            text = re.sub(r"^::\n\n(?=[ ]{4})", "", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = _OPENS_BLOCK.sub(":", text)
