"""`Workflow`: a named DAG of tasks, checked when it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from cloacina.errors import DefinitionError, InvalidOption
from cloacina.graph import WorkflowGraph, build_graph
from cloacina.secret_fields import MEND, unwritable_fields
from cloacina.source_version import task_version, workflow_version
from cloacina.task import TaskDefinition, check_name, collector, task_definition

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

__all__ = ["Merge", "OnChange", "Resolve", "Workflow", "WorkflowGraph", "task_version"]

Resolve: TypeAlias = Callable[[list[Any]], Any]
"""Makes one value of those that tasks wrote to one key, which come in the declared topological order."""

Merge: TypeAlias = Literal["fail", "last"] | Mapping[str, Resolve]
"""What becomes of a key to which several tasks, neither the other's ancestor, wrote different values."""

OnChange: TypeAlias = Literal["match", "fail", "restart"]
"""What becomes of a task that has stored answers when it is taken up with other code than it had."""

_LONGEST_VERSION: Final = 128


class Workflow:
    """A named, checked DAG of tasks.

    Declare the tasks inside of its `with` block, or pass them. The workflow is checked when it is built: when the block
    ends, or in the constructor when tasks are passed. From then on it does not change, and can be run by any number of
    runners. Blocks nest: a task belongs to the innermost.

    Args:
        name: 1 to 128 letters, digits, `_`, `-` and `.`, the first a letter or `_`.
        tasks: Functions with `@task`. A function may belong to several workflows.
        version: What to call this version of the workflow, instead of a hash of its source.
        description: What the workflow is for.
        merge: What becomes of a key to which several tasks, neither the other's ancestor, wrote different values.
            `"fail"`: the task that joins them fails. `"last"`: the last in the declared topological order stands.
            A mapping: for the keys in it, the function makes one value of the list of values; others fail. It is called
            in a thread, and not for an execution that was cancelled.
        on_change: What becomes of a task that is taken up after its process died, or retried, when it has stored
            answers (signals, answers of people, checkpoints, named waits, times) and its code has changed. `"match"`:
            it goes on, and answers are matched by name; that is told as an event and a warning. `"fail"`: it fails
            with `WorkflowChanged`, its answers kept. `"restart"`: its answers are dropped and it begins anew, in the
            same attempt; signals that it had used up are there again, and people are asked once more.
        input: A pydantic model that the initial context has to satisfy. What it fills in or converts becomes part of
            the context, as JSON; so it may hold no `SecretStr`.

    Raises:
        InvalidName: The name is not usable.
        InvalidOption: Another argument is not usable, or a field of the input model cannot be stored.
        InvalidTask: Something in `tasks` is not a task.
        DuplicateTask: Two tasks have the same id.
        UnknownDependency: A task depends on one that the workflow does not hold.
        DependencyCycle: Tasks depend on each other in a circle.
        EmptyWorkflow: There is no task.

    Example:
        ```python
        from cloacina import Context, Workflow, task

        with Workflow("greeting") as greeting:

            @task
            def ask(context: Context) -> None:
                context["name"] = "Ada"

            @task(dependencies=[ask])
            def greet(context: Context) -> None:
                context["text"] = f"Hello, {context['name']}"


        print(list(greeting.tasks))
        #> ['ask', 'greet']
        ```
    """

    def __init__(
        self,
        name: str,
        *,
        tasks: Iterable[Callable[..., Any]] | None = None,
        version: str | None = None,
        description: str | None = None,
        merge: Merge = "fail",
        on_change: OnChange = "match",
        input: Any = None,  # noqa: A002 - the word of the domain, and a keyword only.
    ) -> None:
        self._name = check_name(name, "name of a workflow")
        self._description = description
        self._merge: Merge = _checked_merge(merge)
        self._on_change: OnChange = _checked_on_change(on_change)
        self._input = _checked_input(input)
        self._version = _checked_version(version)
        self._source_versions: dict[str, str] = {}
        self._codes: dict[int, str] = {}
        self._declared: list[TaskDefinition] = []
        self._graph: WorkflowGraph | None = None
        self._tasks: Mapping[str, TaskDefinition] | None = None
        self._collecting: Token[Callable[[TaskDefinition], None] | None] | None = None
        if tasks is not None:
            self._declared.extend(_definitions(tasks))
            self._build()

    def __enter__(self) -> Self:
        if self._graph is not None or self._collecting is not None:
            raise DefinitionError(
                f"Workflow {self._name!r} has its tasks already, so it cannot collect more in a `with` block. Make"
                " another Workflow, or declare all tasks in one block"
            )
        self._declared.clear()  # What a block that failed has left.
        self._collecting = collector.set(self._declared.append)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._collecting is not None:
            collector.reset(self._collecting)
            self._collecting = None
        if kind is None:
            self._build()

    def __repr__(self) -> str:
        if self._graph is None:
            return f"<Workflow {self._name!r}, not built>"
        count = len(self._graph.tasks)
        return f"<Workflow {self._name!r} of {count} task{'' if count == 1 else 's'}>"

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def description(self) -> str | None:
        """What the workflow is for."""
        return self._description

    @property
    def merge(self) -> Merge:
        """What becomes of a key to which tasks wrote conflicting values."""
        return self._merge

    @property
    def on_change(self) -> OnChange:
        """What becomes of a task that has stored answers when its code has changed."""
        return self._on_change

    @property
    def input(self) -> Any:
        """The pydantic model of the initial context, or None."""
        return self._input

    @property
    def tasks(self) -> Mapping[str, TaskDefinition]:
        """The tasks by id, in the order of their declaration.

        Raises:
            DefinitionError: The workflow is not built yet.
        """
        if self._tasks is None:
            raise self._not_built()
        return self._tasks

    @property
    def graph(self) -> WorkflowGraph:
        """The tasks in their order, with their dependencies by position.

        Raises:
            DefinitionError: The workflow is not built yet.
        """
        if self._graph is None:
            raise self._not_built()
        return self._graph

    @property
    def version(self) -> str:
        """The version that was given, or a hash of the structure, and of the tasks' source as it was when decorated.

        Values in a closure, a default or a `functools.partial` count. Comments, docstrings and layout do not, nor does
        what the tasks call. Computed when first asked for.

        Raises:
            DefinitionError: The workflow is not built yet.
        """
        if self._version is None:
            self._version = workflow_version(self.graph.tasks, self._codes)
        return self._version

    def source_version(self, task_id: str) -> str:
        """Return the version of a task's code, which `on_change` is about: 16 hexadecimal digits.

        It does not depend on `version`, nor on the other tasks. Computed when first asked for.

        Args:
            task_id: The task's id.

        Raises:
            DefinitionError: The workflow is not built yet.
            KeyError: It has no such task.
        """
        found = self._source_versions.get(task_id)
        if found is None:
            found = self._source_versions[task_id] = task_version(self.tasks[task_id], self._codes)
        return found

    def _build(self) -> None:
        self._graph = build_graph(self._name, self._declared)
        self._tasks = MappingProxyType({definition.id: definition for definition in self._declared})

    def _not_built(self) -> DefinitionError:
        return DefinitionError(
            f"Workflow {self._name!r} is not built yet. Declare its tasks in `with Workflow(...) as workflow:` and use"
            " it after that block, or pass them: Workflow(name, tasks=[...])"
        )


