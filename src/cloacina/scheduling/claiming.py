"""A runner among others at one file: seen to be alive, woken by them, and taking up what nobody owns.

A database in memory has one runner, which lives and dies with it: nobody is told, and there is nothing to take up but
what is asked for.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from cloacina.errors import StoreError
from cloacina.membrane import Log
from cloacina.scheduling.changed_code import changed_tasks
from cloacina.scheduling.scheduler import NOTHING
from cloacina.store import claims, lookup
from cloacina.store.ownership import Place, RunnerLock, remove_leftovers
from cloacina.store.wake import Listener, wake_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cloacina.execution.resources import Resources
    from cloacina.scheduling.retention import Retention
    from cloacina.scheduling.scheduler import Remains, Scheduler
    from cloacina.store.claims import StoredExecution
    from cloacina.store.connection import Connection
    from cloacina.store.store import Store
    from cloacina.workflow import Workflow

logger = Log("cloacina.scheduling")

AT_ONCE = 250
"""How many executions are taken up in one transaction, before others get a turn."""
LOOK_AGAIN_SECONDS = 5.0
"""How often a runner that is not woken looks for executions that nobody owns, and tells that it is at work."""


class Claimed(NamedTuple):
    """What a look for executions has found."""

    executions: list[StoredExecution]
    dead: list[str]


class Claiming:
    """Takes up executions of the workflows that a runner knows, as long as it is open.

    Args:
        store: The database, started.
        scheduler: What runs the executions.
        resources: What they run on.
        path: The file of the database; None when it is in memory.
        takes_up: Whether it takes up what nobody has asked it for.
        slots: How many slots the runner has, for those who look at runners.
        version: The version of Cloacina.
        retention: Deletes what ended long ago; None to keep it.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        resources: Resources,
        path: Path | None,
        *,
        takes_up: bool,
        slots: int,
        version: str,
        retention: Retention | None = None,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._resources = resources
        self._path = path
        self._takes_up = takes_up and path is not None
        self._slots = slots
        self._version = version
        self._retention = retention
        self._known: dict[str, Workflow] = {}
        self._is_claiming = False
        self._is_due = False
        self._is_stopped = False
        self._is_closed = False
        self._looked_at = 0.0
        self._last_signal = 0
        self._changes = -1
        self._lock: RunnerLock | None = None
        self._listener: Listener | None = None

    # ── In the thread that opens and closes ──────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Take the runner's lock, and store that it is there. Blocks.

        Raises:
            StoreUnavailable: The lock's file cannot be created.
            StoreWriteFailed: The runner cannot be stored.
        """
        if self._path is None:
            return
        runner_id = self._resources.runner_id
        self._lock = RunnerLock.take(self._path, runner_id)
        try:
            listener = self._listener = Listener(self._path, runner_id, self._look, self._listener_failed)
            register = partial(
                claims.register_runner,
                runner_id=runner_id,
                place=Place.here(),
                now=self._resources.clock.time(),
                wake_address=listener.address,
                max_concurrent_tasks=self._slots,
                version=self._version,
            )
            self._store.transact(register).result()
            self._last_signal = self._store.database.read(lookup.newest_signal)
            listener.start()
        except BaseException:
            self.close()
            raise

    def close(self, remains: Remains = NOTHING) -> None:
        """Let go of all that the runner has, store that it is there no more, and give up its lock. Blocks.

        Args:
            remains: What has not ended.
        """
        self._is_stopped = self._is_closed = True
        if self._path is None:
            return
        if self._listener is not None:
            self._listener.close()
        try:
            wake_all(self._store.transact(partial(self._last_words, remains=remains)).result())
        except StoreError as error:
            logger.warning("that the runner has been left is not stored: %s", error)
        if self._lock is not None:
            self._lock.keep() if remains.kept else self._lock.release()

    def _last_words(self, connection: Connection, remains: Remains) -> Sequence[str]:
        runner_id, now = self._resources.runner_id, self._resources.clock.time()
        if remains.cancelled:
            from cloacina.store import unowned  # noqa: PLC0415 - it needs SQLAlchemy, and most runners leave nothing so

            for execution_id in remains.cancelled:
                unowned.cancel(connection, execution_id, now)
        claims.reopen_asked(connection, [runner_id], now)
        addresses = claims.leave(connection, runner_id, remains.kept)
        claims.tell_runner(connection, runner_id, now, status="stopping" if remains.kept else "stopped")
        return addresses

    # ── On the loop's thread ─────────────────────────────────────────────────────────────────────────────────────────

    def know(self, workflow: Workflow) -> None:
        """Take up executions of a workflow from now on; one of the same name is replaced."""
        if self._known.get(workflow.name) is not workflow:
            self._known[workflow.name] = workflow
            self.look_for_executions()

    def stop(self) -> None:
        """Take up nothing more: the runner is about to be left."""
        if not self._is_stopped:
            self._is_stopped = True
            if self._path is not None:
                self._store.transact(self._tell)

    def _tell(self, connection: Connection) -> None:
        """Store that the runner is at work, or is about to be left."""
        status = "stopping" if self._is_stopped else "live"
        claims.tell_runner(connection, self._resources.runner_id, self._resources.clock.time(), status=status)

    def look_for_executions(self) -> None:
        """Take up what nobody owns; once more when that is going on already."""
        if self._is_claiming or self._is_stopped or not self._takes_up or not self._known:
            self._is_due = self._is_claiming
            return
        self._is_claiming = True
        self._is_due = False
        request = partial(self._claim, workflows=dict(self._known), now=self._resources.clock.time())
        self._store.transact(request, self._claimed)

    def _claim(
        self, connection: Connection, workflows: Mapping[str, Workflow], now: float, only: str | None = None
    ) -> Claimed:
        runner_id = self._resources.runner_id
        dead = claims.release_dead(connection, self._path, runner_id, now)
        if dead:
            claims.reopen_asked(connection, dead, now)
        executions = claims.claim(connection, runner_id, list(workflows), AT_ONCE, now, only)
        return Claimed(
            [_with_answers_for(connection, each, workflows[each.workflow], now) for each in executions], dead
        )

    def _claimed(self, done: Future[Claimed]) -> None:
        self._is_claiming = False
        if (error := done.exception()) is not None:
            logger.warning("executions that nobody owns cannot be taken up: %s", error)
            return
        found = done.result()
        self._bury(found.dead)
        for stored in found.executions:
            self._scheduler.take_up(stored, self._known[stored.workflow])
        if found.executions or found.dead:
            message = "%d executions that nobody owned are taken up; %d runners have died"
            logger.info(message, len(found.executions), len(found.dead))
        if self._is_due or len(found.executions) == AT_ONCE:
            # By way of the loop: those that were taken up have their turn first.
            self._resources.loop.call_soon(self.look_for_executions)

    def _bury(self, dead: Sequence[str]) -> None:
        if self._path is not None:
            for runner_id in dead:
                remove_leftovers(self._path, runner_id)

    def claim(self, execution_id: str, then: Callable[[], None]) -> None:
        """Take up one execution that nobody owns, as one that was submitted here.

        Args:
            execution_id: The execution.
            then: Called when that is done, or cannot be.
        """
        request = partial(self._claim, workflows=dict(self._known), now=self._resources.clock.time(), only=execution_id)

        def settle(done: Future[Claimed]) -> None:
            if (error := done.exception()) is not None:
                logger.warning("execution %s cannot be taken up: %s", execution_id, error)
            else:
                found = done.result()
                self._bury(found.dead)
                for stored in found.executions:
                    self._scheduler.take_up(stored, self._known[stored.workflow], is_own=True)
                self._scheduler.adopt(execution_id)
            then()

        self._store.transact(request, settle)

    def reopen_asked(self) -> None:
        """Let executions go on that have ended here, and that others have asked this runner to retry."""
        runner_id, now = self._resources.runner_id, self._resources.clock.time()

        def settle(done: Future[Sequence[str]]) -> None:
            if (error := done.exception()) is not None:
                logger.warning("executions that are to be retried cannot be opened again: %s", error)
                return
            wake_all(done.result())
            self.look_for_executions()

        self._store.transact(lambda connection: claims.reopen_asked(connection, [runner_id], now), settle)

    # ── In the listener's thread ─────────────────────────────────────────────────────────────────────────────────────

    def _look(self, is_woken: bool) -> None:  # noqa: FBT001 - called by the listener
        if self._is_closed:
            return
        version = self._store.watch.version()
        if version != self._changes:
            self._changes = version
            signals = self._store.database.read(lookup.signals_since, self._last_signal)
            if signals:
                self._last_signal = signals[-1].seq
                self._post(partial(self._scheduler.deliver, signals))
        is_due = monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS
        if is_woken or is_due:
            self._post(self.look_for_executions)
        if is_due:
            self._looked_at = monotonic()
            self._store.transact(self._tell)
        if self._retention is not None:
            self._retention.look()

    def _post(self, callback: Any) -> None:
        self._resources.loop.post(callback)

    def _listener_failed(self, error: BaseException) -> None:
        if not self._is_closed:
            logger.error("signals of other processes are not heard any more: %s", error)


def _with_answers_for(
    connection: Connection, stored: StoredExecution, workflow: Workflow, now: float
) -> StoredExecution:
    """Return an execution without the answers of other code, if its workflow wants them dropped."""
    if workflow.on_change != "restart":
        return stored
    changed = list(changed_tasks(stored, workflow))
    if not changed:
        return stored
    from cloacina.store import answers, loading  # noqa: PLC0415 - they need SQLAlchemy, and code seldom changes

    for number, task in enumerate(changed, stored.events + 1):
        answers.drop_answers(connection, task.stored, number, task.detail(), now)
        task.warn()
    return loading.load(connection, [stored.id])[0]
