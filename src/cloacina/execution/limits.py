"""The times that bound an attempt while it holds a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cloacina.execution.budget import Budget
from cloacina.execution.heartbeats import Pulse

if TYPE_CHECKING:
    from cloacina.execution.resources import Resources
    from cloacina.task import TaskDefinition

Limit: TypeAlias = Budget | Pulse


def limits_of(definition: TaskDefinition, resources: Resources) -> tuple[Limit, ...]:
    """Return what bounds an attempt of a task."""
    timeout, heartbeat_timeout = definition.timeout, definition.heartbeat_timeout
    clock, timers = resources.clock, resources.timers
    budgets = () if timeout is None else (Budget(timeout, clock, timers),)
    pulses = () if heartbeat_timeout is None else (Pulse(heartbeat_timeout, clock, timers),)
    return (*budgets, *pulses)
