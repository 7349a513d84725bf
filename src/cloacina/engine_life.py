"""The life of a runner: the parts are put together, opened on an event loop, and closed in order, whatever happens."""

from __future__ import annotations

import contextvars
import os
import warnings
from enum import Enum
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio

from cloacina.configuration import Configuration
from cloacina.errors import RunnerClosed, ThreadUnavailable, WouldDeadlock
from cloacina.execution.bodies import Bodies
from cloacina.execution.clock import SystemClock
from cloacina.execution.event_loop import EventLoop
from cloacina.execution.ids import follow
from cloacina.execution.inside import current_attempt
from cloacina.execution.journal import Journal
from cloacina.execution.resources import Resources
from cloacina.execution.slots import SlotPool
from cloacina.execution.thread_call import ThreadCall, Uninterrupted
from cloacina.execution.waiting.conditions import ConditionThreads
from cloacina.execution.waiting.places import Places
from cloacina.execution.waiting.timers import Timers
from cloacina.execution.watchdog import Watchdog
from cloacina.scheduling.claiming import Claiming
from cloacina.scheduling.leaving import Leaving
from cloacina.scheduling.nested_waits import NestedWaits
from cloacina.scheduling.retention import Retention
from cloacina.scheduling.scheduler import NOTHING, Scheduler
from cloacina.store import forks
from cloacina.store.lookup import newest_id
from cloacina.store.store import Store
from cloacina.store.threads import WorkerThreads, start_daemon

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from cloacina.configuration import Durability, OnExit
    from cloacina.execution.attempt import Attempt
    from cloacina.execution.clock import Clock
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.workflow import Workflow


class _State(Enum):
    NEW = "has not been entered yet"
    OPENING = "is being entered"
    OPEN = "is open"
    LEAVING = "is being left"
    CLOSED = "has been left"
    ENDED = "has ended with its event loop"
    INHERITED = "belongs to another process"


