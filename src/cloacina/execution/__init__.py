"""Execution: slots, attempts, waits and threads."""

from __future__ import annotations

from cloacina.errors import ConcurrentWait, ConditionError, HandleConsumed, InvalidWait, TaskCancelled, WaitTimeout
from cloacina.execution.slots import SlotPool, SlotToken
from cloacina.handle import BlockingTaskHandle, TaskHandle, return_task_handle, take_task_handle, with_task_handle

__all__ = [
    "BlockingTaskHandle",
    "ConcurrentWait",
    "ConditionError",
    "HandleConsumed",
    "InvalidWait",
    "SlotPool",
    "SlotToken",
    "TaskCancelled",
    "TaskHandle",
    "WaitTimeout",
    "return_task_handle",
    "take_task_handle",
    "with_task_handle",
]
