"""Reads the statements of a module in the order in which Python would run them, without running them."""

from __future__ import annotations

import ast
import unicodedata
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from cloacina.packaging.discovery import branches, imports, workflows
from cloacina.packaging.discovery.expressions import reason_of
from cloacina.packaging.discovery.tasks import read_class, read_function
from cloacina.packaging.discovery.values import (
    Collection,
    Constant,
    DeclaredWorkflow,
    Known,
    LibraryModule,
    ProjectModule,
    Unknown,
    Value,
    may_be_task,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloacina.packaging.discovery.source import Place
    from cloacina.packaging.discovery.world import Reading

_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class ModuleReader:
    """Reads one module.

    Args:
        reading: The module, and what has been found so far.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._module = reading.module
        self._expressions = reading.expressions
        self._bodies: list[ast.stmt] = []

    def read(self) -> None:
        """Read all of it."""
        self._module.volatile = _names_bound_by_functions(self._reading)
        self.run(self._reading.source.tree.body)
        self._look_into_bodies()

    def run(self, body: Iterable[ast.stmt]) -> bool:
        """Read statements; return whether what stands behind them runs."""
        return all(self._statement(statement) for statement in body)

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._module.bind(node.name, read_function(self._reading, node))
                self._bodies.append(node)
            case ast.ClassDef():
                read_class(self._reading, node)
                imports.run_imports_of_class(self._reading, node)
                self._module.bind(node.name, Unknown(f"`{node.name}` is a class"))
                self._bodies.append(node)
            case ast.Import():
                imports.run_import(self._reading, node)
            case ast.ImportFrom():
                imports.run_import_from(self._reading, node)
            case ast.Assign():
                value = workflows.value_of_statement(self._reading, node.value)
                for target in node.targets:
                    self.assign(target, value, node.value)
            case ast.AnnAssign():
                if node.value is not None:
                    value = workflows.value_of_statement(self._reading, node.value)
                    self.assign(node.target, value, node.value)
            case ast.AugAssign():
                self._change(node)
            case ast.Expr():
                workflows.value_of_statement(self._reading, node.value)
            case ast.If():
                return branches.run_if(self, self._reading, node)
            case ast.Try() | ast.TryStar():
                return branches.run_try(self, self._reading, node)
            case ast.For() | ast.AsyncFor() | ast.While():
                branches.run_loop(self, self._reading, node)
            case ast.With() | ast.AsyncWith():
                return self._with(node)
            case ast.Match():
                return branches.run_match(self, self._reading, node)
            case ast.Delete():
                self._delete(node)
            case ast.Raise():
                return False
            case _:
                self._expressions.follow_uses(node)
        return True

    def assign(self, target: ast.expr, value: Value, node: ast.expr | None) -> None:
        """Give a target a value.

        Args:
            target: What stands on the left.
            value: The value.
            node: The expression that it comes from, if one.
        """
        match target:
            case ast.Name():
                self._module.bind(target.id, value)
            case ast.Tuple() | ast.List():
                self._unpack(target.elts, value)
            case ast.Starred():
                self.assign(target.value, Unknown(), None)
            case _:
                self._expressions.follow_uses(target)
                if node is not None and not isinstance(value, Constant):
                    self._expressions.escape(value, node)
                if isinstance(target, ast.Attribute):
                    self._set_attribute(target, value)

    def _unpack(self, targets: Sequence[ast.expr], value: Value) -> None:
        is_plain = not any(isinstance(target, ast.Starred) for target in targets)
        items: Sequence[Value] = ()
        if isinstance(value, Collection) and value.kind != "set" and value.changed_at is None:
            items = value.items
        if is_plain and len(targets) == len(items):
            for target, item in zip(targets, items, strict=True):
                self.assign(target, item, None)
            return
        for target in targets:
            self.assign(target, Unknown(reason_of(value), may_be_task=may_be_task(value)), None)

    def _set_attribute(self, target: ast.Attribute, value: Value) -> None:
        owner = self._expressions.value(target.value)
        if isinstance(owner, ProjectModule):
            reason = f"`{target.attr}` of {owner.name} is set at {self._reading.source.place(target)}"
            before = owner.names.get(target.attr, value)
            is_task = may_be_task(value) or may_be_task(before)
            owner.bind(target.attr, Unknown(reason, may_be_task=is_task))

    def _change(self, node: ast.AugAssign) -> None:
        value = self._expressions.value(node.value)
        if not isinstance(node.target, ast.Name):
            self._expressions.follow_uses(node.target)
            return
        before = self._expressions.look_up(node.target.id)
        if isinstance(before, Collection) and isinstance(value, Collection) and before.kind == "list":
            # += takes any collection, where + takes lists alone.
            value = Collection("list", value.items, (value,), value.changed_at)
        after = self._expressions.operation(node.op, before, value)
        if isinstance(before, Collection) and before.kind != "tuple":
            before.changed_at = self._reading.source.place(node)
        self._module.bind(node.target.id, after)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._module.names.pop(target.id, None)
            else:
                self._expressions.follow_uses(target)

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        opened = 0
        is_suppressing = False
        for item in node.items:
            value = workflows.value_of_statement(self._reading, item.context_expr)
            if isinstance(value, DeclaredWorkflow):
                workflows.enter(self._reading, item.context_expr, value)
                opened += 1
            else:
                is_suppressing = True
                value = Unknown(
                    "it comes from a context manager", is_reported=isinstance(value, Unknown) and value.is_reported
                )
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, None)
        goes_on = True
        if is_suppressing:
            branches.run_suppressible(self, self._reading, node)
        else:
            goes_on = self.run(node.body)
        for _ in range(opened):
            self._reading.world.open_workflows.pop()
        return goes_on

    def _look_into_bodies(self) -> None:
        """Look for tasks in functions and classes, and for functions that change lists.

        To walk through all of them would take longer than to parse them, so only those are walked through in which a
        name is written that matters.
        """
        if not self._bodies:
            return
        lines = self._lines_with(self._names_that_matter())
        for node in self._bodies:
            at = bisect_left(lines, node.lineno)
            if at < len(lines) and lines[at] <= (node.end_lineno or node.lineno):
                self._expressions.follow_uses(node)

    def _names_that_matter(self) -> set[str]:
        names = {
            name
            for name, value in self._module.names.items()
            if value in (Known.TASK, Known.WORKFLOW) or (isinstance(value, Collection) and value.kind != "tuple")
        }
        is_ours = (isinstance(value, LibraryModule) and may_be_task(value) for value in self._module.names.values())
        if "cloacina" in self._reading.source.text or any(is_ours):
            names |= {Known.TASK.value, Known.WORKFLOW.value}
        return names

    def _lines_with(self, names: set[str]) -> list[int]:
        """Return the numbers of the lines in which one of the names is written, in order."""
        text = self._reading.source.text
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)  # as the parser does with names
        found: set[int] = set()
        for name in names:
            line, counted = 1, 0
            at = text.find(name)
            while at >= 0:
                line += text.count("\n", counted, at)
                counted = at
                found.add(line)
                at = text.find(name, at + len(name))
        return sorted(found)


def _names_bound_by_functions(reading: Reading) -> dict[str, Place]:
    """Return the names that functions declare `global`, each with the place: calls may bind them at any time."""
    if "global" not in reading.source.text:
        return {}
    return {
        name: reading.source.place(node)
        for node in ast.walk(reading.source.tree)
        if isinstance(node, ast.Global)
        for name in node.names
    }
