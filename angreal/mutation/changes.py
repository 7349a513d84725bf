"""The changes that are made to a file, one at a time."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SWAPS: dict[type[ast.AST], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.And: "or", ast.Or: "and",
}  # fmt: skip
_REMOVED = "pass"


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    start: int
    """Where the text that is replaced begins, in bytes."""
    end: int
    replacement: str
    old: str

    def __str__(self) -> str:
        """Return the place and the change, as they are reported."""
        change = "removed" if self.replacement == _REMOVED else f"→ `{self.replacement}`"
        return f"{self.file}:{self.line}: `{' '.join(self.old.split())}` {change}"


def mutants_of(file: str, source: bytes) -> Iterator[Mutant]:
    """Yield every change of a file.

    Args:
        file: Its name.
        source: What is in it.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, replacement in _changes_below(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        yield Mutant(file, node.lineno, start, end, replacement, source[start:end].decode())


def _changes_below(node: ast.AST) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Yield what can be replaced below a node, with the text that replaces it."""
    types = [getattr(node, "annotation", None), getattr(node, "returns", None), *getattr(node, "decorator_list", [])]
    for child in ast.iter_child_nodes(node):
        # Types, names, log lines and the wording of errors decide nothing.
        if child not in types and not ast.unparse(child).startswith(
            ("if TYPE_CHECKING:", "__slots__ =", "__all__ =", "logger.", "message =", "raise ")
        ):
            yield from _changes_of(child)
            yield from _changes_below(child)


def _changes_of(node: ast.AST) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield test, f"(not ({ast.unparse(test)}))"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield node, f"{ast.unparse(left)} {_SWAPS[type(op)]} {ast.unparse(right)}"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SWAPS:
            yield node, f"({ast.unparse(left)} {_SWAPS[type(op)]} {ast.unparse(right)})"
        case ast.BoolOp(op=op, values=values):
            yield node, f"({f' {_SWAPS[type(op)]} '.join(f'({ast.unparse(value)})' for value in values)})"
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() | float() as number):
            yield node, repr(number + 1)
        case (
            ast.Expr(value=ast.Call() | ast.Await())
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
            | ast.AugAssign()
            | ast.Delete()
        ):
            yield node, _REMOVED
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield node, "return None"
        case ast.Break():
            yield node, "continue"
        case ast.Continue():
            yield node, "break"
        case _:
            pass
