"""What a task that a user has cancelled leaves to the function that cleans up behind it: `@task(on_cancel=...)`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloacina.waits import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What a cancelled task has left: the second argument of an `on_cancel` function that takes two."""

    execution_id: str
    """The execution that was cancelled."""
    task_execution_id: str
    """The task execution, as queries show it."""
    attempt: int
    """The attempt that ran last, from 1."""
    last_heartbeat: Any
    """What heartbeats of the task have told last; None for nothing."""
    steps: Mapping[tuple[str, str], Any] = field(repr=False)
    """The results of its checkpoints; `checkpoint` looks one up."""

    def checkpoint(self, name: str, key: str | None = None, *, default: Any = None) -> Any:
        """Return the result of a checkpoint, as the task got it without a `model`.

        Args:
            name: The step's name.
            key: Its key. Without one, the first step of the name is meant.
            default: What to return if it was not done.
        """
        return self.steps.get((name, "#1" if key is None else f"={key}"), default)

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return the key that `handle.idempotency_key` has returned in the task.

        Raises:
            InvalidWait: The name is none.
        """
        return idempotency_key(self.task_execution_id, name, key)


def idempotency_key(task_execution_id: str, name: str, key: str | None) -> str:
    """Return a key for what a task does once in the outside world.

    Raises:
        InvalidWait: The name is none.
    """
    check_name(name, "an idempotency key")
    return f"{task_execution_id}:{name}" if key is None else f"{task_execution_id}:{name}:{key}"
