"""What everyone looks up: which execution is meant, how far ids go, and what was sent. Without SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cloacina.store import rendered
from cloacina.store.records import ExecutionStatus

if TYPE_CHECKING:
    from cloacina.store.connection import Connection

Target: TypeAlias = str | tuple[str, str]
"""An execution: its id, or the name of its workflow and its key."""


class Found(NamedTuple):
    """An execution that there is: its id, where it stands, and whose it is."""

    id: str
    status: ExecutionStatus
    runner_id: str | None


class StoredSignal(NamedTuple):
    """A signal that has not taken effect yet."""

    seq: int
    id: str
    execution_id: str
    kind: str
    name: str
    payload: str | None
    sender: str | None


class AskedWait(NamedTuple):
    """A wait that somebody wants to answer."""

    id: str
    execution_id: str
    task_id: str
    kind: str
    phase: str
    deadline: float | None
    outcome: str | None
    question: str | None


def find(connection: Connection, target: Target) -> Found | None:
    """Return an execution, in short; None when there is none of that name."""
    if isinstance(target, str):
        row = connection.run(rendered.FIND_BY_ID, {"id": target}).fetchone()
    else:
        workflow, key = target
        row = connection.run(rendered.FIND_BY_KEY, {"workflow": workflow, "key": key}).fetchone()
    return None if row is None else Found(row[0], ExecutionStatus(row[1]), row[2])


def newest_id(connection: Connection) -> str:
    """Return the greatest of the ids that executions and waits are ordered by; empty when there is none."""
    return connection.run(rendered.NEWEST_ID).fetchone()[0] or ""


def newest_signal(connection: Connection) -> int:
    """Return the number of the newest signal; 0 when there is none."""
    return connection.run(rendered.NEWEST_SIGNAL).fetchone()[0] or 0


def signals_since(connection: Connection, number: int) -> list[StoredSignal]:
    """Return the signals behind a number that have not taken effect, in the order of their sending."""
    return [StoredSignal(*row) for row in connection.run(rendered.SIGNALS_SINCE, {"number": number})]
