"""Where a part of the source uses the names of its module, as opposed to local ones of the same spelling."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloacina.packaging.discovery.values import Value

ImportResolver: TypeAlias = "Callable[[ast.Import | ast.ImportFrom, ast.alias], Value | None]"
"""Returns what an import inside of a function binds, or None when that is of no interest."""

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a name of the module, with the attributes that follow it.

    Attributes:
        name: The name.
        attributes: What follows it: `("task",)` in `cloacina.task`.
        node: The whole of it.
        parent: What it is a part of.
        container: The innermost function, class, lambda or comprehension around it, as words; empty without one.
        is_deferred: Whether it runs when a function is called, and not when the module is imported.
        local: What a local import has bound the name to, if one has.
    """

    name: str
    attributes: tuple[str, ...]
    node: ast.expr
    parent: ast.AST
    container: str
    is_deferred: bool
    local: Value | None


@dataclass(frozen=True, slots=True)
class _Scope:
    """The names that a function, lambda, class or comprehension binds itself; None stands for any local value."""

    names: dict[str, Value | None]
    above: _Scope | None = None
    is_class: bool = False
    is_comprehension: bool = False
    module_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Position:
    """A node that is still to be looked at, and where it stands."""

    node: ast.AST
    parent: ast.AST
    scope: _Scope | None
    container: str
    is_deferred: bool


@dataclass(slots=True)
class Uses:
    """What a part of the source does with names of its module.

    Attributes:
        found: The uses, in no particular order.
        rebound: The names that `:=` binds in the module's own scope.
    """

    found: list[Use] = field(default_factory=list["Use"])
    rebound: list[str] = field(default_factory=list[str])


def uses_of_module_names(node: ast.AST, resolve: ImportResolver) -> Uses:
    """Find all uses of module names in a statement or expression. Annotations and decorators of `node` do not count.

    Args:
        node: The statement or expression. Its names that no scope in it binds are the module's.
        resolve: Tells what imports inside of functions bind.
    """
    uses = Uses()
    # A list in place of recursion: source may be nested deeper than Python's own calls.
    pending: list[_Position] = []
    start = _Position(node, node, None, "", is_deferred=False)
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        _enter_definition(start, pending, resolve)
    else:
        pending.append(start)
    while pending:
        at = pending.pop()
        match at.node:
            case ast.Name() | ast.Attribute():
                _add_use(at, uses, pending)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pending += [_inside(at, decorator) for decorator in at.node.decorator_list]
                _enter_definition(at, pending, resolve)
            case ast.Lambda():
                pending += [_inside(at, default) for default in _defaults(at.node.args)]
                scope = _Scope(dict.fromkeys(_parameters(at.node.args)), at.scope)
                pending.append(_Position(at.node.body, at.node, scope, "a lambda", is_deferred=True))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                _enter_comprehension(at, at.node, pending)
            case ast.AnnAssign():
                pending += [_inside(at, part) for part in (at.node.target, at.node.value) if part is not None]
            case _:
                if isinstance(at.node, ast.NamedExpr) and _binds_in_module(at.scope):
                    uses.rebound.append(at.node.target.id)
                pending += [_inside(at, child) for child in ast.iter_child_nodes(at.node)]
    return uses


def bound_names(body: Iterable[ast.AST]) -> set[str]:
    """Return the names that statements bind in the scope that they stand in."""
    return set(_bindings(body, _no_value))


def _no_value(_node: ast.Import | ast.ImportFrom, _alias: ast.alias) -> None:
    return None


def _inside(at: _Position, child: ast.AST) -> _Position:
    return _Position(child, at.node, at.scope, at.container, at.is_deferred)


