"""What is found while the modules of a project are read, in the order in which Python would run them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloacina.errors import UndiscoverableTask
from cloacina.packaging.discovery.problems import Problems
from cloacina.packaging.discovery.values import DeclaredTask, DeclaredWorkflow, ProjectModule

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Generator

    from cloacina.errors import CloacinaError
    from cloacina.packaging.discovery.expressions import Expressions
    from cloacina.packaging.discovery.source import Place, Source


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """A part of a module that runs never, once or often, as only running the code tells.

    Attributes:
        what: What it is, as words: "the `for` loop".
        place: Where it begins.
        mend: What to do instead.
    """

    what: str
    place: Place
    mend: str


@dataclass(slots=True)
class World:
    """What the modules that were read so far have declared.

    Attributes:
        load: Reads a module of the project, once, and those above it; None when the project does not hold it.
        modules: The modules that were begun, by name.
        problems: What is wrong.
        tasks: The tasks, in the order of their declaration.
        workflows: The workflows, in order.
        open_workflows: Those whose `with` block is being read, the innermost last.
        uncertainties: Those around what is being read, the innermost last.
    """

    load: Callable[[str], ProjectModule | None]
    modules: dict[str, ProjectModule] = field(default_factory=dict[str, ProjectModule])
    problems: Problems = field(default_factory=Problems)
    tasks: list[DeclaredTask] = field(default_factory=list[DeclaredTask])
    workflows: list[DeclaredWorkflow] = field(default_factory=list[DeclaredWorkflow])
    open_workflows: list[DeclaredWorkflow] = field(default_factory=list[DeclaredWorkflow])
    uncertainties: list[Uncertainty] = field(default_factory=list[Uncertainty])


@dataclass(slots=True)
class Reading:
    """A module that is being read.

    Attributes:
        module: The module.
        source: Its source.
        world: What has been found so far.
        expressions: What its expressions are.
        uncertainties: Those around what is being read that do not extend to what it imports, the innermost last.
    """

    module: ProjectModule
    source: Source
    world: World
    expressions: Expressions
    uncertainties: list[Uncertainty] = field(default_factory=list[Uncertainty])

    def report(self, node: ast.expr | ast.stmt, kind: type[CloacinaError], message: str) -> None:
        """Take a problem at a part of the syntax tree."""
        self.world.problems.add(self.source.place(node), kind, message)

    @contextmanager
    def uncertain(
        self, what: str, node: ast.stmt | ast.excepthandler, mend: str, *, with_imports: bool
    ) -> Generator[None]:
        """Read what may run or not.

        Args:
            what: What it is, as words: "the `for` loop".
            node: The statement.
            mend: What to do instead.
            with_imports: Whether what modules declare that are imported there is in doubt too.
        """
        around = self.world.uncertainties if with_imports else self.uncertainties
        around.append(Uncertainty(what, self.source.place(node), mend))
        try:
            yield
        finally:
            around.pop()

    def is_certain(self, what: str, node: ast.stmt | ast.expr) -> bool:
        """Return whether a declaration is made exactly once; report it otherwise.

        Args:
            what: What is declared, as words: "the task load()".
            node: The declaration.
        """
        around = [*self.world.uncertainties, *self.uncertainties]
        if not around:
            return True
        inner = around[-1]
        if inner.place.file == self.source.file:
            where = f"stands under {inner.what} of line {inner.place.line}"
        else:
            where = f"is in a module that is imported under {inner.what} at {inner.place}"
        self.report(
            node,
            UndiscoverableTask,
            f"{what} {where}, so whether it is there, and how often, is known only by running the code. {inner.mend}",
        )
        return False
