"""What the body of a task has been answered: by kind and name of what it asked, and which of them it was.

A body that is run again, because its process died or its attempt failed, asks the same things. What was stored is
returned to it at once. Names may change their order: a question is the nth of its kind and name, never the nth of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloacina.errors import ReplayMismatch
from cloacina.store.records import WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Memo(NamedTuple):
    """What was stored of one question of a body.

    Attributes:
        kind: What kind of question it was.
        name: Its name; '' when it was given none.
        ordinal: Which of its kind and name it was, from 1.
        attempt: The attempt that asked.
        outcome: How it ended: `met`, `timeout`, …; None while it is open.
        value: What it was answered with, JSON; None when nothing was stored.
        id: The id of its row.
        started_at: When it was asked, in seconds since the epoch.
        deadline: When its time is up.
        due_at: The moment that it waits for.
        signal_id: The signal or answer that was used up for it; the first of several.
    """

    kind: str
    name: str
    ordinal: int
    attempt: int
    outcome: str | None
    value: str | None
    id: str
    started_at: float
    deadline: float | None
    due_at: float | None
    signal_id: str | None


def is_kept(outcome: str | None, signal_id: str | None) -> bool:
    """Return whether another attempt is given what this one was: only what used up a signal or an answer."""
    return outcome == "met" and signal_id is not None


def is_answer(kind: str, outcome: str | None, value: str | None) -> bool:
    """Return whether a body that is run again is answered by this; an unnamed condition that was met is asked again."""
    return outcome is not None and (value is not None or outcome != "met" or kind == "time")


class Memos:
    """The memos of one task execution, and which of them its body has asked for.

    Args:
        task_id: The task's id in its workflow, for messages.
        stored: What earlier runs of the body have left.
    """

    __slots__ = ("_asked", "_stored", "_task_id")

    def __init__(self, task_id: str, stored: Iterable[Memo] = ()) -> None:
        self._task_id = task_id
        self._asked: dict[tuple[str, str], int] = {}
        self._stored: dict[tuple[str, str, int], Memo] = {}
        for memo in stored:
            self.add(memo)

    def add(self, memo: Memo) -> None:
        """Keep a memo for when the body is run again; a later one of the same question takes its place."""
        self._stored[memo.kind, memo.name, memo.ordinal] = memo

    def forget(self, kind: str, name: str, ordinal: int) -> None:
        """Forget a memo: the body has not been answered after all."""
        self._stored.pop((kind, name, ordinal), None)

    def start(self) -> None:
        """Begin at the first question: the same attempt is run again from its start."""
        self._asked.clear()

    def start_anew(self) -> None:
        """Begin at the first question of another attempt: for it, conditions and times start anew."""
        self._asked.clear()
        for key in [key for key, memo in self._stored.items() if not is_kept(memo.outcome, memo.signal_id)]:
            del self._stored[key]

    def peek(self, kind: str, name: str) -> Memo | None:
        """Return what was stored of the next question of a kind and name, without counting it."""
        return self._stored.get((kind, name, self._asked.get((kind, name), 0) + 1))

    def ask(self, kind: str, name: str) -> tuple[int, Memo | None]:
        """Count a question of the body.

        Returns:
            Which of its kind and name it is, from 1, and what was stored of it.

        Raises:
            ReplayMismatch: It was a question of another kind before.
        """
        ordinal = self._asked.get((kind, name), 0) + 1
        self._asked[kind, name] = ordinal
        if not self._stored:
            return ordinal, None
        memo = self._stored.get((kind, name, ordinal))
        before = self._other_kind(name, ordinal) if memo is None and name else None
        if before is not None:
            message = (
                f"task {self._task_id!r} asks for the {kind} {name!r}, which was a {before} when the task ran before; "
                "give one of the two another name"
            )
            raise ReplayMismatch(message)
        return ordinal, memo

    def _other_kind(self, name: str, ordinal: int) -> str | None:
        """Return of which kind a question of a name was when the task ran before; None when there was none."""
        return next((kind for kind in WaitKind if (kind, name, ordinal) in self._stored), None)

    def unasked(self) -> Iterator[Memo]:
        """Yield what was answered and the body has not asked for."""
        for (kind, name, ordinal), memo in self._stored.items():
            if is_answer(kind, memo.outcome, memo.value) and ordinal > self._asked.get((kind, name), 0):
                yield memo

    def left_open(self) -> Iterator[Memo]:
        """Yield what an earlier run of the body has waited for, was not answered, and the body has not asked for."""
        for (kind, name, ordinal), memo in self._stored.items():
            if memo.outcome is None and ordinal > self._asked.get((kind, name), 0):
                yield memo
