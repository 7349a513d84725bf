"""Statements whose parts run never, once or often: `if`, `try`, loops, `match`, and `with` blocks that may be left."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, Protocol

from cloacina.packaging.discovery.scopes import bound_names
from cloacina.packaging.discovery.values import Unknown, Value, is_same, may_be_task, truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloacina.packaging.discovery.world import Reading

_OUTSIDE: Final = "Declare it outside of that, at the top level of a module"
_EVERYWHERE: Final = (
    "A package has the same tasks on every machine: declare the task without a condition, and put the condition into"
    " its body"
)


class StatementRunner(Protocol):
    """Reads statements in order."""

    def run(self, body: Iterable[ast.stmt]) -> bool:
        """Read statements; return whether what stands behind them runs."""
        ...

    def assign(self, target: ast.expr, value: Value, node: ast.expr | None) -> None:
        """Give a target a value."""
        ...


def run_if(runner: StatementRunner, reading: Reading, node: ast.If) -> bool:
    """Read the branch that runs, or each that may."""
    possible: list[Sequence[ast.stmt]] = []
    rest: Sequence[ast.stmt] = [node]
    # A chain of elif is nested as deeply as it is long.
    while len(rest) == 1 and isinstance(branch := rest[0], ast.If):
        known = truth(reading.expressions.value(branch.test))
        if known is not False:
            possible.append(branch.body)
        rest = () if known else branch.orelse
        if known:
            break
    else:
        possible.append(rest)
    if len(possible) == 1:
        return runner.run(possible[0])
    with reading.uncertain("the `if`", node, _EVERYWHERE, with_imports=True):
        return _run_each(runner, reading, possible)


def run_match(runner: StatementRunner, reading: Reading, node: ast.Match) -> bool:
    """Read each case."""
    reading.expressions.value(node.subject)
    _forget(reading, bound_names(case.pattern for case in node.cases), node, "the `match`")
    for case in node.cases:
        if case.guard is not None:
            reading.expressions.value(case.guard)
    with reading.uncertain("the `match`", node, _EVERYWHERE, with_imports=True):
        return _run_each(runner, reading, [*(case.body for case in node.cases), []])


def run_loop(runner: StatementRunner, reading: Reading, node: ast.For | ast.AsyncFor | ast.While) -> None:
    """Read the body of a loop once, not knowing what it binds."""
    what = "the `while` loop" if isinstance(node, ast.While) else "the `for` loop"
    reading.expressions.value(node.test if isinstance(node, ast.While) else node.iter)
    names = bound_names([node])
    before = {name: reading.module.names.get(name, Unknown()) for name in names}
    _forget(reading, names, node, what)
    if not isinstance(node, ast.While):
        runner.assign(node.target, Unknown(f"{what} of line {node.lineno} sets it"), None)
    with reading.uncertain(what, node, "Write each task out", with_imports=True):
        runner.run(node.body)
        runner.run(node.orelse)
    for name, value in before.items():
        # After no round at all, a name is what it was before.
        if may_be_task(value):
            reading.module.bind(name, Unknown(may_be_task=True))
    _forget(reading, names, node, what)


def run_try(runner: StatementRunner, reading: Reading, node: ast.Try | ast.TryStar) -> bool:
    """Read the body, which is taken to succeed, and the handlers, which may run or not.

    A task that is declared directly in the body is in doubt, because what stands before it may fail. A module that is
    imported there counts as imported, so that an optional import does not hide its tasks.
    """
    before = dict(reading.module.names)
    ends: list[Mapping[str, Value]] = []
    goes_on = _run_body_of_try(runner, reading, node)
    after = reading.module.names
    if goes_on:
        reading.module.names = dict(after)
        if runner.run(node.orelse):
            ends.append(reading.module.names)
    if not _imports_cloacina_only(node.body):
        between = _merged([before, after], "a `try`", node)
        for handler in node.handlers:
            reading.module.names = dict(between)
            if handler.type is not None:
                reading.expressions.value(handler.type)
            if handler.name is not None:
                reading.module.bind(handler.name, Unknown())
            with reading.uncertain("the `except`", handler, _EVERYWHERE, with_imports=True):
                if runner.run(handler.body):
                    ends.append(reading.module.names)
    reading.module.names = _merged(ends, "a `try`", node) if ends else dict(after)
    return runner.run(node.finalbody) and bool(ends)


def run_suppressible(runner: StatementRunner, reading: Reading, node: ast.With | ast.AsyncWith) -> None:
    """Read the body of a `with` block that may be left by an exception which its context manager keeps."""
    before = dict(reading.module.names)
    runner.run(node.body)
    after = reading.module.names
    reading.module.names = _merged([before, after], "a `with` block", node)


def _run_body_of_try(runner: StatementRunner, reading: Reading, node: ast.Try | ast.TryStar) -> bool:
    goes_on_after_failure = any(not isinstance(handler.body[-1], ast.Raise) for handler in node.handlers)
    if not goes_on_after_failure:
        return runner.run(node.body)
    with reading.uncertain("the `try`", node, _OUTSIDE, with_imports=False):
        return runner.run(node.body)


def _imports_cloacina_only(body: Iterable[ast.stmt]) -> bool:
    """Return whether statements cannot fail, because a package's worker always has Cloacina."""
    return all(
        isinstance(statement, ast.ImportFrom)
        and not statement.level
        and (statement.module or "").partition(".")[0] == "cloacina"
        for statement in body
    )


def _run_each(runner: StatementRunner, reading: Reading, bodies: Sequence[Sequence[ast.stmt]]) -> bool:
    """Read bodies of which one runs, each from the same state, and join the states behind them."""
    before = reading.module.names
    ends: list[Mapping[str, Value]] = []
    for body in bodies:
        reading.module.names = dict(before)
        if runner.run(body):
            ends.append(reading.module.names)
    first = bodies[0][0] if bodies[0] else None
    reading.module.names = _merged(ends, "a branch", first) if ends else dict(before)
    return bool(ends)


def _merged(ends: Sequence[Mapping[str, Value]], what: str, node: ast.stmt | None) -> dict[str, Value]:
    """Return the names behind several ways, one of which is taken: what differs is not known."""
    merged = dict(ends[0])
    where = f" at line {node.lineno}" if node is not None else ""
    for other in ends[1:]:
        for name, value in other.items():
            mine = merged.setdefault(name, value)
            if not is_same(mine, value):
                is_task = may_be_task(mine) or may_be_task(value)
                merged[name] = Unknown(f"`{name}` depends on {what}{where}", may_be_task=is_task)
    return merged


def _forget(reading: Reading, names: Iterable[str], node: ast.stmt, what: str) -> None:
    for name in names:
        before = reading.module.names.get(name, Unknown())
        reason = f"{what} of line {node.lineno} binds `{name}`"
        reading.module.bind(name, Unknown(reason, may_be_task=may_be_task(before)))
