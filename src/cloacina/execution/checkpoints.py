"""The steps of a task that are done: their results are stored before they are returned, and never made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloacina.context import encode
from cloacina.errors import ConcurrentCheckpoint
from cloacina.execution.waiting.payloads import dumped, validated
from cloacina.store import changes
from cloacina.waits import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.event_loop import OneShot
    from cloacina.store.changes import Change


class Checkpoints:
    """The checkpoints of one task execution, by name and key.

    Args:
        stored: Name, key and result of each that the store holds; without a result, it was begun and may happen once.
    """

    __slots__ = ("_counts", "_open", "_stored", "_unasked")

    def __init__(self, stored: Iterable[tuple[str, str, str | None]] = ()) -> None:
        self._stored: dict[tuple[str, str], str | None] = {(name, key): value for name, key, value in stored}
        self._counts: dict[str, int] = {}
        self._open: set[tuple[str, str]] = set()
        self._unasked = set(self._stored)

    def start(self) -> None:
        """Begin at the first checkpoint: the body is run from its start."""
        self._counts.clear()
        self._open.clear()
        self._unasked = set(self._stored)

    def done(self) -> list[tuple[tuple[str, str], str]]:
        """Return name and key of those that have a result, and the result, JSON."""
        return [(place, text) for place, text in self._stored.items() if text is not None]

    def unasked(self) -> list[tuple[str, str]]:
        """Return name and key of those that earlier runs of the body have left, and this one has not entered."""
        return sorted(self._unasked)

    def enter(self, task_id: str, name: str, key: str | None) -> Checkpoint:
        """Return the next checkpoint of a name, or that of a key.

        Raises:
            InvalidWait: The name or the key is none.
            ConcurrentCheckpoint: It has been entered and not left.
        """
        check_name(name, "a checkpoint")
        if key is None:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            # Which of two that are open at once is the first, the next run may see otherwise.
            if any(opened == name for opened, at in self._open if at.startswith("#")):
                message = (
                    f"task {task_id!r} enters the checkpoint {name!r} while another one of that name is open; give "
                    "each a key=, such as the order's number"
                )
                raise ConcurrentCheckpoint(message)
            place = name, f"#{number}"
        else:
            place = name, f"={check_name(key, 'a checkpoint as its key')}"
            if place in self._open:
                message = f"task {task_id!r} enters the checkpoint {name!r} with key {key!r} a second time at once"
                raise ConcurrentCheckpoint(message)
        self._open.add(place)
        self._unasked.discard(place)
        return Checkpoint(self, place)


class Checkpoint:
    """One checkpoint, from entering to leaving it.

    Attributes:
        name: Its name.
        key: `=` and the key given, or `#` and which of this name it is.
    """

    __slots__ = ("_checkpoints", "key", "name")

    def __init__(self, checkpoints: Checkpoints, place: tuple[str, str]) -> None:
        self._checkpoints = checkpoints
        self.name, self.key = place

    @property
    def is_begun(self) -> bool:
        """Whether the store holds it: as done, or as begun."""
        return (self.name, self.key) in self._checkpoints._stored  # noqa: SLF001 - two halves of one thing

    @property
    def text(self) -> str | None:
        """Its result, JSON; None while it has none."""
        return self._checkpoints._stored.get((self.name, self.key))  # noqa: SLF001 - as above

    def leave(self) -> None:
        """Let it be entered again."""
        self._checkpoints._open.discard((self.name, self.key))  # noqa: SLF001 - as above

    async def store(self, attempt: Attempt, text: str | None) -> None:
        """Store its result, or that it is begun; return when that is committed.

        Raises:
            TaskCancelled: The runner was left: nothing is stored any more.
        """
        attempt.refuse_if_left()
        stored: OneShot[None] = attempt.resources.loop.one_shot()

        def is_stored() -> None:
            if not stored.done():
                stored.set_result(None)

        attempt.resources.write((self._change(attempt, text),), is_stored)
        await stored
        self._checkpoints._stored[self.name, self.key] = text  # noqa: SLF001 - as above

    def _change(self, attempt: Attempt, text: str | None) -> Change:
        task = attempt.task
        now = attempt.resources.clock.time()
        return changes.checkpoint(task.id, task.execution_id, self.name, self.key, text, task.attempt, None, now)

    def encode(self, model: Any, value: Any) -> str:
        """Return a result as JSON.

        Raises:
            NotJSONSerializable: JSON cannot hold it.
        """
        if model is not None:
            return dumped(model, value)
        return encode(value, f"the result of the checkpoint {self.name!r}")

    def result(self, model: Any, text: str) -> Any:
        """Return a result as the task gets it: the same now as when it is run again."""
        return validated(model, text)
