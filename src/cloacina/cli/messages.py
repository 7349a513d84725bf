"""`cloacina signal`, `cloacina questions`, `cloacina answer`: what running tasks wait for from outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.clients import execution_named, open_client
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption, ExecutionArgument
from cloacina.cli.json_argument import read_json
from cloacina.cli.json_output import record_document
from cloacina.cli.plain_signal import PlainSignal
from cloacina.cli.refusal import plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cloacina.store.records import QuestionRecord

_INDENT = " " * 4


def signal(
    execution: ExecutionArgument,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The signal's name, as the task waits for it.", show_default=False)
    ],
    payload: Annotated[
        str | None,
        typer.Argument(
            metavar="PAYLOAD", help="What it tells: JSON, or @FILE with JSON; @- is stdin.", show_default=False
        ),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Of several signals of one name and key, only the first counts."),
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who sends it, for the history.")] = None,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Send a signal to an execution, for the task that waits for it, now or later."""
    PlainSignal(execution, name, payload, key, by, database).send()


def questions(
    execution: Annotated[
        str | None,
        typer.Argument(
            metavar="EXECUTION",
            help="Only those of this execution: its id, or WORKFLOW/KEY. By default those of all.",
            show_default=False,
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON list to stdout.")] = False,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """List the questions that nobody has answered yet, in the order in which they were asked."""
    with open_client(database) as client:
        target = None if execution is None else execution_named(execution)
        if target is not None:
            client.execution(target)  # One that is unknown has no questions, and is most likely misspelled.
        found = client.questions(target)
    if as_json:
        print(json.dumps([record_document(question) for question in found], indent=2))
    elif not found:
        print("no open questions")
    for question in () if as_json else found:
        print("\n".join(question_lines(question)))


def answer(
    question: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION", help="The question's id, as `cloacina questions` shows it.", show_default=False
        ),
    ],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="The answer: JSON, such as true or '\"a text\"', or @FILE with JSON; @- is stdin.",
            show_default=False,
        ),
    ],
    *,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who answers, for the history.")] = None,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Answer a question. The first valid answer counts."""
    found = read_json(value, "VALUE")
    with open_client(database) as client:
        is_new = client.answer(question, found, by=by)
    print("answered" if is_new else "the same answer had been given before")


def question_lines(question: QuestionRecord) -> Iterable[str]:
    """Yield what is shown of a question: its id, and indented below it what others have written."""
    yield _in_a_line(question.id)
    for line in plain(question.text).splitlines():
        yield _INDENT + line
    facts = [f"task {question.task_id} of execution {question.execution_id}", f"asked {_shown(question.asked_at)}"]
    if question.deadline is not None:
        facts.append(f"until {_shown(question.deadline)}")
    if question.addressees:
        facts.append(f"for {', '.join(question.addressees)}")
    yield _INDENT + _in_a_line(", ".join(facts))
    yield f"{_INDENT}answer: {json.dumps(question.schema)}"


def _in_a_line(text: str) -> str:
    return plain(" ".join(text.split()))


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
