"""The reference of the configuration, written from the class that reads it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import griffe

from cloacina import configuration
from cloacina.configuration import Configuration
from docsite.generated.tables import table

if TYPE_CHECKING:
    from pathlib import Path


def settings_reference(_docs: Path) -> str:
    """Return every setting with its argument, its variable, its default and its meaning, as Markdown."""
    sections = griffe.Docstring(Configuration.__doc__ or "", lineno=1).parse("google", warnings=False)
    meanings = {
        entry.name: entry.description
        for section in sections
        if section.kind is griffe.DocstringSectionKind.attributes
        for entry in section.value
    }
    rows = []
    for field in fields(Configuration):
        variable = f"CLOACINA_{field.name.upper()}"
        meaning = " ".join(meanings[field.name].replace(f"(`{variable}`)", "").split()).replace(" .", ".")
        default = getattr(configuration, f"DEFAULT_{field.name.upper()}")
        rows.append((f"`{field.name}`", f"`{variable}`", f"`{default}`", meaning))
    return table(("Argument", "Variable", "Default", "Meaning"), rows)