class EngineLife:
    """The parts of a runner, from opening to closing. Arguments as for `AsyncRunner`."""

    def __init__(
        self,
        database: str | Path | None,
        max_concurrent_tasks: int | None,
        max_blocking_waits: int | None,
        durability: Durability | None,
        clock: Clock | None,
        *,
        on_exit: OnExit | None = None,
        grace: float | timedelta | None = None,
        take_up: bool = True,
        retention: float | timedelta | None = None,
    ) -> None:
        self._configuration = Configuration.read(
            database,
            max_concurrent_tasks,
            max_blocking_waits,
            durability,
            on_exit=on_exit,
            grace=grace,
            retention=retention,
        )
        self.on_exit = self._configuration.on_exit
        """What leaving does with executions."""
        self._takes_up = take_up
        self._clock = clock or SystemClock()
        self._state = _State.NEW
        self._claiming: Claiming | None = None
        self._known: dict[str, Workflow] = {}
        self._calls = 0
        self._callers_waiting = 0
        self._is_stopping = self._is_told_to_stop = False
        self._remains = NOTHING
        self._timers_ended: anyio.Event | None = None
        self.is_called_from_threads = False
        """Whether callers live outside of the event loop: virtual time then passes only while one of them waits."""

    async def open(self) -> EventLoop:
        """Open the database, and start the writer and the timers on this event loop; return the loop.

        Raises:
            RunnerClosed: It has been opened before.
            StoreError: The database cannot be opened.
            InvalidOption: The clock serves a runner on another event loop.
            ThreadUnavailable: The system lets no further thread start.
        """
        self.refuse_if_used()
        self._state = _State.OPENING
        try:
            await self._open()
        except BaseException:
            self._state = _State.NEW
            raise
        self._process = os.getpid()
        forks.tell_children(self)
        self._state = _State.OPEN
        return self._loop

    async def until_left(self) -> None:
        """Return when the runner is closed."""
        await self._left.wait()

    async def _open(self) -> None:
        configuration, clock = self._configuration, self._clock
        self._loop = loop = EventLoop.current()
        opening, uninterrupted = ThreadCall(loop, partial(_open_store, configuration)), Uninterrupted()
        await uninterrupted.complete(opening.wait, opening.has_ended)
        self._store = opening.result()
        try:
            uninterrupted.raise_interruption()
            loop.open()
            self._journal = Journal(loop, self._store.write)
            bodies = Bodies(clock)
            slots = SlotPool(configuration.max_concurrent_tasks, loop=loop)
            self._resources = resources = Resources(
                loop=loop,
                clock=clock,
                slots=slots,
                timers=Timers(clock, loop),
                conditions=ConditionThreads(loop),
                bodies=bodies,
                # No more bodies than there are slots can start at once.
                threads=WorkerThreads(loop.post, "cloacina-task", configuration.max_concurrent_tasks),
                places=Places(configuration.max_blocking_waits, slots),
                write=self._journal.write,
            )
            self._scheduler = Scheduler(resources)
            self._scheduler.on_slot_freed = self._slot_freed
            self._nested = NestedWaits(resources)
            grace = configuration.grace
            self._leaving = Leaving(self._scheduler, resources, self._journal, self._store, grace)
            self._leaving.on_closed = self._take_no_more
            loop.on_error = self._scheduler.break_down
            self._store.start(loop.post, self._scheduler.break_down, self._scheduler.unit_refused)
            self._stop_watching = clock.watch(loop, self._is_idle)
            await self._join_others(uninterrupted)
        except BaseException:
            loop.close()
            await self._close_store(uninterrupted)
            raise
        self._watchdog = Watchdog(loop, bodies)
        self._left = anyio.Event()
        loop.keep(self._run_timers, contextvars.copy_context())

    async def _join_others(self, uninterrupted: Uninterrupted) -> None:
        """Be one of the runners of the file; a database in memory has but one."""
        path = self._store.database.address.path
        kept = self._configuration.retention
        claiming = Claiming(
            self._store,
            self._scheduler,
            self._resources,
            path,
            takes_up=self._takes_up,
            slots=self._configuration.max_concurrent_tasks,
            version=version("cloacina"),
            retention=None if kept is None else Retention(self._store, kept, self._clock),
        )
        if path is not None:
            joining = ThreadCall(self._loop, claiming.open)
            await uninterrupted.complete(joining.wait, joining.has_ended)
            joining.result()
        self._claiming = claiming
        self._scheduler.on_retry = claiming.reopen_asked
        uninterrupted.raise_interruption()
        for workflow in list(self._known.values()):
            claiming.know(workflow)

    def _slot_freed(self, task: TaskExecution, slot: int) -> None:
        """Store that a thread has ended whose execution had: unless it was opened again, and is another runner's."""
        if self._journal.is_closed:
            return
        from cloacina.store.unowned import slot_freed  # noqa: PLC0415 - it needs SQLAlchemy, and comes rarely

        now = self._clock.time()
        self._journal.flush()
        self._store.transact(
            partial(
                slot_freed,
                runner_id=self._resources.runner_id,
                execution_id=task.execution_id,
                task_execution_id=task.id,
                task_id=task.definition.id,
                attempt=task.attempt,
                slot=slot,
                now=now,
            )
        )

    def know(self, workflow: Workflow) -> None:
        """Take up executions of a workflow that nobody owns, while the runner is open; callable from any thread."""
        if self._known.get(workflow.name) is workflow:
            return
        self._known[workflow.name] = workflow
        if self._claiming is not None and self._state is _State.OPEN:
            self._loop.post(partial(self._claiming.know, workflow))

    async def close(self, cancel: bool) -> None:  # noqa: FBT001 - called from another thread, which passes no keywords
        """Do with what was submitted as `on_exit` says, and stop everything. In a forked child: do nothing.

        Cancelled while it waits, it goes on as if it had been called with `cancel`, and ends in order; however often
        that is.

        Args:
            cancel: Whether the runner is left by an exception: what was submitted is cancelled, unless it is to be left
                in any case.

        Raises:
            StoreWriteFailed: Something could not be stored.
            WrongEventLoop: It was opened on another event loop. If that has ended, the database is closed now, and
                what had not ended stays as it was stored.
        """
        if not self.is_open:
            return
        if not self._loop.is_current():
            refusal = self._loop.elsewhere()
            if self._loop.has_ended():
                self.abandon()
            raise refusal
        attempt = self._own_attempt()
        if attempt is not None and not attempt.has_ended and attempt.is_run_by(self._loop.current_task()):
            message = (
                f"task {attempt.task.definition.id!r} cannot leave the runner that runs it: leaving waits for the end "
                "of every task"
            )
            raise WouldDeadlock(message)
        uninterrupted = Uninterrupted()
        self._callers_waiting += 1
        self._clock.reconsider()
        on_exit = self.on_exit
        cancels = on_exit == "cancel" or (cancel and on_exit == "wait")
        if self._claiming is not None:
            self._claiming.stop()
        try:
            if on_exit == "wait" and not cancel:
                cancels = True  # When that is interrupted.
                await self._leaving.wait()
                cancels = False
        finally:
            if self._is_stopping:
                if cancel:
                    self._leaving.hasten()
                await uninterrupted.complete(self._left.wait, self._left.is_set)
            else:
                self._is_stopping = True
                await self._stop(uninterrupted, cancels or self._scheduler.failure is not None)
            self._callers_waiting -= 1
        uninterrupted.raise_interruption()
        if not cancel:
            self._scheduler.raise_failure()

    async def _stop(self, uninterrupted: Uninterrupted, cancels: bool) -> None:  # noqa: FBT001 - of `close` alone
        resources, scheduler, leaving = self._resources, self._scheduler, self._leaving
        if cancels:
            self._take_no_more()
            await uninterrupted.complete(leaving.cancel, lambda: scheduler.is_own_over)
        await uninterrupted.complete(leaving.leave, lambda: not len(scheduler))
        resources.timers.close()
        if self._timers_ended is not None:
            await uninterrupted.complete(self._timers_ended.wait, self._timers_ended.is_set)
        self._stop_watching()
        self._nested.close()
        self._close_threads()
        self._remains = self._scheduler.remains(is_loop_alive=True)
        await self._close_store(uninterrupted)
        self._loop.close()
        self._state = _State.CLOSED
        forks.forget(self)
        self._left.set()

    def _take_no_more(self) -> None:
        self._state = _State.LEAVING

    def abandon(self) -> None:
        """Close the database, without the event loop, which has ended; what had not ended stays as it was stored."""
        if self.is_open:
            self._state = _State.ENDED
            forks.forget(self)
            self._close_threads()
            self._remains = self._scheduler.remains(is_loop_alive=False)
            self._close_files()

    def lost(self) -> None:
        """End in order: nobody refers to the runner any more, and it was not left. Called by the garbage collector."""
        if self._state is not _State.OPEN:
            return
        close = partial(self._loop.spawn, partial(self.close, False), contextvars.Context())
        if self._loop.has_ended() or not self._loop.post(close):
            start_daemon(self.abandon, "cloacina-store")
        message = "a runner was lost without being left; what it has been given is finished first. Use it by `with`"
        warnings.warn(message, ResourceWarning, stacklevel=2)

    @property
    def is_open(self) -> bool:
        """Whether it has to be closed: it is open, or about to be left."""
        return self._state in {_State.OPEN, _State.LEAVING}

    @property
    def is_inherited(self) -> bool:
        """Whether this is a copy in a forked child."""
        return self._state is _State.INHERITED

    def _close_threads(self) -> None:
        self._journal.close()
        self._watchdog.close()
        self._resources.conditions.close()
        self._resources.threads.close()

    def _close_files(self) -> None:
        if self._claiming is not None:
            self._claiming.close(self._remains)
        self._store.close()

    async def _close_store(self, uninterrupted: Uninterrupted) -> None:
        try:
            closing = ThreadCall(self._loop, self._close_files)
        except ThreadUnavailable:
            self._close_files()  # The loop stands still for that long.
        else:
            await uninterrupted.complete(closing.wait, closing.has_ended)
            closing.result()

    async def _run_timers(self) -> None:
        self._timers_ended = ended = anyio.Event()
        try:
            await self._resources.timers.run()
        except Exception as error:  # noqa: BLE001 - without timers nothing can go on
            self._scheduler.break_down(error)
        finally:
            ended.set()

    def _is_idle(self) -> bool:
        resources = self._resources
        return (
            not resources.bodies.at_work
            and not resources.conditions.outstanding
            and self._journal.is_empty
            and not self._store.in_flight
            and not self._calls
            and (self._callers_waiting > 0 or not self.is_called_from_threads)
        )

    def _call_has_ended(self) -> None:
        self._calls -= 1
        self._clock.reconsider()

    def refuse_if_used(self) -> None:
        """Raise if it has been opened before."""
        if self._state is not _State.NEW:
            message = f"a runner can be entered once, and this one {self._state.value}; make another one"
            raise RunnerClosed(message)

    def closed(self) -> RunnerClosed:
        """Return the error for the use of a runner that is not open."""
        if self._state is _State.INHERITED:
            message = (
                f"this runner belongs to process {self._process}, and this is process {os.getpid()}, forked from it; "
                "open a runner after the fork and none before it, or start processes by the method 'spawn'"
            )
        else:
            state = "has been left" if self._state is _State.OPEN else self._state.value
            message = f"this runner {state}; use it inside of its `with` block"
        return RunnerClosed(message)

    def forked(self) -> None:
        """Refuse every use from now on, and have nothing to close. Called in a forked child; see `forks`."""
        self._state = _State.INHERITED
        self._loop.forked()
        self._journal.forked()
        if (attempt := self._own_attempt()) is not None:
            attempt.forked()

    def _own_attempt(self) -> Attempt | None:
        """Return the attempt of this runner whose body the caller is in, if it is in one."""
        attempt = current_attempt()
        return attempt if attempt is not None and attempt.resources is self._resources else None

    def _refuse_unless_open(self) -> None:
        if self._state is not _State.OPEN:
            raise self.closed()
        if not self._loop.is_current():
            raise self._loop.elsewhere()

    def _refuse_elsewhere(self) -> None:
        if self._state is _State.INHERITED:
            raise self.closed()
        if not self._loop.is_current():
            raise self._loop.elsewhere()


def _open_store(configuration: Configuration) -> Store:
    """Open the database, whose newest id may come from a clock that was ahead of this one."""
    store = Store.open(configuration.database, configuration.durability)
    try:
        follow(store.database.read(newest_id))
    except BaseException:
        store.close()
        raise
    return store
