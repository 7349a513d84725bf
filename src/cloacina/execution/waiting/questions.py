"""Questions to people: their text, what an answer looks like, and whom they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloacina.errors import InvalidWait
from cloacina.execution.waiting.payloads import schema_of
from cloacina.store import changes

if TYPE_CHECKING:
    from collections.abc import Sequence

MAXIMUM_QUESTION_LENGTH = 10_000
"""How many characters a question has at most."""


class Question:
    """What a task asks a person.

    Args:
        text: The question.
        model: Any type that pydantic knows, which the answer is validated by; None for any JSON value.
        to: Whom it is for, as names that the application knows.

    Raises:
        InvalidWait: The text is no text, is empty or too long, or an addressee is no text.
    """

    def __init__(self, text: str, model: Any, to: Sequence[str]) -> None:
        if not isinstance(text, str) or not text.strip() or len(text) > MAXIMUM_QUESTION_LENGTH:  # pyright: ignore[reportUnnecessaryIsInstance]
            message = f"a question is text of 1 to {MAXIMUM_QUESTION_LENGTH} characters; got {text!r:.80}"
            raise InvalidWait(message)
        if isinstance(to, str) or not all(isinstance(name, str) and name for name in to):  # pyright: ignore[reportUnnecessaryIsInstance]
            message = f"to= is a list of names, such as ['ada', 'finance']; got {to!r:.80}"
            raise InvalidWait(message)
        self._text = text
        self._model = model
        self._to = list(to)

    def to_json(self) -> str:
        """Return it as the store keeps it: text, JSON Schema of the answer, and addressees."""
        return changes.question(self._text, schema_of(self._model), self._to)
