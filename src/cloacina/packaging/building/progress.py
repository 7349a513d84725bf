"""How a build tells what it is doing."""

from __future__ import annotations

from typing import Final, Protocol

STEPS: Final = (
    "project",
    "discover",
    "lock",
    "wheels",
    "vendor",
    "sign",
    "pack",
    "verify",
    "import",
    "reproduce",
)
"""The steps, in their order. `sign` and `reproduce` are taken only when asked for."""


class BuildProgress(Protocol):
    """What a build calls while it works, always from the thread that called it.

    A step that fails is begun and not ended; the error is raised.

    Example:
        ```python
        from cloacina.packaging.building.progress import BuildProgress


        class Printed:
            def begin(self, step: str) -> None:
                print(f"{step} ...")
                #> lock ...

            def detail(self, step: str, text: str) -> None: ...

            def advance(self, step: str, done: int, total: int) -> None: ...

            def end(self, step: str, summary: str) -> None:
                print(f"{step}: {summary}")
                #> lock: 12 wheels

            def note(self, text: str) -> None:
                print(f"note: {text}")


        progress: BuildProgress = Printed()
        progress.begin("lock")
        progress.end("lock", "12 wheels")
        ```
    """

    def begin(self, step: str) -> None:
        """Say that a step begins: one of `STEPS`."""
        ...

    def detail(self, step: str, text: str) -> None:
        """Say what the step is busy with."""
        ...

    def advance(self, step: str, done: int, total: int) -> None:
        """Say how much of the step is done: of targets, or of bytes."""
        ...

    def end(self, step: str, summary: str) -> None:
        """Say that the step is done, and what came of it, in a line."""
        ...

    def note(self, text: str) -> None:
        """Say something that whoever builds should know, and that is no error."""
        ...


class NoProgress:
    """Tells nobody."""

    def begin(self, step: str) -> None:
        """Do nothing."""

    def detail(self, step: str, text: str) -> None:
        """Do nothing."""

    def advance(self, step: str, done: int, total: int) -> None:
        """Do nothing."""

    def end(self, step: str, summary: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
