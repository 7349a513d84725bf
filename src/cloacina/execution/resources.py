"""What all attempts of a runner share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cloacina.execution.heartbeats import Heartbeats
from cloacina.execution.ids import new_id
from cloacina.execution.off_loop import OffLoop
from cloacina.execution.turns import NextTurn
from cloacina.execution.waiting.flush import PollFlush

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from cloacina.execution.bodies import Bodies
    from cloacina.execution.clock import Clock
    from cloacina.execution.event_loop import EventLoop
    from cloacina.execution.journal import Write
    from cloacina.execution.slots import SlotPool
    from cloacina.execution.waiting.conditions import ConditionThreads
    from cloacina.execution.waiting.places import Places
    from cloacina.execution.waiting.timers import Timers
    from cloacina.execution.waiting.wait import Wait
    from cloacina.store.threads import WorkerThreads

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Resources:
    """The slots, the timers, the threads and the writer of one runner.

    Attributes:
        loop: The event loop that all of it lives on.
        clock: The source of time.
        slots: The right to run.
        timers: Polls, timeouts, deadlines and retries.
        conditions: The threads that call synchronous conditions.
        bodies: Counts the task bodies at work.
        threads: The threads that run `def` tasks.
        places: Bound how many threads may be parked in a wait.
        write: Queues changes for the store.
        runner_id: Whose they are; executions belong to it.
        waits: The waits that hold no slot now, by id.
        poll_flush: Stores how often they have been polled.
        heartbeats: The tasks that have beaten, and what the store is told of it.
    """

    loop: EventLoop
    clock: Clock
    slots: SlotPool
    timers: Timers
    conditions: ConditionThreads
    bodies: Bodies
    threads: WorkerThreads
    places: Places
    write: Write
    runner_id: str = field(default_factory=new_id)
    waits: dict[str, Wait] = field(default_factory=dict[str, "Wait"])
    poll_flush: PollFlush = field(init=False)
    heartbeats: Heartbeats = field(init=False)

    def __post_init__(self) -> None:
        self.heartbeats = Heartbeats(self)
        self.poll_flush = PollFlush(self)

    def call_off_loop(
        self,
        function: Callable[[], T],
        then: Callable[[T | None, BaseException | None], None],
        variables: contextvars.Context,
    ) -> None:
        """Call a function that may take long, or is the user's, in a thread; virtual time waits for it.

        Nobody waits for it: when the runner is left or has broken down, what it returns comes to nothing.
        """
        self.conditions.ask(OffLoop(function, then, variables), is_urgent=True)

    def call_next_turn(self, function: Callable[[], None]) -> None:
        """Call a function in the next turn of the loop; virtual time waits for it."""
        NextTurn(self.loop, self.bodies, function)
