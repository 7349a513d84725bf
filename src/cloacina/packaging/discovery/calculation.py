"""Arithmetic, text and formats of constants, within bounds: what is larger is not worth knowing, and not computed."""

from __future__ import annotations

import ast
import operator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cloacina.packaging.discovery.values import Constant, Scalar, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_TEXT: Final = 10_000
_LARGEST_NUMBER: Final = 2**64
_LARGEST_EXPONENT: Final = 64
_LONGEST_FORMAT: Final = 4
_PRINTABLE: Final = (str, int, float, type(None))

_CONVERSIONS: Final[Mapping[int, Callable[[object], str]]] = {ord("r"): repr, ord("a"): ascii, ord("s"): str}
# By name, because the functions' own types say less than is needed here.
_ARITHMETIC: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}


def calculate(sign: ast.operator, left: Scalar, right: Scalar) -> Constant | Unknown:
    """Return what an operation on constants gives: texts are joined, numbers and timedeltas calculated."""
    if isinstance(left, str) and isinstance(right, str) and isinstance(sign, ast.Add):
        return bounded_text(left + right)
    is_calculable = isinstance(left, int | float | timedelta) and isinstance(right, int | float | timedelta)
    name = _ARITHMETIC.get(type(sign))
    if not is_calculable or name is None or not (_is_small(left) and _is_small(right)):
        return Unknown()
    if isinstance(sign, ast.Pow) and not (isinstance(right, int) and abs(right) <= _LARGEST_EXPONENT):
        return Unknown()
    try:
        result: object = getattr(operator, name)(left, right)
    except (ArithmeticError, TypeError, ValueError) as error:
        return Unknown(f"it fails: {error}")
    return Constant(result) if isinstance(result, int | float | timedelta) else Unknown()


def compare(sign: ast.cmpop, left: Scalar, right: Scalar) -> bool | None:
    """Return whether a comparison of constants holds; None when it is not understood."""
    if isinstance(sign, ast.Is | ast.IsNot):
        # Of other constants it is left open which are one object.
        if left is not None and right is not None:
            return None
        return (left is right) is isinstance(sign, ast.Is)
    name = _COMPARISONS.get(type(sign))
    if name is None:
        return None
    try:
        return bool(getattr(operator, name)(left, right))
    except TypeError:
        return None


def printed(value: Scalar, part: ast.FormattedValue | None = None) -> str | None:
    """Return a constant as an f-string prints it; None when that is not understood.

    Args:
        value: The constant.
        part: The braces that it stands in; None for the text between braces.
    """
    if not isinstance(value, _PRINTABLE):
        return None
    try:
        if part is None:
            return str(value)
        convert = _CONVERSIONS.get(part.conversion)
        return format(value if convert is None else convert(value), _format_of(part))
    except ValueError:  # A format that does not fit, or an integer of too many digits.
        return None


def bounded_text(text: str) -> Constant | Unknown:
    """Return a text as a constant, unless it is too long to be of use."""
    return Constant(text) if len(text) <= _LONGEST_TEXT else Unknown(f"it is longer than {_LONGEST_TEXT:,} characters")


def _is_small(value: Scalar) -> bool:
    return not isinstance(value, int) or abs(value) <= _LARGEST_NUMBER


def _format_of(part: ast.FormattedValue) -> str:
    match part.format_spec:
        case None:
            return ""
        # A longer one could ask for a width of any size.
        case ast.JoinedStr(values=[ast.Constant(value=str(spec))]) if len(spec) <= _LONGEST_FORMAT:
            return spec
        case _:
            raise ValueError("a format that is computed, or long")
