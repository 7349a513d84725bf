"""What you need to test your own workflows: time that passes at once, and handles without a runner.

- `run_workflow` runs a whole workflow in memory and in virtual time.
- `VirtualClock` is that time, for an `AsyncRunner` or a `Runner` that the test opens itself.
- `FakeTaskHandle` and `FakeBlockingTaskHandle` are handles for calling a task's function directly; their waits are
  recorded as `RecordedWait`.
"""

from __future__ import annotations

from cloacina.testing.fake_handles import FakeBlockingTaskHandle, FakeTaskHandle
from cloacina.testing.in_memory import run_workflow
from cloacina.testing.polling import RecordedWait
from cloacina.testing.virtual_clock import VirtualClock

__all__ = ["FakeBlockingTaskHandle", "FakeTaskHandle", "RecordedWait", "VirtualClock", "run_workflow"]
