"""What an expression is, as far as that follows from the source. Nothing is run, and the work is bounded."""

from __future__ import annotations

import ast
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from cloacina.errors import InvalidOption, UndiscoverableTask
from cloacina.packaging.discovery import libraries
from cloacina.packaging.discovery.calculation import bounded_text, calculate, compare, printed
from cloacina.packaging.discovery.scopes import uses_of_module_names
from cloacina.packaging.discovery.usage import (
    READING_METHODS,
    describe_task_as_value,
    describe_task_use,
    is_called,
    is_reading,
)
from cloacina.packaging.discovery.values import (
    Collection,
    Constant,
    Known,
    LibraryModule,
    ProjectModule,
    Retry,
    Unknown,
    Value,
    is_same,
    may_be_task,
    truth,
)
from cloacina.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.packaging.discovery.problems import Problems
    from cloacina.packaging.discovery.scopes import ImportResolver, Use
    from cloacina.packaging.discovery.source import Source

_DEEPEST: Final = 60
_MOST_ITEMS: Final = 10_000
_KINDS: Final[Mapping[type[ast.expr], Literal["list", "tuple", "set"]]] = {
    ast.List: "list",
    ast.Tuple: "tuple",
    ast.Set: "set",
}


class Expressions:
    """What the expressions of one module are.

    Args:
        module: The module, whose names are looked up as they stand when an expression is asked for.
        source: Its source.
        problems: Takes what is wrong.
        resolve: Tells what imports inside of functions bind.
    """

    def __init__(self, module: ProjectModule, source: Source, problems: Problems, resolve: ImportResolver) -> None:
        self._module = module
        self._source = source
        self._problems = problems
        self._resolve = resolve
        self._depth = 0

    def value(self, node: ast.expr) -> Value:
        """Return what an expression is."""
        if self._depth >= _DEEPEST:
            return self._not_understood(node, "the expression is nested too deeply")
        self._depth += 1
        try:
            return self._value(node)
        finally:
            self._depth -= 1

    def look_up(self, name: str) -> Value:
        """Return what a name of the module stands for at this point."""
        known = self._module.names.get(name)
        if known is not None:
            return known
        if name == "__name__":
            return Constant(self._module.name)
        return Unknown(f"`{name}` is not known at this line")

    def callee(self, node: ast.expr) -> Value | None:
        """Return what a call calls when that is named, or None."""
        if not isinstance(node, ast.Call):
            return None
        base = node.func
        while isinstance(base, ast.Attribute):
            base = base.value
        return self.value(node.func) if isinstance(base, ast.Name) else None

    def follow_uses(self, node: ast.AST) -> bool:
        """Look at what a part of the source that is not understood does with what matters.

        A use of `task` that is no plain decorator is reported; a list that is not only read becomes unknown.

        Returns:
            Whether Cloacina is mentioned, so that the result may be its decorator.
        """
        uses = uses_of_module_names(node, self._resolve)
        is_mentioned = False
        # The first one is the cause, and reported alone, so that a factory of ten tasks is one problem.
        for use in sorted(uses.found, key=lambda use: (use.node.lineno, use.node.col_offset)):
            value = self._used(use)
            if value is Known.TASK:
                self._problems.add(
                    self._source.place(use.node),
                    UndiscoverableTask,
                    describe_task_use(use, self._source.snippet(use.node)),
                )
                return True
            if value is Known.WORKFLOW and not use.is_deferred and is_called(use):
                self._report_workflow(use.node)
                return True
            if isinstance(value, Collection) and value.kind != "tuple" and not is_reading(use):
                self._change(value, use)
            is_mentioned = is_mentioned or may_be_task(value)
        for name in uses.rebound:
            self._module.bind(name, Unknown(f"`{name}` is bound by := in an expression"))
        return is_mentioned

    def escape(self, value: Value, node: ast.expr) -> None:
        """Note that something is put where it cannot be followed."""
        self._check_operands((value, node))
        if isinstance(value, Collection) and value.kind != "tuple":
            value.changed_at = self._source.place(node)

    def _used(self, use: Use) -> Value:
        value = self.look_up(use.name) if use.local is None else use.local
        for attribute in use.attributes:
            if isinstance(value, Collection):
                return value
            value = attribute_of(value, attribute)
        return value

    def _change(self, collection: Collection, use: Use) -> None:
        collection.changed_at = self._source.place(use.node)
        # What a function does may have happened before, at any time; what stands in the module, only now.
        if use.is_deferred and collection.read_at is not None:
            self._problems.add(
                collection.read_at,
                UndiscoverableTask,
                f"this relies on the {collection.kind} `{use.name}`, which {use.container} may change at"
                f" {collection.changed_at}. Make it a tuple",
            )

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return Constant(node.value) if node.value is not ... else Unknown()
            case ast.Name():
                return self.look_up(node.id)
            case ast.Attribute():
                return self._attribute(node)
            case ast.JoinedStr():
                return self._joined_text(node)
            case ast.BinOp():
                return self._operation(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return self._and_or(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.List() | ast.Tuple() | ast.Set():
                return self._collection(node)
            case ast.Call():
                return self._call(node)
            case ast.NamedExpr():
                value = self.value(node.value)
                self._module.bind(node.target.id, value)
                return value
            case _:
                return self._not_understood(node)

    def _not_understood(self, node: ast.expr, reason: str = "") -> Unknown:
        is_mentioned = self.follow_uses(node)
        return Unknown(reason, may_be_task=is_mentioned)

    def _attribute(self, node: ast.Attribute) -> Value:
        base = self.value(node.value)
        if isinstance(base, Collection) and base.kind != "tuple" and node.attr not in READING_METHODS:
            base.changed_at = self._source.place(node)
        return attribute_of(base, node.attr)

    def _joined_text(self, node: ast.JoinedStr) -> Value:
        parts: list[str] = []
        for part in node.values:
            value = self.value(part.value if isinstance(part, ast.FormattedValue) else part)
            if isinstance(value, Unknown):
                return value
            braces = part if isinstance(part, ast.FormattedValue) else None
            text = printed(value.value, braces) if isinstance(value, Constant) else None
            if text is None:
                return Unknown("what a part of it in braces prints is not known")
            parts.append(text)
        return bounded_text("".join(parts))

    def _operation(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        self._check_operands((left, node.left), (right, node.right))
        return self.operation(node.op, left, right)

    def operation(self, sign: ast.operator, left: Value, right: Value) -> Value:
        """Return what an operation on two values gives."""
        for side in (left, right):
            if isinstance(side, Unknown):
                return side
        if isinstance(left, Constant) and isinstance(right, Constant):
            return calculate(sign, left.value, right.value)
        if not isinstance(left, Collection) or not isinstance(right, Collection):
            return Unknown()
        if changed := _changed(left) or _changed(right):
            return changed
        is_joining = isinstance(sign, ast.BitOr) if left.kind == "set" else isinstance(sign, ast.Add)
        if not is_joining or left.kind != right.kind or len(left.items) + len(right.items) > _MOST_ITEMS:
            return Unknown()
        return Collection(left.kind, (*left.items, *right.items), (left, right))

    def _check_operands(self, *operands: tuple[Value, ast.expr]) -> None:
        for value, node in operands:
            if value is Known.TASK:
                self._problems.add(
                    self._source.place(node), UndiscoverableTask, describe_task_as_value(self._source.snippet(node))
                )

    def _unary(self, node: ast.UnaryOp) -> Value:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            known = truth(operand)
            return Unknown(reason_of(operand)) if known is None else Constant(not known)
        if isinstance(operand, Constant) and isinstance(operand.value, int | float | timedelta):
            if isinstance(node.op, ast.USub):
                return Constant(-operand.value)
            if isinstance(node.op, ast.UAdd):
                return Constant(+operand.value)
        return operand if isinstance(operand, Unknown) else Unknown()

    def _and_or(self, node: ast.BoolOp) -> Value:
        decides = isinstance(node.op, ast.Or)
        value: Value = Unknown()
        for position, operand in enumerate(node.values):
            value = self.value(operand)
            self._check_operands((value, operand))
            known = truth(value)
            if known is None:
                for other in node.values[position + 1 :]:
                    self.follow_uses(other)
                return Unknown(reason_of(value), may_be_task=may_be_task(value))
            if known is decides:
                break
        return value

    def _comparison(self, node: ast.Compare) -> Value:
        operands = [self.value(operand) for operand in (node.left, *node.comparators)]
        for position, sign in enumerate(node.ops):
            left, right = operands[position], operands[position + 1]
            holds: bool | None = None
            if isinstance(left, Constant) and isinstance(right, Constant):
                holds = compare(sign, left.value, right.value)
            if holds is None:
                return Unknown(reason_of(left) or reason_of(right))
            if not holds:
                return Constant(value=False)
        return Constant(value=True)

    def _choice(self, node: ast.IfExp) -> Value:
        known = truth(test := self.value(node.test))
        if known is not None:
            return self.value(node.body if known else node.orelse)
        first, second = self.value(node.body), self.value(node.orelse)
        self._check_operands((first, node.body), (second, node.orelse))
        if is_same(first, second):
            return first
        return Unknown(reason_of(test), may_be_task=may_be_task(first) or may_be_task(second))

    def _collection(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        items: list[Value] = []
        sources: list[Collection] = []
        unknown: Unknown | None = None
        for element in node.elts:
            value = self.value(element.value if isinstance(element, ast.Starred) else element)
            if not isinstance(element, ast.Starred):
                self._check_operands((value, element))
                items.append(value)
            elif isinstance(value, Collection) and value.changed_at is None:
                items += value.items
                sources.append(value)
            else:
                unknown = unknown or Unknown(reason_of(value))
        if unknown is not None or len(items) > _MOST_ITEMS:
            return unknown or Unknown(f"it holds more than {_MOST_ITEMS:,} items")
        return Collection(_KINDS[type(node)], tuple(items), tuple(sources))

    def _call(self, node: ast.Call) -> Value:
        function = self.callee(node)
        if function is Known.RETRY_POLICY:
            return self._retry_policy(node)
        if function is Known.TIMEDELTA:
            return self._timedelta(node)
        if function is Known.WORKFLOW:
            self._report_workflow(node)
            return Unknown(is_reported=True)
        is_mentioned = self.follow_uses(node)
        if function is Known.TASK:
            return Unknown(is_reported=True)
        return Unknown(may_be_task=is_mentioned or (function is not None and may_be_task(function)))

    def _retry_policy(self, node: ast.Call) -> Value:
        arguments = [*zip(("attempts", "delay"), node.args, strict=False)]
        arguments += [(keyword.arg or "**", keyword.value) for keyword in node.keywords]
        known: dict[str, Any] = {}
        for name, argument in arguments:
            value = self.value(argument)
            if name == "**" or isinstance(argument, ast.Starred):
                return Unknown("its arguments are not written out")
            if isinstance(value, Constant):
                known[name] = value.value
            elif name == "attempts":
                return Unknown(reason_of(value) or f"`{self._source.snippet(argument)}` is computed")
        try:
            # The engine's own checks, of what is known.
            return Retry(RetryPolicy(**known).attempts)
        except (InvalidOption, TypeError) as error:
            text = error.message if isinstance(error, InvalidOption) else f"{error}. See RetryPolicy for what it takes"
            self._problems.add(self._source.place(node), InvalidOption, text)
            return Unknown(is_reported=True)

    def _timedelta(self, node: ast.Call) -> Value:
        given = [self.value(argument) for argument in node.args]
        named = {keyword.arg or "**": self.value(keyword.value) for keyword in node.keywords}
        for value in (*given, *named.values()):
            if not isinstance(value, Constant):
                return Unknown(reason_of(value))
        constants: list[Any] = [value.value for value in given if isinstance(value, Constant)]
        keywords: dict[str, Any] = {name: value.value for name, value in named.items() if isinstance(value, Constant)}
        try:
            return Constant(timedelta(*constants, **keywords))
        except (TypeError, ValueError, OverflowError) as error:
            return Unknown(f"timedelta refuses its arguments: {error}")

    def _report_workflow(self, node: ast.expr) -> None:
        self._problems.add(
            self._source.place(node),
            UndiscoverableTask,
            "a Workflow is made inside of an expression, so its tasks are known only by running the code. Give it a"
            " statement of its own: `with Workflow('name') as workflow:`, or workflow = Workflow('name', tasks=[...])",
        )


def attribute_of(value: Value, name: str) -> Value:
    """Return what an attribute of a value is."""
    match value:
        case LibraryModule():
            return libraries.attribute(value, name)
        case ProjectModule():
            return value.names.get(name) or Unknown(f"`{name}` is not known in {value.name} at this point")
        case Unknown():
            return value
        case _:
            return Unknown()


def reason_of(value: Value) -> str:
    """Return why a value is not known, or is not of use."""
    if isinstance(value, Collection) and value.changed_at is not None:
        return f"the {value.kind} may have been changed at {value.changed_at}; a tuple cannot be"
    return value.reason if isinstance(value, Unknown) else ""


def _changed(value: Value) -> Unknown | None:
    return Unknown(reason_of(value)) if isinstance(value, Collection) and value.changed_at is not None else None
