"""Looking for slots that are held and run nothing."""

from __future__ import annotations

from cloacina.runner import AsyncRunner, Runner


def assert_no_slot_leak(runner: AsyncRunner | Runner) -> None:
    """Assert that each slot of a runner is free, or held by a task that runs: for code that handles `SlotToken`s.

    Args:
        runner: A runner, inside of its `with` block.

    Raises:
        AssertionError: A slot is held, and nothing runs on it.
        RunnerClosed: The runner is not open.
    """
    engine = (runner._runner if isinstance(runner, Runner) else runner)._engine  # noqa: SLF001 - behind both faces
    if not engine.is_open:
        raise engine.closed()
    slots, runs = engine._resources.slots, engine._scheduler.runs  # noqa: SLF001 - as above
    at_work = [attempt for run in runs for attempt in run.bodies if attempt.token.is_held()]
    leaked = slots.capacity - slots.available - len(at_work)
    if leaked:
        names = ", ".join(repr(attempt.task.definition.id) for attempt in at_work) or "no task"
        message = (
            f"{leaked} of {slots.capacity} slots are held, and nothing runs on them ({names} at work); release each "
            "SlotToken that into_slot_token() returns"
        )
        raise AssertionError(message)