def _definitions(tasks: object) -> list[TaskDefinition]:
    if not isinstance(tasks, Iterable) or isinstance(tasks, str):
        raise InvalidOption(f"tasks is {tasks!r}. Expected a list of @task functions: tasks=[first, second]")
    return [task_definition(function) for function in cast("Iterable[Callable[..., Any]]", tasks)]


def _checked_merge(merge: object) -> Merge:
    if isinstance(merge, str) and merge in ("fail", "last"):
        return cast("Merge", merge)
    if isinstance(merge, Mapping):
        resolvers = dict(cast("Mapping[object, object]", merge))
        if all(isinstance(key, str) and callable(resolve) for key, resolve in resolvers.items()):
            return MappingProxyType(cast("dict[str, Resolve]", resolvers))
    raise InvalidOption(f"merge is {merge!r}. Expected 'fail', 'last', or a dict of functions by key: {{'total': sum}}")


def _checked_on_change(on_change: object) -> OnChange:
    if on_change in ("match", "fail", "restart"):
        return on_change
    raise InvalidOption(f"on_change is {on_change!r}. Expected 'match', 'fail' or 'restart'")


def _checked_input(model: object) -> object:
    if model is None:
        return None
    if not isinstance(model, type) or not callable(getattr(model, "model_validate", None)):
        raise InvalidOption(f"input is {model!r}. Expected a pydantic model class")
    if unwritable := list(unwritable_fields(model)):
        raise InvalidOption(f"input is {model.__name__}, of which {' and '.join(unwritable)}. {MEND}")
    return model


def _checked_version(version: object) -> str | None:
    if version is None or (isinstance(version, str) and 0 < len(version) <= _LONGEST_VERSION):
        return version
    raise InvalidOption(f"version is {version!r}. Expected 1 to {_LONGEST_VERSION} characters")
