"""What you need to test your own workflows: time that passes at once, crashes, and handles without a runner.

- `run_workflow` runs a whole workflow in memory and in virtual time, gives it signals and answers, and ends its runner
  at every wait if it is told to: the `RecoveredResult` tells each `Recovery`, and what `RanAgain`.
- `VirtualClock` is that time, for an `AsyncRunner` or a `Runner` that the test opens itself.
- `send_signal` and `answer` do that when a task waits for it; `assert_no_slot_leak` looks at the slots of a runner.
- `FakeTaskHandle` and `FakeBlockingTaskHandle` are handles for calling a task's function directly; their waits are
  recorded as `RecordedWait`.
"""

from __future__ import annotations

from cloacina.testing.driving import answer, send_signal
from cloacina.testing.fake_handles import FakeBlockingTaskHandle, FakeTaskHandle
from cloacina.testing.in_memory import run_workflow
from cloacina.testing.lines import RanAgain
from cloacina.testing.polling import RecordedWait
from cloacina.testing.recovering import RecoveredResult, Recovery
from cloacina.testing.slot_leaks import assert_no_slot_leak
from cloacina.testing.virtual_clock import VirtualClock

__all__ = [
    "FakeBlockingTaskHandle",
    "FakeTaskHandle",
    "RanAgain",
    "RecordedWait",
    "RecoveredResult",
    "Recovery",
    "VirtualClock",
    "answer",
    "assert_no_slot_leak",
    "run_workflow",
    "send_signal",
]
