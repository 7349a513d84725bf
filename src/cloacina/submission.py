"""What runners and clients accept as the start of an execution: a workflow and its context, checked and encoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloacina.context import Context, encode_mapping, encode_values
from cloacina.errors import NotJSONSerializable, UnknownWorkflow, join_names
from cloacina.execution.ids import new_id
from cloacina.large_json import is_heavy
from cloacina.membrane import short_name
from cloacina.store.records import TaskStatus
from cloacina.store.requests import NewExecution, NewTask
from cloacina.task import check_name
from cloacina.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class WorkflowRegistry:
    """The workflows that can be run by name."""

    def __init__(self) -> None:
        self._workflows: dict[str, Workflow] = {}

    def register(self, workflows: Iterable[Workflow]) -> None:
        """Take workflows in; one of the same name is replaced.

        Raises:
            UnknownWorkflow: Something is not a workflow.
            DefinitionError: A workflow is not built yet.
        """
        for workflow in workflows:
            _ = self.find(workflow).graph
            self._workflows[workflow.name] = workflow

    def get(self, name: str) -> Workflow | None:
        """Return the workflow that is registered by a name."""
        return self._workflows.get(name)

    def find(self, workflow: Workflow | str) -> Workflow:
        """Return a workflow, by its name or as it is.

        Raises:
            UnknownWorkflow: No workflow of that name is registered, or it is neither a name nor a workflow.
        """
        if isinstance(workflow, Workflow):
            return workflow
        if isinstance(workflow, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            if (found := self._workflows.get(workflow)) is not None:
                return found
            known = join_names(sorted(self._workflows))
            message = f"no workflow {workflow!r} is registered with this runner; registered: {known}"
            raise UnknownWorkflow(message)
        message = (
            f"a runner runs a Workflow, or one registered by name; got a {short_name(type(workflow))}. Make a workflow"
            " of tasks: Workflow('name', tasks=[first, second])"
        )
        raise UnknownWorkflow(message)


def encode_context(workflow: Workflow | None, context: Mapping[str, Any] | None) -> dict[str, str]:
    """Return an initial context as JSON text by key, validated by the workflow's input model if it has one.

    What the model fills in or converts is part of the context; keys that the model does not know stay as they are.
    Without the workflow, whoever runs it validates the context.

    Raises:
        NotJSONSerializable: It is not a mapping, or holds what JSON cannot hold.
        InvalidInput: The model refuses it, or what the model writes as JSON would not hold all of it.
    """
    if context is None:
        context = {}
    if not isinstance(context, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
        message = (
            f"an initial context is a mapping of strings to JSON values; got a {short_name(type(context))}. Pass a"
            " dict, such as model.model_dump(mode='json') of a pydantic model"
        )
        raise NotJSONSerializable(message)
    values = context.to_dict() if isinstance(context, Context) else dict(context)
    if workflow is None or workflow.input is None:
        return encode_values(values)
    # Only who has an input model pays for importing pydantic.
    from cloacina.input_model import refuse_loss, validated  # noqa: PLC0415

    values, model = validated(workflow, values)
    encoded = encode_values(values)
    refuse_loss(workflow, model)
    return encoded


def takes_long(workflow: Workflow, contexts: Sequence[Mapping[str, Any] | None]) -> bool:
    """Return whether to encode initial contexts takes more than a few milliseconds, or runs code of the user's."""
    if workflow.input is not None:
        return True
    for context in contexts:
        if context is not None and type(context) is not dict:
            return True
    return is_heavy(contexts)


def new_execution(workflow: Workflow, context: Mapping[str, str]) -> NewExecution:
    """Return what is to be stored of an execution: with its tasks, of which those that depend on nothing are ready."""
    graph = workflow.graph
    tasks = [
        NewTask(new_id(), definition.id, TaskStatus.PENDING if dependencies else TaskStatus.READY)
        for definition, dependencies in zip(graph.tasks, graph.dependencies, strict=True)
    ]
    return NewExecution(new_id(), workflow.name, workflow.version, encode_mapping(context), tasks)


def new_execution_by_name(name: str, context: Mapping[str, str]) -> NewExecution:
    """Return what is to be stored of an execution whose tasks only the runner knows that will take it.

    Raises:
        InvalidName: No workflow can have that name.
    """
    return NewExecution(new_id(), check_name(name, "name of a workflow"), "", encode_mapping(context))
