"""Extensions of the docstring reader, for what reads well in the code and would not on a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

import griffe

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

_OPENS_BLOCK = re.compile(r"::$(?=\n\n[ ]{4})", re.MULTILINE)
_ONLY_COLONS = re.compile(r"^::\n\n(?=[ ]{4})", re.MULTILINE)


class LiteralBlocks(griffe.Extension):
    """Leave out the `::` that opens a literal block: Markdown knows such a block by its indentation alone."""

    def on_instance(self, *, node: ast.AST | griffe.ObjectNode, obj: griffe.Object, **_: Any) -> None:  # noqa: ARG002
        """Change the docstring of an object that has been read."""
        if obj.docstring is not None:
            text = _ONLY_COLONS.sub("", obj.docstring.value)
            obj.docstring.value = _OPENS_BLOCK.sub(":", text)


class FieldsAsList(griffe.Extension):
    """Show the documented fields of a class as one list in its description, instead of an entry for each.

    A record has a dozen fields with a line each. As entries with headings of their own they fill screens.
    """

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Move the docstrings of the fields of all classes of a package into those of the classes."""
        for cls in _classes(pkg):
            fields = [member for member in cls.members.values() if _is_documented_field(member)]
            if not fields or cls.docstring is None or "\nAttributes:\n" in cls.docstring.value:
                continue
            lines = [f"    {field.name}{_type(field, cls)}: {_value(field, cls)}{_one_line(field)}" for field in fields]
            cls.docstring.value = f"{cls.docstring.value.rstrip()}\n\nAttributes:\n" + "\n".join(lines)
            for field in fields:
                cls.del_member(field.name)


class ErrorsOfPackages(griffe.Extension):
    """Let what functions say to raise lead to the errors about packages, as to those that `cloacina` itself exports.

    A name is looked up in the module of the function and in the packages around it, and a function raises more than its
    module imports.
    """

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Make the names of all errors known around the modules of `cloacina.packaging`."""
        packaging, errors = pkg.members.get("packaging"), pkg.members.get("errors")
        if not isinstance(packaging, griffe.Module) or not isinstance(errors, griffe.Module):
            return
        for name in errors.members:
            if name[:1].isupper() and name not in packaging.members:
                packaging.set_member(name, griffe.Alias(name, f"{errors.path}.{name}"))


def _classes(parent: griffe.Object) -> Iterator[griffe.Class]:
    for member in parent.members.values():
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _classes(member)


def _is_documented_field(member: griffe.Object | griffe.Alias) -> TypeGuard[griffe.Attribute]:
    return isinstance(member, griffe.Attribute) and member.docstring is not None and not member.name.startswith("_")


def _one_line(field: griffe.Attribute) -> str:
    return " ".join(field.docstring.value.split()) if field.docstring is not None else ""


def _is_enumeration(cls: griffe.Class) -> bool:
    return any("Enum" in str(base) for base in cls.bases)


def _type(field: griffe.Attribute, cls: griffe.Class) -> str:
    return f" ({field.annotation})" if field.annotation is not None and not _is_enumeration(cls) else ""


def _value(field: griffe.Attribute, cls: griffe.Class) -> str:
    """Return the value of a member of an enumeration, which is what the database and the command line show."""
    if not _is_enumeration(cls):
        return ""
    return f"`{str(field.value).strip(chr(34) + chr(39))}`. "
