"""What a use of a name means: a call, reading a list or changing it, and what to say of an unusual use of `task`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloacina.packaging.discovery.scopes import Use

READING_METHODS: Final = frozenset(
    ("copy", "count", "difference", "index", "intersection", "issubset", "issuperset", "union")
)
"""The methods of lists and sets that leave them as they are."""

_READING_FUNCTIONS: Final = frozenset(
    (
        *("all", "any", "bool", "enumerate", "frozenset", "isinstance", "len", "list", "max", "min", "print", "repr"),
        *("reversed", "set", "sorted", "str", "sum", "tuple", "zip"),
    )
)
_READING_NODES: Final = (
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.For,
    ast.AsyncFor,
    ast.FormattedValue,
    ast.If,
    ast.IfExp,
    ast.Starred,
    ast.UnaryOp,
    ast.While,
    ast.comprehension,
)


def is_called(use: Use) -> bool:
    """Return whether the thing is called there."""
    return isinstance(use.parent, ast.Call) and use.parent.func is use.node


def is_reading(use: Use) -> bool:
    """Return whether a list or set is certainly as it was after it was used like that."""
    if use.attributes:
        return use.attributes[0] in READING_METHODS and is_called(use)
    match use.parent:
        case ast.Subscript(value=value, ctx=ast.Load()):
            return value is use.node
        case ast.Call(func=ast.Name(id=name)):
            return name in _READING_FUNCTIONS
        case ast.AugAssign(value=value):
            return value is use.node
        case _:
            return isinstance(use.parent, _READING_NODES)


def describe_task_use(use: Use, text: str) -> str:
    """Return what is wrong with a use of `task` that is no plain decorator.

    Args:
        use: The use.
        text: It, as it is written.
    """
    if use.container:
        return (
            f"`{text}` is used inside of {use.container}, so which tasks there are is known only by running the code."
            " Put @task on functions at the top level of the module"
        )
    if is_called(use):
        return (
            f"{text}(...) is called as a function, so what it makes a task is known only by running the code. Write it"
            f" as a decorator: @{text}(...) above the function"
        )
    return describe_task_as_value(text)


def describe_task_as_value(text: str) -> str:
    """Return what is wrong with `task` as an operand, an item or an argument."""
    return (
        f"`{text}` is used as a value, and what becomes of it is known only by running the code. Put @task on each"
        " function itself"
    )
