"""From the lines of a file to the syntax tree of a function, if that is of the code that the function has.

The source that stands where a function was is compiled on its own, and compared with the function's code. Whole files
are not parsed: they may have thousands of lines, and a thousand tasks.
"""

from __future__ import annotations
import __future__

import ast
import dis
import inspect
import sys
from types import CodeType
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from cloacina.source_snapshot import integer_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_MOST_BLOCKS: Final = 50
_OUTER: Final = "outer_of_"


def function_tree(code: CodeType, lines: Sequence[str]) -> Function | None:
    """Return the syntax tree of a function; None if no source compiles to its code.

    Args:
        code: The code of the function.
        lines: The lines of the file that it was in.
    """
    for block in _blocks(code, lines):
        try:
            tree = ast.parse(block)
            function = _function_in(tree, code.co_name)
            return function if function is not None and _compiles_to(tree, code) else None
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # It ends in the midst of a statement; or it belongs to another file, and so do all.
    return None


def _compiles_to(tree: ast.Module, code: CodeType) -> bool:
    own = "".join(code_text(code))
    if own in _compiled(tree, code):
        return True
    # A method of what a module has imported is called by other instructions than one of its own.
    names = [ast.alias(name=name) for name in _maybe_imported(code)]
    imports = ast.fix_missing_locations(ast.Import(names=names))
    return own in _compiled(ast.Module(body=[imports, *tree.body], type_ignores=[]), code)


def _compiled(tree: ast.Module, code: CodeType) -> Iterator[str]:
    """Yield what functions of that name compile to."""
    flags = code.co_flags & __future__.annotations.compiler_flag
    module = compile(tree, code.co_filename, "exec", flags, dont_inherit=True)
    return ("".join(code_text(each)) for each in _codes(module) if each.co_name == code.co_name)


def _maybe_imported(code: CodeType) -> set[str]:
    """Return the names in a function that its module may have imported: of others, methods are loaded as such."""
    names: set[str] = set()
    others: set[str] = set()
    for each in _codes(code):
        names.update(each.co_names, each.co_varnames, each.co_freevars)
        loaded = ""
        for instruction in dis.get_instructions(each):
            if _loads_method(instruction):
                others.add(loaded)
            loaded = _loaded_name(instruction)
    return {name for name in names - others if name.isidentifier()}


def _loaded_name(instruction: dis.Instruction) -> str:
    if not instruction.opname.startswith(("LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")):
        return ""
    # Newer versions of Python load two local variables at once.
    value: str | tuple[str, ...] = instruction.argval
    return value if isinstance(value, str) else value[-1]


def _loads_method(instruction: dis.Instruction) -> bool:
    if sys.version_info >= (3, 12):
        return instruction.opname == "LOAD_ATTR" and bool((instruction.arg or 0) & 1)
    return instruction.opname == "LOAD_METHOD"


def _blocks(code: CodeType, lines: Sequence[str]) -> Iterator[str]:
    """Yield what may be the source of a function: its lines up to one that is not indented deeper than the first.

    There are several such lines if one of them belongs to a string, or stands in brackets.
    """
    first = code.co_firstlineno - 1
    if not 0 <= first < len(lines):
        return
    indentation = lines[first][: -len(lines[first].lstrip())]
    # It is put into a block instead of dedented, which would change its multi-line strings.
    start = _surroundings(code) if indentation else ""
    found = 0
    for end in range(_last_line(code), len(lines)):
        line = lines[end]
        is_deeper = line.startswith(indentation) and line[len(indentation) :][:1].isspace()
        if is_deeper or line.lstrip()[:1] in ("", "#"):
            continue
        yield start + "".join(lines[first:end])
        found += 1
        if found == _MOST_BLOCKS:
            return
    yield start + "".join(lines[first:])


def _surroundings(code: CodeType) -> str:
    """Return the first lines of a block in which the indented source of a function compiles to the code that it has."""
    scope = code.co_qualname.rpartition(".")[0]
    kind = "" if scope.endswith("<locals>") else scope.rpartition(".")[2]
    if not code.co_flags & inspect.CO_NESTED:
        # In a class, names with two underscores stand for others, and super() means something.
        return f"class {kind}:\n" if kind else "if True:\n"
    # Outside of a function, free variables would be compiled as globals.
    variables = ", ".join(name for name in code.co_freevars if name != "__class__")
    return f"def {_OUTER}{code.co_name}({variables}):\n" + (f" class {kind}:\n" if kind else "")


def _last_line(code: CodeType) -> int:
    """Return the last line of a function that something was compiled of."""
    last = max((end for _, end, _, _ in code.co_positions() if end is not None), default=code.co_firstlineno)
    inner = [_last_line(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return max([last, *inner])


def _function_in(tree: ast.Module, name: str) -> Function | None:
    """Return the only statement of a block, or of the blocks that it was put into, if it is the function."""
    body = tree.body
    while True:
        match body:
            case [ast.If(body=inner) | ast.ClassDef(body=inner)]:
                body = inner
            case [ast.FunctionDef(name=outer, body=inner)] if outer == f"{_OUTER}{name}":
                body = inner
            case [ast.FunctionDef() | ast.AsyncFunctionDef() as statement] if statement.name == name:
                return statement
            case _:
                return None  # Such as a lambda, whose code belongs to the statement that it stands in.


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object, and those in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def code_text(code: CodeType, documentation: str | None = None) -> Iterator[str]:
    """Yield a text of a code object that holds no addresses and no line numbers."""
    yield code.co_name
    yield code.co_code.hex()
    yield repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags))
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    for place, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType):
            yield from code_text(constant)
        elif place or constant != documentation:
            yield constant_text(constant)


def constant_text(value: object) -> str:
    """Return a text of a constant; the order of a set differs from run to run."""
    if isinstance(value, tuple):
        return f"({','.join(map(constant_text, cast('tuple[object, ...]', value)))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(constant_text, cast('frozenset[object]', value))))}}}"
    return integer_text(value) if type(value) is int else repr(value)