def _add_use(at: _Position, uses: Uses, pending: list[_Position]) -> None:
    attributes: list[str] = []
    base = node = at.node
    while isinstance(base, ast.Attribute):
        attributes.append(base.attr)
        node, base = base, base.value
    if not isinstance(base, ast.Name):
        pending.append(_Position(base, node, at.scope, at.container, at.is_deferred))
        return
    if isinstance(at.node, ast.Name) and not isinstance(at.node.ctx, ast.Load):
        return
    is_local, value = _look_up(base.id, at.scope)
    if not is_local or value is not None:
        dotted = tuple(reversed(attributes))
        node = at.node if isinstance(at.node, ast.expr) else base
        uses.found.append(Use(base.id, dotted, node, at.parent, at.container, at.is_deferred, value))


def _look_up(name: str, scope: _Scope | None) -> tuple[bool, Value | None]:
    """Return whether a name is local, and what a local import has bound it to."""
    is_first = True
    while scope is not None:
        if name in scope.module_names:
            return False, None
        # The functions inside of a class do not see its names.
        if name in scope.names and (is_first or not scope.is_class):
            return True, scope.names[name]
        scope, is_first = scope.above, False
    return False, None


def _binds_in_module(scope: _Scope | None) -> bool:
    """Return whether `:=` binds a name of the module: it does so through comprehensions."""
    while scope is not None and scope.is_comprehension:
        scope = scope.above
    return scope is None


def _enter_definition(at: _Position, pending: list[_Position], resolve: ImportResolver) -> None:
    node = at.node
    if isinstance(node, ast.ClassDef):
        pending += [_inside(at, base) for base in node.bases]
        pending += [_inside(at, keyword.value) for keyword in node.keywords]
        scope = _Scope(_bindings(node.body, resolve), at.scope, is_class=True)
        container, is_deferred = f"the class {node.name}", at.is_deferred
    elif isinstance(node, _FUNCTIONS):
        pending += [_inside(at, default) for default in _defaults(node.args)]
        names = _bindings(node.body, resolve)
        module_names = _module_names(node)
        names |= dict.fromkeys(_parameters(node.args))
        scope = _Scope(names, at.scope, module_names=module_names)
        container, is_deferred = f"the function {node.name}()", True
    else:
        raise TypeError(f"{type(node).__name__} is no definition")
    pending += [_Position(statement, node, scope, container, is_deferred) for statement in node.body]


def _enter_comprehension(at: _Position, node: _Comprehension, pending: list[_Position]) -> None:
    bound = _bindings([generator.target for generator in node.generators], _no_value)
    scope = _Scope(dict(bound), at.scope, is_comprehension=True)
    for number, generator in enumerate(node.generators):
        outside = _Position(generator.iter, generator, at.scope, at.container, at.is_deferred)
        inside = _Position(generator.iter, generator, scope, "a comprehension", at.is_deferred)
        pending.append(inside if number else outside)
        pending += [_Position(test, generator, scope, "a comprehension", at.is_deferred) for test in generator.ifs]
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    pending += [_Position(part, node, scope, "a comprehension", at.is_deferred) for part in made]


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


def _parameters(arguments: ast.arguments) -> list[str]:
    variadic = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *variadic)]


def _module_names(function: _Function) -> frozenset[str]:
    """Return the names that a function declares `global`."""
    if not any(isinstance(node, ast.Global) for node in _own_nodes(function.body)):
        return frozenset()
    return frozenset(name for node in _own_nodes(function.body) if isinstance(node, ast.Global) for name in node.names)


def _bindings(body: Iterable[ast.AST], resolve: ImportResolver) -> dict[str, Value | None]:
    """Return the names that statements bind in their own scope, and what imports bind them to."""
    names: dict[str, Value | None] = {}
    for node in _own_nodes(body):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.setdefault(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.setdefault(name)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    names[alias.asname or alias.name.partition(".")[0]] = resolve(node, alias)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.setdefault(name)
            case ast.MatchMapping(rest=str(name)):
                names.setdefault(name)
            case _:
                pass
    return names


def _own_nodes(body: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """Yield the nodes of statements without what is in the functions and classes among them."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            # Only `:=` binds through a comprehension.
            pending += [inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
        elif not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)
