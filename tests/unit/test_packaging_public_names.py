"""The names of `cloacina.packaging`: sorted, all there, the same for type checkers, and loaded when they are used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from cloacina import packaging

SOURCE = ast.parse(Path(inspect.getfile(packaging)).read_text(encoding="utf-8"))


def static_names() -> dict[str, str]:
    """Return the names that a type checker sees imported, with the modules they come from."""
    imports = (node for node in ast.walk(SOURCE) if isinstance(node, ast.ImportFrom))
    return {
        alias.name: node.module
        for node in imports
        if node.module is not None and node.module.startswith("cloacina.")
        for alias in node.names
    }


def test_the_names_are_those_that_a_type_checker_sees_in_the_order_of_the_linter() -> None:
    in_order = sorted(packaging.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))

    assert packaging.__all__ == in_order
    assert set(packaging.__all__) == static_names().keys()


@pytest.mark.parametrize("name", packaging.__all__)
def test_each_name_is_the_one_of_its_module(name: str) -> None:
    module = __import__(static_names()[name], fromlist=[name])

    assert getattr(packaging, name) is getattr(module, name)


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'unpack'"):
        _ = packaging.unpack  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def test_importing_the_package_loads_nothing() -> None:
    program = (
        "import sys, cloacina; before = set(sys.modules); import cloacina.packaging; print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert loaded.split() == ["cloacina.packaging"]
