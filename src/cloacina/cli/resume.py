"""`cloacina resume`: go on with an execution that `cloacina run` or another runner has left."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.clients import execution_named, open_client
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.json_output import print_json
from cloacina.cli.loading import Target, load_workflow
from cloacina.cli.running import GraceOption, SlotsOption, TargetArgument, stdout_to_stderr
from cloacina.configuration import DEFAULT_GRACE, DEFAULT_MAX_CONCURRENT_TASKS
from cloacina.errors import CommandError, UnknownExecution

if TYPE_CHECKING:
    from cloacina.client import Client
    from cloacina.store.records import ExecutionRecord
    from cloacina.workflow import Workflow

_SHOWN_AT_MOST = 5


def resume(
    target: TargetArgument,
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="The execution's id. By default the only one of the workflow that has not ended.",
            show_default=False,
        ),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The key that the execution was submitted with, in place of its id."),
    ] = None,
    slots: SlotsOption = DEFAULT_MAX_CONCURRENT_TASKS,
    grace: GraceOption = DEFAULT_GRACE,
    database: DatabaseOption = DEFAULT_DATABASE,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Go on with an execution, show its progress, and print the context it ends with.

    What has completed is not run again. One that has ended shows its result; one that another runner has is watched.
    """
    with stdout_to_stderr() if as_json else nullcontext():
        if execution is not None and key is not None:
            raise CommandError("An execution is named by its id or by --key, and both were given.")
        workflow = load_workflow(Target.parse(target))
        with open_client(database) as client:
            found = _find(client, workflow, execution, key)
        # As for `run`.
        from cloacina.cli.execute import Setting, execute  # noqa: PLC0415

        setting = Setting(target, database, slots, grace, as_json)
        code, document = execute(workflow, lambda runner: runner.resume(workflow, found.id), setting)
    if document is not None:
        print_json(document)
    return code


def _find(client: Client, workflow: Workflow, execution: str | None, key: str | None) -> ExecutionRecord:
    """Return the execution that is meant.

    Raises:
        UnknownExecution: The workflow has none of that name, or none that has not ended.
        CommandError: None is named, and there are several.
    """
    if key is not None:
        return client.execution((workflow.name, key))
    if execution is not None:
        return client.execution(execution_named(execution))
    both = [client.executions(status=status, workflow=workflow.name) for status in ("Running", "Pending")]
    unfinished = [found for each in both for found in each]
    if not unfinished:
        raise UnknownExecution(f"workflow {workflow.name!r} has no execution in the database that has not ended")
    if len(unfinished) > 1:
        ids = "".join(f"\n  {each.id}  {each.status}" for each in unfinished[:_SHOWN_AT_MOST])
        more = "" if len(unfinished) <= _SHOWN_AT_MOST else "\n  ..."
        what = f"Several executions of workflow {workflow.name!r} have not ended; name one of them:"
        raise CommandError(f"{what}{ids}{more}")
    return unfinished[0]
