"""What is known about a value without running the code that makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.packaging.discovery.source import Place

Scalar: TypeAlias = str | bytes | int | float | complex | bool | timedelta | None


class Known(Enum):
    """What of Cloacina, or of the standard library, is understood."""

    TASK = "task"
    WORKFLOW = "Workflow"
    RETRY_POLICY = "RetryPolicy"
    TIMEDELTA = "timedelta"


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that cannot change."""

    value: Scalar


@dataclass(slots=True, eq=False)
class Collection:
    """A list, tuple or set of values.

    Attributes:
        kind: Which of them.
        items: What is in it.
        sources: The lists and sets that items were taken from.
        changed_at: Where something else is done with it than to read it, so that the items may have become others.
        read_at: Where a declaration relies on the items.
    """

    kind: Literal["list", "tuple", "set"]
    items: tuple[Value, ...]
    sources: tuple[Collection, ...] = ()
    changed_at: Place | None = None
    read_at: Place | None = None

    def rely_on(self, place: Place) -> None:
        """Note that a declaration relies on the items, and on those of the sources."""
        pending: list[Collection] = [self]
        while pending:
            collection = pending.pop()
            if collection.read_at is None:
                collection.read_at = place
                pending += collection.sources


@dataclass(frozen=True, slots=True)
class Retry:
    """A `RetryPolicy`.

    Attributes:
        attempts: How often a task is attempted in all.
    """

    attempts: int


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the project that is no task.

    Attributes:
        name: Its name.
        renames_at: Where the function is that it returns, as a decorator, under another name than the decorated one's.
        product_renames_at: The same of the decorator that it makes.
    """

    name: str
    renames_at: Place | None = None
    product_renames_at: Place | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LibraryModule:
    """A module that is not the project's."""

    name: str


@dataclass(slots=True, eq=False)
class ProjectModule:
    """A module of the project.

    Attributes:
        name: Its name, with dots.
        is_package: Whether other modules can be in it.
        is_read: Whether it has a source that was read; a namespace package has none.
        names: What its names stand for, at this point of reading.
        volatile: The names that a function of it may bind again, and where that is.
    """

    name: str
    is_package: bool
    is_read: bool = False
    names: dict[str, Value] = field(default_factory=dict[str, "Value"])
    volatile: Mapping[str, Place] = field(default_factory=dict[str, "Place"])

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def bind(self, name: str, value: Value) -> None:
        """Give a name a value."""
        if (place := self.volatile.get(name)) is not None:
            value = Unknown(f"a function binds `{name}` again at {place}", may_be_task=may_be_task(value))
        self.names[name] = value


@dataclass(slots=True, eq=False)
class DeclaredWorkflow:
    """A `Workflow(...)`.

    Attributes:
        name: Its name.
        place: Where it is made.
        tasks: Its tasks, in order.
        is_complete: Whether it has its tasks, from `tasks=[...]` or a `with` block that was entered.
    """

    name: str
    place: Place
    tasks: list[DeclaredTask] = field(default_factory=list["DeclaredTask"])
    is_complete: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredTask:
    """A function with `@task`.

    Attributes:
        id: The id.
        id_place: Where the id is written, or the function that it is the name of.
        module: The module that declares it.
        name: The function's name.
        dependencies: The ids of the tasks it depends on, each with the place that says so.
        description: What it is for.
        retries: How often a failed attempt is followed by another, at most.
        timeout: Seconds.
        place: Where the function is declared.
        workflow: The workflow whose `with` block it is declared in.
    """

    id: str
    id_place: Place
    module: str
    name: str
    dependencies: Mapping[str, Place]
    description: str | None
    retries: int
    timeout: float | None
    place: Place
    workflow: DeclaredWorkflow | None


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A value that only running the code tells.

    Attributes:
        reason: Why, as a clause without a full stop; empty when the expression itself says enough.
        may_be_task: Whether it may be Cloacina's `task`, so that it must not be taken for somebody else's decorator.
        is_reported: Whether there is a problem already that explains it.
    """

    reason: str = ""
    may_be_task: bool = False
    is_reported: bool = False


Value: TypeAlias = (
    Known
    | Constant
    | Collection
    | Retry
    | Function
    | LibraryModule
    | ProjectModule
    | DeclaredWorkflow
    | DeclaredTask
    | Unknown
)


def may_be_task(value: Value) -> bool:
    """Return whether a value is, holds or may be Cloacina's `task`."""
    match value:
        case Known():
            return value is Known.TASK
        case LibraryModule(name=name):
            return name == "cloacina" or name.startswith("cloacina.")
        case Unknown():
            return value.may_be_task
        case _:
            return False


def is_same(first: Value, second: Value) -> bool:
    """Return whether two values are certainly the same one."""
    if isinstance(first, Constant) and isinstance(second, Constant):
        return type(first.value) is type(second.value) and first.value == second.value
    if isinstance(first, LibraryModule) and isinstance(second, LibraryModule):
        return first.name == second.name
    return first is second or (isinstance(first, Retry) and first == second)


def truth(value: Value) -> bool | None:
    """Return whether a value counts as true; None when that is not known."""
    match value:
        case Constant():
            return bool(value.value)
        case Collection():
            return None if value.changed_at else bool(value.items)
        case Unknown():
            return None
        case _:
            return True
